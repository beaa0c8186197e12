"""The drive on Neo4j beside the Python driver alone, in turns, so that a noisy machine disturbs both: read the ratios.

`python -m bench.neo4j bolt://HOST:PORT` with the password in NEO4J_PASSWORD. What the database holds is deleted.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import neo4j

from gateway.service import open_service
from graphfs.config import Config, Neo4j, Secret, Store
from graphfs.model import FILES_ROOT, Caller

_ME = Caller(uid=0, gid=0)
_ROUNDS, _EACH, _WRITERS = 5, 60, 16


def rate(call: Callable[[int], object], count: int) -> float:
    """Calls a second, one after another."""
    begin = time.perf_counter()
    for number in range(count):
        call(number)
    return count / (time.perf_counter() - begin)


def together(call: Callable[[int], object], threads: int, each: int) -> float:
    """Calls a second of several threads."""
    begin = time.perf_counter()
    running = [threading.Thread(target=lambda n=n: [call(n * each + i) for i in range(each)]) for n in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    return threads * each / (time.perf_counter() - begin)


def main() -> None:
    """Prints a table."""
    uri, password = sys.argv[1], os.environ["NEO4J_PASSWORD"]
    driver = neo4j.GraphDatabase.driver(uri, auth=("neo4j", password))
    with driver.session() as session, tempfile.TemporaryDirectory() as folder:
        session.run("MATCH (n) DETACH DELETE n").consume()
        config = Config(store=Store(engine="neo4j"), neo4j=Neo4j(uri=uri, password=Secret(password)))
        drive = open_service(Path(folder), config)
        numbers = iter(range(1 << 40))

        def write(_: int) -> None:
            session.run("CREATE (n:Bench {id: $id})", id=next(numbers)).consume()

        def read(_: int) -> None:
            session.run("MATCH (n:Node {id: $id}) RETURN n.id, n.mode, n.size", id=FILES_ROOT).values()

        def create(_: int) -> None:
            drive.create(_ME, FILES_ROOT, f"f{next(numbers)}", 0o100644)

        found: dict[str, list[float]] = {}
        for call in (write, create, read):
            rate(call, 50)
        for _ in range(_ROUNDS):
            for name, value in (
                ("driver: one write", rate(write, _EACH)),
                ("drive: one create", rate(create, _EACH)),
                ("drive: creates of 16 writers", together(create, _WRITERS, _EACH // 2)),
                ("driver: one read", rate(read, _EACH)),
                ("drive: one stat", rate(lambda _: drive.node(_ME, FILES_ROOT), _EACH)),
            ):
                found.setdefault(name, []).append(value)
        listed = rate(lambda _: drive.children(_ME, FILES_ROOT), 1) * len(drive.children(_ME, FILES_ROOT))
        drive.close()
    driver.close()
    for name, values in found.items():
        base = statistics.median(found["driver: one read" if name.endswith(("read", "stat")) else "driver: one write"])
        print(f"{name:32} {statistics.median(values):8.0f}/s  {statistics.median(values) / base:5.2f} of the driver")
    print(f"{'drive: listing':32} {listed:8.0f} entries/s")


if __name__ == "__main__":
    main()
