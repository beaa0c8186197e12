"""How the S3 server of the tests and of `make cluster` is started: versitygw over a folder. It is no configuration for
data that matters: there the store brings its own replication."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / ".tools" / "s3" / "versitygw"


def command(folder: Path, port: int) -> list[str]:
    """Serves the folders in `folder` as buckets on the loopback."""
    return [str(PROGRAM), "--port", f"127.0.0.1:{port}", "--keep-alive", "--quiet", "posix", str(folder)]


def environment(access_key: str, secret_key: str) -> dict[str, str]:
    """The keys, which a command line would show to everybody."""
    return {"ROOT_ACCESS_KEY": access_key, "ROOT_SECRET_KEY": secret_key}
