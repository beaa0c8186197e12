"""Listings: complete and without doubles, also of large folders while files come and go."""

import os
from pathlib import Path

from tests.filesystem.syscalls import listing

MANY = 10_000


def _fill(folder: Path, count: int = MANY) -> set[str]:
    names = {f"file-{number:05}-{'x' * (number % 50)}" for number in range(count)}
    descriptor = os.open(folder, os.O_RDONLY)
    for name in names:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=descriptor))
    os.close(descriptor)
    return names


def test_a_large_folder_is_listed_whole_while_it_changes(drive: Path) -> None:
    """One filling serves all of it: making 10,000 files takes seconds."""
    names = _fill(drive)
    assert sorted(os.listdir(drive)) == sorted(names)
    assert {entry.name for entry in os.scandir(drive) if entry.is_file()} == names

    with listing(drive) as stream:
        everything = stream.rest()
        assert sorted(everything) == sorted(names)
        stream.rewind()
        assert stream.rest() == everything

        # every position that was told leads back to the same rest
        stream.rewind()
        positions = []
        while True:
            position = stream.tell()
            if (name := stream.next()) is None:
                break
            positions.append((position, name))
        for position, name in positions[:: MANY // 7]:
            stream.seek(position)
            assert stream.next() == name
        middle, _ = positions[MANY // 2]
        stream.seek(middle)
        assert stream.rest() == [name for _, name in positions[MANY // 2 :]]

    # what was there all the time is seen once, whatever comes and goes meanwhile
    gone, stay = set(sorted(names)[::2]), set(sorted(names)[1::2])
    with listing(drive) as stream:
        seen: list[str] = []
        doomed = iter(sorted(gone))
        arrived = 0
        while (name := stream.next()) is not None:
            seen.append(name)
            if len(seen) % 10 == 0:
                for victim in (next(doomed, None), next(doomed, None)):
                    if victim is not None:
                        os.unlink(drive / victim)
                (drive / f"new-{arrived}").touch()
                arrived += 1
        kept = [name for name in seen if name in stay]
        assert sorted(kept) == sorted(stay)
        stream.rewind()
        now = set(stream.rest())
    assert now == set(os.listdir(drive))
    assert now >= stay
    assert not now & (gone - set(doomed))


def test_removing_while_listing_empties_the_folder(drive: Path) -> None:
    """What rm -r does, without reading the listing to its end first."""
    _fill(drive, 1_500)
    with os.scandir(drive) as entries:
        for entry in entries:
            os.unlink(entry.path)
    assert os.listdir(drive) == []


def test_attributes_of_a_listing_are_those_of_the_files(drive: Path) -> None:
    for number in range(300):
        (drive / f"f{number}").write_bytes(b"x" * number)
    for entry in os.scandir(drive):
        number = int(entry.name[1:])
        attributes = entry.stat(follow_symlinks=False)
        assert attributes.st_size == number
        assert attributes.st_ino == entry.inode() == os.lstat(entry.path).st_ino


def test_a_listing_after_every_change_is_right(drive: Path) -> None:
    expected: set[str] = set()
    for number in range(60):
        (drive / f"a{number}").touch()
        expected.add(f"a{number}")
        assert set(os.listdir(drive)) == expected
        if number % 3 == 0:
            os.rename(drive / f"a{number}", drive / f"b{number}")
            expected ^= {f"a{number}", f"b{number}"}
            assert set(os.listdir(drive)) == expected
        if number % 4 == 0:
            gone = sorted(expected)[0]
            os.unlink(drive / gone)
            expected.discard(gone)
            assert set(os.listdir(drive)) == expected


def test_an_empty_folder_and_a_folder_of_folders(drive: Path) -> None:
    (drive / "empty").mkdir()
    with listing(drive / "empty") as stream:
        assert stream.rest() == []
    for number in range(100):
        (drive / f"d{number}" / "below").mkdir(parents=True)
    found = [(folder, folders) for folder, folders, _ in os.walk(drive)]
    assert len(found) == 1 + 1 + 200
    assert os.stat(drive).st_nlink == 103
