"""Every binding against the kernel, over a volume in memory: what is asked arrives, what is answered is believed no
longer than it holds, and calls that wait keep their order."""

import ctypes
import errno
import os
import secrets
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphfs.fuse.lookups import LINGERING
from graphfs.mounting.unmounting import detach
from tests.contracts.ground import eventually
from tests.system.mounts import PROJECT, SECONDS

BINDINGS = ("pyfuse3", "mfusepy", "fusepy")
SLOW = "read,write,flush,fsync,release,setattr,open,create,rename,readdir,opendir,unlink,getxattr"
NOREPLACE, EXCHANGE = 1, 2
libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Mounted:
    root: Path
    process: "subprocess.Popen[str]"

    def tell(self, *words: object) -> str:
        """Makes a change behind the kernel's back; the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(*words, file=self.process.stdin, flush=True)
        return self.process.stdout.readline()


@contextmanager
def mounted(binding: str, folder: Path, *words: str) -> Iterator[Mounted]:
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.memory_mount", binding, str(folder), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "mounted\n"
            yield Mounted(folder, process)
            detach(str(folder), lazy=False)
            assert process.wait(SECONDS) == 0
        finally:
            subprocess.run(["fusermount3", "-uzq", str(folder)], check=False, timeout=SECONDS)
            process.kill()


@pytest.fixture(
    params=[*((name, "") for name in BINDINGS), ("pyfuse3", SLOW), ("pyfuse3", "remote")],
    ids=["pyfuse3", "mfusepy", "fusepy", "pyfuse3-waiting", "pyfuse3-remote"],
)
def drive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mounted]:
    binding, words = request.param
    with mounted(binding, tmp_path / "drive", words) as made:
        yield made


@pytest.fixture
def root(drive: Mounted) -> Path:
    return drive.root


def rename(old: Path, new: Path, flags: int) -> int:
    done = libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags)
    return ctypes.get_errno() if done else 0


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true before the caches would have run out by themselves (they have a second)."""
    end = time.monotonic() + 0.8
    while not condition():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.01)
    return True


def test_content_names_and_times(root: Path) -> None:
    (root / "d").mkdir(mode=0o750)
    (root / "d" / "f").write_bytes(b"0123456789" * 50_000)
    assert (root / "d" / "f").read_bytes() == b"0123456789" * 50_000
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o750
    os.utime(root / "d" / "f", ns=(1, 1_073_741_822))
    assert ((root / "d" / "f").stat().st_atime_ns, (root / "d" / "f").stat().st_mtime_ns) == (1, 1_073_741_822)
    assert sorted(os.listdir(root)) == ["d"]
    assert [entry.inode() for entry in os.scandir(root)] == [(root / "d").stat().st_ino]


def test_one_time_alone_is_set(root: Path) -> None:
    (root / "f").touch()
    os.utime(root / "f", ns=(5, 7))
    subprocess.run(["touch", "-m", str(root / "f")], check=True)
    found = (root / "f").stat()
    assert found.st_atime_ns == 5
    assert abs(found.st_mtime_ns - time.time_ns()) < 60 * 10**9


def test_names_are_any_bytes(root: Path) -> None:
    for name in (b"caf\xe9", "文件 'x'".encode(), b"line\nbreak", b"n" * 255):
        path = os.path.join(os.fsencode(root), name)
        with open(path, "wb") as file:
            file.write(name)
        assert name in os.listdir(os.fsencode(root))
        os.rename(path, path[:-1] + b"\xff")
        os.unlink(path[:-1] + b"\xff")
    assert os.listdir(root) == []


def test_a_long_listing_is_complete_and_each_name_once(root: Path) -> None:
    names = {f"a rather long name of a file {number:05}" for number in range(3000)}
    for name in names:
        (root / name).touch()
    listed = os.listdir(root)
    assert len(listed) == len(names)
    assert set(listed) == names


def test_links_are_one_file(root: Path) -> None:
    (root / "a").write_text("x")
    os.link(root / "a", root / "b")
    assert [(root / name).stat().st_nlink for name in "ab"] == [2, 2]
    assert (root / "a").stat().st_ino == (root / "b").stat().st_ino
    os.chmod(root / "a", 0o600)
    assert stat.S_IMODE((root / "b").stat().st_mode) == 0o600
    with open(root / "b", "a") as file:
        file.write("y")
    assert (root / "a").read_text() == "xy"
    os.unlink(root / "b")
    assert (root / "a").stat().st_nlink == 1


def test_renames_keep_to_their_flags(root: Path, request: pytest.FixtureRequest) -> None:
    (root / "a").write_text("a")
    (root / "b").write_text("bb")
    assert rename(root / "a", root / "b", NOREPLACE) == errno.EEXIST
    done = rename(root / "a", root / "b", EXCHANGE)
    if "[fusepy" in request.node.name:  # libfuse 2 does not know it, and must not pretend
        assert done == errno.EINVAL
    else:
        assert done == 0
        (root / "a").rename(root / "c")
        (root / "b").rename(root / "a")
        (root / "c").rename(root / "b")
    assert [(root / name).read_text() for name in "ab"] == ["a", "bb"]


