"""The set of tags itself: which tags a drive's files suggest (TagGPT's first half), and which of its tags are one.

`python -m tagger.vocabulary` answers the command line in JSON. Changes nothing on the drive.
"""
