"""The contract of `graphfs.api.Drive`: one suite, run over everything that implements it."""