def test_a_renamed_folder_takes_its_content_along(root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "f").write_text("x")
    (root / "a").rename(root / "c")
    assert (root / "c" / "b" / "f").read_text() == "x"
    (root / "a").mkdir()
    assert os.listdir(root / "a") == []


def test_an_open_file_outlives_its_name(root: Path) -> None:
    (root / "f").write_text("old")
    with open(root / "f") as file:
        os.unlink(root / "f")
        assert not (root / "f").exists()
        assert os.listdir(root) == []
        assert os.fstat(file.fileno()).st_size == 3
        assert file.read() == "old"


def test_an_open_file_that_is_replaced_goes_on(root: Path) -> None:
    (root / "f").write_text("old")
    (root / "g").write_text("new!")
    with open(root / "f") as file:
        os.rename(root / "g", root / "f")
        assert (root / "f").read_text() == "new!"
        assert file.read() == "old"
        assert os.listdir(root) == ["f"]
    assert (root / "f").read_text() == "new!"


def test_appenders_lose_nothing(root: Path) -> None:
    def append(letter: bytes) -> None:
        file = os.open(root / "f", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for _ in range(100):
            os.write(file, letter * 10)
        os.close(file)

    threads = [threading.Thread(target=append, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = (root / "f").read_bytes()
    assert sorted(content[at : at + 10] for at in range(0, len(content), 10)) == sorted(
        letter * 10 for letter in (b"a", b"b", b"c") for _ in range(100)
    )


def test_what_was_written_is_read_at_once_by_every_descriptor(root: Path) -> None:
    with open(root / "f", "w+b", buffering=0) as one, open(root / "f", "rb", buffering=0) as other:
        for number in range(200):
            one.write(number.to_bytes(4, "big") * 1000)
            one.seek(0)
            assert os.fstat(other.fileno()).st_size == (number + 1) * 4000
            assert os.pread(other.fileno(), 4, number * 4000) == number.to_bytes(4, "big")
            one.seek(0, os.SEEK_END)


def test_exclusive_creation_has_one_winner(root: Path) -> None:
    results: list[bool] = []

    def create() -> None:
        try:
            os.close(os.open(root / "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            results.append(True)
        except FileExistsError:
            results.append(False)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(True) == 1


def test_extended_attributes(root: Path) -> None:
    path = root / "f"
    path.touch()
    os.setxattr(path, "user.a", b"\0" * 5000)
    assert os.getxattr(path, "user.a") == b"\0" * 5000
    assert os.listxattr(path) == ["user.a"]
    for flags, name, number in (
        (os.XATTR_CREATE, "user.a", errno.EEXIST),
        (os.XATTR_REPLACE, "user.b", errno.ENODATA),
    ):
        with pytest.raises(OSError) as error:
            os.setxattr(path, name, b"x", flags)
        assert error.value.errno == number
    os.removexattr(path, "user.a")
    assert os.listxattr(path) == []


def test_special_files(root: Path) -> None:
    os.mkfifo(root / "p", 0o640)
    os.symlink("somewhere/" + "x" * 200, root / "s")
    assert stat.S_ISFIFO((root / "p").stat().st_mode)
    assert os.readlink(root / "s") == "somewhere/" + "x" * 200
    assert (root / "s").lstat().st_size == 210


def test_the_drive_tells_its_room(root: Path) -> None:
    room = os.statvfs(root)
    assert (room.f_frsize, room.f_blocks, room.f_bavail, room.f_namemax) == (4096, 1 << 20, 1 << 19, 255)


def test_content_that_changed_elsewhere_is_read_new(drive: Mounted) -> None:
    path = drive.root / "f"
    path.write_text("old")
    assert path.read_text() == "old"
    drive.tell("replace", path.stat().st_ino, "newer")
    end = time.monotonic() + 5  # the portable binding may believe what it has for a second
    while path.read_text() != "newer":
        assert time.monotonic() < end
        threading.Event().wait(0.05)


@pytest.fixture
def exact(tmp_path: Path) -> Iterator[Mounted]:
    with mounted("pyfuse3", tmp_path / "drive") as made:
        yield made


def test_changes_are_pushed_into_the_kernel(exact: Mounted) -> None:
    path = exact.root / "f"
    path.write_text("old")
    with open(path, "rb", buffering=0) as file:
        assert file.read() == b"old"
        exact.tell("replace", path.stat().st_ino, "newer")
        assert soon(lambda: os.pread(file.fileno(), 10, 0) == b"newer")
    (exact.root / "g").touch()
    os.stat(exact.root / "g")
    exact.tell("remove", 1, "g")
    assert soon(lambda: not (exact.root / "g").exists())
    exact.tell("plant", 1, "h", "text")
    assert (exact.root / "h").read_text() == "text"


def test_what_the_kernel_forgets_is_told(exact: Mounted) -> None:
    path = exact.root / "f"
    path.touch()
    node = path.stat().st_ino
    os.listdir(exact.root)
    path.unlink()

    def told() -> bool:
        """It is a moment after the kernel has forgotten it, when something else is looked up."""
        (exact.root / secrets.token_hex(4)).exists()
        os.listdir(exact.root)
        return str(node) in exact.tell("forgotten").split()

    eventually(told, 3 * LINGERING)
