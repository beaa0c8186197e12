"""Copying, packing, building and searching with the programs that everybody has."""

import os
import shelve
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.filesystem.programs import run, sample, tree


def test_cp_a_keeps_everything(drive: Path, tmp_path: Path) -> None:
    """In, within and out again."""
    original = sample(tmp_path / "original")
    run("cp", "-a", original, drive / "in", at=drive)
    run("cp", "-a", "in", "within", at=drive)
    run("cp", "-a", drive / "within", tmp_path / "out", at=drive)
    expected = tree(original)
    assert tree(drive / "in") == expected
    assert tree(drive / "within") == expected
    assert tree(tmp_path / "out") == expected
    copied = drive / "within"
    assert (copied / "text.txt").stat().st_ino == (copied / "sub" / "same text.txt").stat().st_ino
    assert os.getxattr(tmp_path / "out" / "text.txt", "user.note") == b"an attribute"


def test_cp_keeps_holes(drive: Path, tmp_path: Path) -> None:
    original = sample(tmp_path / "original")
    run("cp", "--sparse=always", original / "sparse", drive / "a", at=drive)
    run("cp", "--sparse=auto", "a", "b", at=drive)
    run("cp", "--sparse=never", "a", "c", at=drive)
    run("cp", "--reflink=auto", "a", "d", at=drive)
    for name in "abcd":
        assert (drive / name).read_bytes() == (original / "sparse").read_bytes()
    assert (drive / "a").stat().st_blocks * 512 < 500_000


def test_cp_with_its_options(drive: Path) -> None:
    (drive / "f").write_text("one")
    (drive / "g").write_text("two")
    run("cp", "-b", "f", "g", at=drive)
    assert ((drive / "g").read_text(), (drive / "g~").read_text()) == ("one", "two")
    run("cp", "-l", "f", "hard", at=drive)
    run("cp", "-s", "f", "soft", at=drive)
    assert (drive / "hard").samefile(drive / "soft")
    run("cp", "--remove-destination", "g~", "soft", at=drive)
    assert ((drive / "soft").read_text(), (drive / "f").read_text()) == ("two", "one")
    run("cp", "-u", "--preserve=timestamps", "f", "new", at=drive)
    assert (drive / "new").stat().st_mtime_ns == (drive / "f").stat().st_mtime_ns


def test_mv_out_of_the_drive_and_back(drive: Path, tmp_path: Path) -> None:
    original = sample(tmp_path / "original")
    expected = tree(original)
    run("mv", original, drive / "here", at=drive)
    assert tree(drive / "here") == expected
    run("mv", drive / "here", tmp_path / "back", at=drive)
    assert tree(tmp_path / "back") == expected
    assert os.listdir(drive) == []


def test_rsync_copies_once(drive: Path, tmp_path: Path) -> None:
    original = sample(tmp_path / "original")
    first = run("rsync", "-aHX", "--specials", "--out-format=%n", f"{original}/", f"{drive}/copy/", at=drive)
    assert "large.bin" in first
    assert tree(drive / "copy") == tree(original)
    assert run("rsync", "-aHX", "--specials", "--out-format=%n", f"{original}/", f"{drive}/copy/", at=drive) == ""
    assert run("rsync", "-aHXc", "--out-format=%n", f"{original}/", f"{drive}/copy/", at=drive) == ""
    (original / "text.txt").write_text("changed")
    (original / "empty").unlink()
    changed = run("rsync", "-aH", "--delete", "--out-format=%n", f"{original}/", f"{drive}/copy/", at=drive)
    assert "text.txt" in changed
    assert tree(drive / "copy") == tree(original)
    with open(original / "large.bin", "r+b") as stream:
        stream.write(b"new head")
    run("rsync", "-aH", "--inplace", "--no-whole-file", f"{original}/", f"{drive}/copy/", at=drive)
    assert tree(drive / "copy") == tree(original)


