"""What a query means: its tree, its two spellings (a path, a line of text), its files and its facets.

Pure: no store, no clock, no I/O. Engines compile the tree and are held equal to `graphfs.query.evaluate`.
"""
