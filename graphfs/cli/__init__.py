"""The command line: `graphfs ls|find|tag|...`. It translates words to calls of `graphfs.api` and answers to text or
JSON.

What a drive does is decided behind the boundary; nothing here knows SQL, FUSE or HTTP. Modules of single commands are
loaded when they are asked for, so that the program starts fast.
"""