def test_tar_out_and_in(drive: Path, tmp_path: Path) -> None:
    original = sample(drive / "original")
    run("tar", "-cf", tmp_path / "a.tar", "--xattrs", "original", at=drive)
    (drive / "new").mkdir()
    run("tar", "-xpf", tmp_path / "a.tar", "--xattrs", "-C", drive / "new", at=drive)
    run("tar", "-cSzf", drive / "b.tar.gz", "original", at=drive)
    run("tar", "-xzpf", drive / "b.tar.gz", "-C", tmp_path, at=drive)

    def seconds(folder: Path) -> dict[str, tuple[int, int, str | bytes]]:
        return {key: (mode, time // 10**9, content) for key, (mode, time, content) in tree(folder).items()}

    assert seconds(drive / "new" / "original") == seconds(original) == seconds(tmp_path / "original")
    assert run("tar", "-df", tmp_path / "a.tar", at=drive) == ""
    assert os.getxattr(drive / "new" / "original" / "text.txt", "user.note") == b"an attribute"


def test_zip_and_unzip(drive: Path) -> None:
    sample(drive / "original")
    os.unlink(drive / "original" / "sub" / "pipe")
    run("zip", "-qry", "a.zip", "original", at=drive)
    run("unzip", "-q", "a.zip", "-d", "out", at=drive)
    assert (drive / "out" / "original" / "large.bin").read_bytes() == (drive / "original" / "large.bin").read_bytes()
    assert os.readlink(drive / "out" / "original" / "link") == "sub/script.sh"
    with zipfile.ZipFile(drive / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(50):
            archive.writestr(f"n{number}", os.urandom(3_000))
    with zipfile.ZipFile(drive / "b.zip", "a") as archive:
        archive.writestr("later", b"x")
    with zipfile.ZipFile(drive / "b.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 51


@pytest.mark.parametrize("program", ["gzip", "xz", "bzip2"])
def test_compressors(drive: Path, program: str) -> None:
    content = b"the same again " * 20_000
    (drive / "f").write_bytes(content)
    os.chmod(drive / "f", 0o640)
    run(program, "f", at=drive)
    assert len(os.listdir(drive)) == 1
    run(program, "-d", os.listdir(drive)[0], at=drive)
    assert (drive / "f").read_bytes() == content
    assert (drive / "f").stat().st_mode & 0o777 == 0o640


def test_dd_in_every_manner(drive: Path) -> None:
    (drive / "in").write_bytes(b"0123456789")
    run("dd", "if=in", "of=f", "bs=3", "status=none", at=drive)
    run("dd", "if=in", "of=f", "bs=1", "count=2", "seek=4", "conv=notrunc", "status=none", at=drive)
    assert (drive / "f").read_bytes() == b"0123016789"
    run("dd", "if=in", "of=f", "oflag=append", "conv=notrunc", "status=none", at=drive)
    assert (drive / "f").read_bytes() == b"01230167890123456789"
    run("dd", "if=in", "of=f", "conv=fsync", "bs=4k", "status=none", at=drive)
    run("dd", "if=/dev/zero", "of=g", "bs=1M", "count=3", "oflag=sync", "conv=fdatasync", "status=none", at=drive)
    assert (drive / "g").stat().st_size == 3 * 1024 * 1024
    run("dd", "if=/dev/zero", "of=s", "bs=64k", "count=4", "conv=sparse", "status=none", at=drive)
    assert (drive / "s").read_bytes() == bytes(262_144)
    run("dd", "if=in", "of=x", "conv=excl", "status=none", at=drive)
    run("dd", "if=in", "of=x", "conv=excl", "status=none", at=drive, expect=1)


def test_truncate_fallocate_and_touch(drive: Path) -> None:
    run("truncate", "-s", "10K", "f", at=drive)
    run("truncate", "-s", "-1K", "f", at=drive)
    run("truncate", "-s", "%4K", "f", at=drive)
    assert (drive / "f").stat().st_size == 12 * 1024
    run("fallocate", "-x", "-l", "20K", "f", at=drive)
    assert (drive / "f").stat().st_size == 20 * 1024
    run("touch", "-d", "2001-02-03 04:05:06.789 UTC", "f", at=drive)
    assert (drive / "f").stat().st_mtime_ns == 981_173_106_789_000_000
    run("touch", "-m", "-r", "f", "g", at=drive)
    assert (drive / "g").stat().st_mtime_ns == 981_173_106_789_000_000
    run("touch", "-a", "f", at=drive)
    assert (drive / "f").stat().st_mtime_ns == 981_173_106_789_000_000
    run("touch", "-c", "absent", at=drive)
    assert sorted(os.listdir(drive)) == ["f", "g"]


def test_find_xargs_du_df_ls(drive: Path) -> None:
    sample(drive / "t")
    found = run("find", "t", "-type", "f", "-size", "+100k", "-print0", at=drive)
    assert sorted(found.strip("\0").split("\0")) == ["t/large.bin", "t/sparse"]
    assert run("find", "t", "-name", "*.txt", "-newermt", "2000-01-01", "-links", "2", at=drive).count("\n") == 2
    listed = run("sh", "-c", "find t -type f -print0 | xargs -0 -n 3 ls -lad | wc -l", at=drive)
    assert int(listed) == len(run("find", "t", "-type", "f", at=drive).splitlines())
    assert int(run("du", "-s", "--apparent-size", "-B1", "t", at=drive).split()[0]) >= 3_700_000
    counted = int(run("du", "-sB1", "t", at=drive).split()[0])
    assert 700_000 <= counted <= 2_000_000  # hard links once, holes not
    assert len(run("df", ".", at=drive).splitlines()) == 2
    assert len(run("df", "-i", ".", at=drive).splitlines()) == 2
    run("find", "t", "-depth", "-delete", at=drive)
    assert os.listdir(drive) == []


def test_a_tree_is_removed_by_rm_r(drive: Path) -> None:
    for number in range(30):
        folder = drive / "t" / f"a{number}" / "b"
        folder.mkdir(parents=True)
        for file in range(15):
            (folder / f"{file}").write_text("x")
    run("rm", "-r", "t", at=drive)
    assert os.listdir(drive) == []
    (drive / "u" / "v").mkdir(parents=True)
    shutil.rmtree(drive / "u")
    assert os.listdir(drive) == []


def test_sort_split_join_cmp_diff_patch(drive: Path) -> None:
    lines = [f"{number * 7919 % 1000:04}\n" for number in range(1_000)]
    (drive / "f").write_text("".join(lines))
    run("sort", "-o", "f", "-T", ".", "f", at=drive)
    assert (drive / "f").read_text() == "".join(sorted(lines))
    run("split", "-l", "300", "f", "part-", at=drive)
    run("sh", "-c", "cat part-* > g", at=drive)
    run("cmp", "f", "g", at=drive)
    run("sh", "-c", "tac g > h; tee -a g < h > /dev/null", at=drive)
    assert (drive / "g").read_text() == "".join(sorted(lines)) + "".join(sorted(lines, reverse=True))
    (drive / "i").write_text((drive / "f").read_text().replace("0500\n", "five hundred\n"))
    change = run("diff", "-u", "f", "i", at=drive, expect=1)
    run("patch", "f", at=drive, inputs=change.encode())
    assert (drive / "f").read_bytes() == (drive / "i").read_bytes()


def test_shell_redirections(drive: Path) -> None:
    script = """
    set -eC
    echo one > f; echo two >> f; cat < f > g
    { echo three; echo four >&2; } >> g 2>&1
    if (echo no > f) 2>/dev/null; then exit 9; fi
    echo yes >| f
    exec 5<> g; read -r first <&5; echo "$first" > h; exec 5>&-
    mkdir -p a/b && cd a/b && echo here > ../c && pwd > d
    cat <<END > e
text in place
END
    """
    run("sh", "-c", script, at=drive)
    assert (drive / "f").read_text() == "yes\n"
    assert (drive / "g").read_text() == "one\ntwo\nthree\nfour\n"
    assert (drive / "h").read_text() == "one\n"
    assert (drive / "a" / "c").read_text() == "here\n"


def test_install_ln_and_mktemp(drive: Path) -> None:
    (drive / "program").write_text("#!/bin/sh\necho installed\n")
    run("install", "-D", "-m", "755", "program", "usr/bin/program", at=drive)
    run("ln", "-s", "program", "usr/bin/alias", at=drive)
    run("ln", "-sfn", "usr/bin", "bin", at=drive)
    run("ln", "-sfn", "usr", "bin", at=drive)
    assert run(drive / "usr" / "bin" / "alias", at=drive) == "installed\n"
    assert os.readlink(drive / "bin") == "usr"
    name = run("mktemp", "-p", ".", "tmp.XXXXXX", at=drive).strip()
    assert (drive / name).stat().st_mode & 0o777 == 0o600


def test_a_tiny_project_is_built_by_make(drive: Path) -> None:
    (drive / "main.c").write_text(
        '#include "part.h"\n#include <stdio.h>\nint main(void) { printf("%d\\n", part()); }\n'
    )
    (drive / "part.c").write_text('#include "part.h"\nint part(void) { return 42; }\n')
    (drive / "part.h").write_text("int part(void);\n")
    (drive / "Makefile").write_text(
        "prog: main.o libpart.a\n\tcc -o $@ main.o -L. -lpart\n"
        "libpart.a: part.o\n\tar rcs $@ $^\n%.o: %.c part.h\n\tcc -O0 -c -o $@ $<\n"
    )
    run("make", "-s", "-j2", at=drive)
    assert run(drive / "prog", at=drive) == "42\n"
    assert "up to date" in run("make", at=drive)
    (drive / "part.c").write_text('#include "part.h"\nint part(void) { return 43; }\n')
    stamp = (drive / "prog").stat().st_mtime_ns + 2 * 10**9
    os.utime(drive / "part.c", ns=(stamp, stamp))
    run("make", "-s", at=drive)
    assert run(drive / "prog", at=drive) == "43\n"


def test_python_programs_and_their_caches(drive: Path) -> None:
    (drive / "package").mkdir()
    (drive / "package" / "__init__.py").write_text("VALUE = 7\n")
    (drive / "main.py").write_text("import package\nprint(package.VALUE)\n")
    for _ in range(2):
        assert run("python3", "main.py", at=drive) == "7\n"
    assert len(os.listdir(drive / "package" / "__pycache__")) == 1
    with shelve.open(str(drive / "shelf")) as shelf:
        for number in range(200):
            shelf[str(number)] = {"number": number, "data": b"x" * number}
    with shelve.open(str(drive / "shelf"), "r") as shelf:
        assert len(shelf) == 200
        assert shelf["123"]["data"] == b"x" * 123


def test_loading_a_shared_library(drive: Path) -> None:
    (drive / "lib.c").write_text("int seven(void) { return 7; }\n")
    run("cc", "-shared", "-fPIC", "-o", "lib.so", "lib.c", at=drive)
    script = f"import ctypes; print(ctypes.CDLL({str(drive / 'lib.so')!r}).seven())"
    assert run("python3", "-c", script, at=drive) == "7\n"
