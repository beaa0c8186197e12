"""`make cluster` as people use it: it comes up, files get tags, bytes are in the S3 store, a stop leaves nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphfs.client import connect
from scripts.cluster import members, started
from tests.contracts.ground import OWNER, Ground, eventually
from tests.house.source import ROOT
from tests.system import rivals


def cluster(action: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "scripts/cluster.py", action, "--folder", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=150)


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "cluster.json").read_text())
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "cluster"
    try:
        yield place
    finally:
        cluster("stop", place)


@pytest.mark.timeout(300)
def test_up_tagged_down_and_back_from_a_backup(folder: Path, tmp_path: Path) -> None:
    done = cluster("start", folder)
    assert done.returncode == 0, done.stderr
    known = told(folder)
    assert f"--server {known['url']}" in done.stdout
    assert known["token"] not in done.stdout
    assert (folder / "cluster.json").stat().st_mode & 0o077 == 0
    names = [part["name"] for part in known["processes"]]
    assert names == ["s3", "neo4j", "gateway-1", "gateway-2", "nginx", "tagger-1"]
    assert cluster("start", folder).returncode == 1, "a second one would write over the first"

    data = os.urandom(1 << 20) * 9
    drive = connect(known["url"], token=known["token"])
    try:
        ground = Ground(drive, folder)
        large = ground.file("large.bin", data)
        text = ground.file("Recipes/soup.md", b"# Tomato soup\n\nTomatoes, onions and basil; cook for an hour.\n")
        assert ground.read(large) == data
        objects = [path for path in (folder / "s3/graphfs/blobs").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in objects) >= 1 << 20
        eventually(lambda: drive.edges(OWNER, text.file), 90)
        assert drive.fsck(OWNER, verify=True) == []
    finally:
        drive.close()

    os.kill(next(part["pid"] for part in known["processes"] if part["name"] == "nginx"), signal.SIGKILL)
    assert cluster("stop", folder).returncode == 0
    assert [one["name"] for one in known["processes"] if members(one["pid"], one["started"])] == []
    assert not (folder / "cluster.json").exists()

    # A backup is a copy of what a stopped cluster leaves; the cluster is lost, and put back from it.
    shutil.copytree(folder, tmp_path / "backup")
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "backup", folder)

    assert cluster("start", folder).returncode == 0
    known = told(folder)
    assert all(started(part["pid"]) == part["started"] for part in known["processes"])
    drive = connect(known["url"], token=known["token"])
    try:
        assert Ground(drive, folder).read(large) == data
        assert drive.edges(OWNER, text.file)
        assert drive.fsck(OWNER, verify=True) == []
    finally:
        drive.close()


def mounted(arguments: list[str], token: str) -> None:
    environment = os.environ | {"GRAPHFS_TOKEN": token, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)


@pytest.mark.timeout(300)
def test_two_mounts_share_it_and_load_is_borne(folder: Path, tmp_path: Path) -> None:
    done = cluster("start", folder)
    assert done.returncode == 0, done.stderr
    known = told(folder)
    places = tmp_path / "a", tmp_path / "b"
    for place in places:
        state = str(tmp_path / f"state-{place.name}")
        mounted(["mount.py", str(place), "--server", known["url"], "--state", state], known["token"])
    here = places[0] / "files"
    try:
        subprocess.run(["cp", "-r", str(ROOT / "docs"), str(here)], check=True, timeout=150)
        subprocess.run(["diff", "-r", str(ROOT / "docs"), str(here / "docs")], check=True, timeout=60)
        (here / "both").mkdir()
        both = here / "both", places[1] / "files/both"
        eventually(both[1].exists, 5)
        for way in rivals.WAYS:
            rivals.one_wins(both, way, 4)
        rivals.appended_by_both(both, 10)
        rivals.seen_by_the_other(both, 4, 2)
    finally:
        for place in places:
            mounted(["-m", "graphfs.cli", "unmount", str(place)], known["token"])

    for place in places:
        state = str(tmp_path / f"state-{place.name}")
        mounted(
            ["mount.py", str(place), "--server", known["url"], "--state", state, "-o", "locks=server"], known["token"]
        )
    try:
        rivals.counted_by_both(both, 10)
    finally:
        for place in places:
            mounted(["-m", "graphfs.cli", "unmount", str(place)], known["token"])

    drive = connect(known["url"], token=known["token"])
    try:
        listed = f"{known['url']}/v1/nodes/{Ground(drive, folder).at('docs').id}/children"
    finally:
        drive.close()
    command = ["ab", "-q", "-n", "1000", "-c", "100", "-H", f"Authorization: Bearer {known['token']}", listed]
    load = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "Complete requests:      1000" in load.stdout
    assert "Failed requests:        0" in load.stdout
    assert "Non-2xx" not in load.stdout
