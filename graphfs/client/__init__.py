"""A drive over HTTP: `connect` gives a `graphfs.api.Drive` whose every call crosses to a server. No rules of the
drive live here."""

from graphfs.client.drive import HttpDrive, connect

__all__ = ["HttpDrive", "connect"]
