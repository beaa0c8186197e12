"""Other people's suites over every drive: fsx, stress-ng and pjdfstest. Our own cases are not here."""
