"""`ab` and `wrk` on a cluster: a listing, authorised and never cached, through Nginx.

`python -m bench load --folder .cluster` measures what `make cluster` started there. `--kill` ends one main server in
the middle by SIGKILL (start the cluster anew afterwards).
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

from graphfs.client import connect
from graphfs.model import FILES_ROOT, Caller

_ME = Caller(os.getuid(), os.getgid())
_ENTRIES = 20


def _listing(url: str, token: str) -> str:
    """The address of a folder with some entries, made when it is missing."""
    drive = connect(url, token=token, timeout=60.0)
    try:
        names = {entry.name for entry in drive.children(_ME, FILES_ROOT)}
        if "load" not in names:
            drive.create(_ME, FILES_ROOT, "load", 0o040755)
        folder = drive.lookup(_ME, FILES_ROOT, "load")
        there = {entry.name for entry in drive.children(_ME, folder.id)}
        for number in range(_ENTRIES):
            if f"file-{number}" not in there:
                drive.create(_ME, folder.id, f"file-{number}", 0o100644)
    finally:
        drive.close()
    return f"{url}/v1/nodes/{folder.id}/children"


def _ab(address: str, token: str, victim: int) -> str:
    command = ["ab", "-q", "-n", "3000", "-c", "100", "-H", f"Authorization: Bearer {token}", address]
    if victim:
        threading.Timer(1.0, os.kill, (victim, signal.SIGKILL)).start()
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests per second:\s+([\d.]+)", said)
    failed = re.search(r"Failed requests:\s+(\d+)", said)
    others = re.search(r"Non-2xx responses:\s+(\d+)", said)
    last = dict(re.findall(r"^\s+(\d+)%\s+(\d+)", said, re.MULTILINE))
    assert rate
    assert failed
    return (
        f"{float(rate[1]):.0f} requests/s, p50 {last['50']} ms, p99 {last['99']} ms, slowest {last['100']} ms, "
        f"{failed[1]} failed, {others[1] if others else 0} not 2xx"
    )


def _wrk(address: str, token: str) -> str:
    command = ["wrk", "-t2", "-c1000", "-d10s", "--timeout", "35s", "--latency", "-H", f"Authorization: Bearer {token}"]
    said = subprocess.run([*command, address], capture_output=True, text=True, check=True).stdout
    rate, most = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"Latency\s+\S+\s+\S+\s+(\S+)", said)
    tail, errors = re.search(r"99%\s+(\S+)", said), re.search(r"Socket errors:.*|Non-2xx.*", said)
    assert rate
    assert most
    assert tail
    return f"{float(rate[1]):.0f} requests/s, p99 {tail[1]}, slowest {most[1]}; {errors[0] if errors else 'no errors'}"


def main(arguments: list[str]) -> int:
    """Prints what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench load", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".cluster"))
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args(arguments)
    known = json.loads((given.folder / "cluster.json").read_text())
    address = _listing(known["url"], known["token"])
    print(f"ab -n 3000 -c 100: {_ab(address, known['token'], 0)}")
    if shutil.which("wrk"):
        print(f"wrk, 1,000 connections: {_wrk(address, known['token'])}")
    if given.kill:
        victim = next(part["pid"] for part in known["processes"] if part["name"] == "gateway-1")
        print(f"ab, one main server killed after a second: {_ab(address, known['token'], victim)}")
    return 0
