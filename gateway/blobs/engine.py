"""Which engine keeps the bytes, as the settings say. Only composes."""

from pathlib import Path

from gateway.blobs.base import Blobs
from gateway.blobs.local import LocalBlobs
from gateway.blobs.s3 import Place, S3Blobs
from graphfs import config


def open_blobs(settings: config.Blobs, state: Path, reserve: int) -> Blobs:
    """The blobs of a drive. `reserve`: bytes that stay free on the disk of the state directory."""
    if settings.engine == "local":
        folder = Path(settings.folder).expanduser() if settings.folder else state / "blobs"
        return LocalBlobs(folder, 0 if settings.folder else reserve)
    access, secret = settings.access_key, settings.secret_key
    return S3Blobs(
        Place(
            endpoint=settings.endpoint or "",
            bucket=settings.bucket,
            region=settings.region,
            prefix=settings.prefix.strip("/"),
            access_key=access.reveal() if access else "",
            secret_key=secret.reveal() if secret else "",
        )
    )
