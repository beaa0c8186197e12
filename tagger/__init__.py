"""The tagger: reads files of a drive, says which tags they should have. A process of its own, an HTTP client of the
drive.

It never opens the drive's database and never changes a file.
"""
