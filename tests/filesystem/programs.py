"""Runs the programs that people use, on a drive. One that is not installed is a failure that says how to install it."""

import os
import shutil
import subprocess
from pathlib import Path

SECONDS = 60

_PACKAGES = {"vim": "vim", "sqlite3": "sqlite3", "stress-ng": "stress-ng", "gcc": "gcc", "cc": "gcc"}


def run(*command: str | Path, at: Path, inputs: bytes | None = None, expect: int = 0) -> str:
    """Runs a program in the folder `at`; returns its standard output. AssertionError when it ends otherwise."""
    name = str(command[0])
    found = shutil.which(name)
    assert found or "/" in name, f"{name} is not installed: apt-get install {_PACKAGES.get(name, name)}"
    environment = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "HOME": str(at),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=at,
        input=inputs,
        stdin=subprocess.DEVNULL if inputs is None else None,
        capture_output=True,
        timeout=SECONDS,
        env={name: value for name, value in environment.items() if not name.startswith("PYTHON")},
        check=False,
    )
    output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert done.returncode == expect, f"{name} ended with {done.returncode}:\n{output}\n{errors}"
    return output


def tree(folder: Path) -> dict[str, tuple[int, int, str | bytes]]:
    """What is below a folder: path -> (mode, mtime in ns, content or link target); folders' times are left out."""
    found: dict[str, tuple[int, int, str | bytes]] = {}
    for path in sorted(folder.rglob("*")):
        attributes = path.lstat()
        key = str(path.relative_to(folder))
        if path.is_symlink():
            found[key] = (attributes.st_mode, 0, os.readlink(path))
        elif path.is_dir():
            found[key] = (attributes.st_mode, 0, "")
        elif path.is_file():
            found[key] = (attributes.st_mode, attributes.st_mtime_ns, path.read_bytes())
        else:
            found[key] = (attributes.st_mode, attributes.st_mtime_ns, "")
    return found


def sample(folder: Path) -> Path:
    """Makes a small tree with everything in it that a copy can lose."""
    folder.mkdir()
    (folder / "empty").touch()
    (folder / "text.txt").write_text("line one\nline two\n")
    (folder / "large.bin").write_bytes(os.urandom(700_000))
    (folder / "sub" / "deeper").mkdir(parents=True)
    (folder / "sub" / "naïve 名前.txt").write_text("unicode")
    (folder / "sub" / "script.sh").write_text("#!/bin/sh\necho ran\n")
    (folder / "sub" / "script.sh").chmod(0o755)
    (folder / "sub" / "private").write_text("mine")
    (folder / "sub" / "private").chmod(0o600)
    (folder / "sub" / "readonly").write_text("fixed")
    (folder / "sub" / "readonly").chmod(0o444)
    (folder / "link").symlink_to("sub/script.sh")
    (folder / "dangling").symlink_to("nowhere")
    os.link(folder / "text.txt", folder / "sub" / "same text.txt")
    os.mkfifo(folder / "sub" / "pipe")
    with open(folder / "sparse", "wb") as stream:
        stream.write(b"start")
        stream.seek(3_000_000)
        stream.write(b"end")
    (folder / "sub" / "setgid").mkdir()
    (folder / "sub" / "setgid").chmod(0o2775)
    os.setxattr(folder / "text.txt", "user.note", b"an attribute")
    for number, path in enumerate(sorted(folder.rglob("*"))):
        os.utime(path, ns=(10**18 + number, 10**18 + number * 1_000_000_007), follow_symlinks=False)
    return folder
