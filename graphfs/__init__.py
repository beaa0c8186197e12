"""GraphFS: a drive whose folders are questions."""

__version__ = "0.1.0"
