"""A cluster whose parts die, stop, fall silent, fill up and come back while several mounts and clients work on it:
nothing that was acknowledged is lost, nothing is mixed, nobody waits for ever, and while one main server lives nobody
notices.

`make test` does a few of these (BRIEF), `make soak` all of them for long (FAULT_ROUNDS, FAULT_MOUNTS);
`FAULTS=of_neo4j,of_s3` chooses.
"""

import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import pytest

from graphfs.client import connect
from graphfs.model import FILES_ROOT, Problem, Scope
from tests.contracts.ground import OWNER, Ground, eventually
from tests.system.cluster_parts import SECONDS, Clock, Cluster, spread_cluster
from tests.system.history import PATIENCE, Client, History, HttpClient, MountClient
from tests.system.mounts import Place, place

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "0"))
MOUNTS = int(os.environ.get("FAULT_MOUNTS", "2"))
CHOSEN = os.environ.get("FAULTS", "")
SLACK = 5.0
"""What a busy machine adds to any wait."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hosts and disks of its own need root")


def of_replica(cluster: Cluster, history: History) -> None:
    """Each in turn."""
    for name in ("gateway-1", "gateway-2"):
        cluster.parts[name].kill()
        history.goes_on(20, SECONDS)
        cluster.parts[name].start()
        eventually(cluster.whole, SECONDS)


def of_all_replicas(cluster: Cluster, history: History) -> None:
    both = [cluster.parts[name] for name in ("gateway-1", "gateway-2")]
    for part in both:
        part.kill()
    for part in both:
        part.start()


def of_stopped_replica(cluster: Cluster, history: History) -> None:
    """It takes connections and never answers."""
    cluster.parts["gateway-2"].signal(signal.SIGSTOP)
    history.goes_on(20, SECONDS)
    threading.Event().wait(30 if ROUNDS else 7)
    cluster.parts["gateway-2"].signal(signal.SIGCONT)


def of_replica_behind_a_cut(cluster: Cluster, history: History) -> None:
    """It works, and reaches nobody: neither Nginx nor Neo4j nor the S3 store."""
    cluster.rack.cut()
    history.goes_on(20, SECONDS)
    threading.Event().wait(15 if ROUNDS else 5)
    cluster.rack.wire()


def of_replica_far_away(cluster: Cluster, history: History) -> None:
    cluster.rack.wire(delay=0.04, loss=0.005)
    history.goes_on(20, SECONDS)
    cluster.rack.wire()


def of_moved_clock(cluster: Cluster, history: History) -> None:
    """The machine of one main server is an hour early, then late. The S3 store refuses it, so it leaves as soon as that
    shows, and does not begin while that is so."""
    part, clock = cluster.parts["gateway-2"], Clock(cluster.folder / "clock")
    for hours in (1, -1) if ROUNDS else (1,):
        clock.set(0)
        part.kill()
        part.start(**clock.environment)
        eventually(cluster.whole, SECONDS)
        clock.set(hours)
        eventually(lambda hours=hours: part.gone or cluster.hours_of("gateway-2") == hours, SECONDS)  # type: ignore[misc]  # bound
        history.goes_on(20, SECONDS)
        eventually(lambda: part.gone, SECONDS)  # a larger content came by
        clock.set(-hours)
        part.start(**clock.environment)
        eventually(lambda: part.gone, SECONDS)
        history.goes_on(20, SECONDS)
    part.start()


def of_rolling_upgrade(cluster: Cluster, history: History) -> None:
    """As docs/operations.md has it, and with another first token, of which mounts know nothing."""
    both, secret = ("gateway-1", "gateway-2"), secrets.token_urlsafe(32)
    for name in both:
        cluster.show(*both, down=name)
        history.goes_on(5, SECONDS)
        cluster.parts[name].leave()
        (cluster.folder / name / "run/token").write_text(secret + "\n")
        cluster.parts[name].start()
        eventually(lambda name=name: cluster.answers(cluster.addresses[name]), SECONDS)  # type: ignore[misc]  # bound
        cluster.show(*both)
        history.goes_on(10, SECONDS)


def of_another_replica(cluster: Cluster, history: History) -> None:
    """A third one comes; one of the two goes, and is back."""
    cluster.added("gateway-3")
    cluster.show("gateway-1", "gateway-2", "gateway-3")
    history.goes_on(20, SECONDS)
    cluster.show("gateway-1", "gateway-3")
    history.goes_on(5, SECONDS)
    cluster.parts["gateway-2"].leave()
    history.goes_on(20, SECONDS)
    cluster.parts["gateway-2"].start()
    eventually(cluster.whole, SECONDS)
    cluster.show("gateway-1", "gateway-2")
    history.goes_on(5, SECONDS)
    cluster.removed("gateway-3")


def of_reload(cluster: Cluster, history: History) -> None:
    for _ in range(3):
        os.kill(cluster.parts["nginx"].pid, signal.SIGHUP)
        history.goes_on(10, SECONDS)


def of_nginx(cluster: Cluster, history: History) -> None:
    cluster.parts["nginx"].kill()
    threading.Event().wait(1)
    cluster.parts["nginx"].start()


def of_s3(cluster: Cluster, history: History) -> None:
    cluster.parts["s3"].kill()
    threading.Event().wait(2)
    cluster.parts["s3"].start()


def of_neo4j(cluster: Cluster, history: History) -> None:
    cluster.parts["neo4j"].kill()
    cluster.parts["neo4j"].start()


def of_full_store(cluster: Cluster, history: History) -> None:
    """Names, tags and small files go on; nothing has to be begun anew."""
    cluster.store_disk.fill()
    began = time.monotonic()
    history.goes_on(20, SECONDS)
    eventually(lambda: bool(history.failed_since(began)), SECONDS)
    cluster.store_disk.empty()


def of_full_graph(cluster: Cluster, history: History) -> None:
    """Neo4j stops itself, and has to be begun anew once there is room."""
    part = cluster.parts["neo4j"]
    part.kill()
    part.start("--setting", "db.tx_log.rotation.size=1m", "--setting", "db.tx_log.preallocate=false")
    eventually(cluster.whole, SECONDS)
    # The log that was there has room in it that was kept free for it.
    before = cluster.graph_logs()
    with closing(connect(cluster.url, token=cluster.token, timeout=SECONDS)) as drive:
        ground = Ground(drive, cluster.folder)
        while cluster.graph_logs() <= before:
            ground.file(f"full-{secrets.token_hex(8)}", secrets.token_bytes(drive.inline_limit()))
    began = time.monotonic()
    cluster.graph_disk.fill()
    eventually(lambda: bool(history.failed_since(began)), SECONDS)
    cluster.graph_disk.empty()
    part.kill()
    part.start()


def of_cut_network(cluster: Cluster, history: History) -> None:
    cluster.desk.cut()
    threading.Event().wait(15 if ROUNDS else 3)
    cluster.desk.wire()


def of_slow_network(cluster: Cluster, history: History) -> None:
    cluster.desk.wire(delay=0.05, loss=0.005)
    history.goes_on(20, SECONDS)
    cluster.desk.wire()


Fault = Callable[[Cluster, History], None]
UNNOTICED: tuple[Fault, ...] = (
    of_replica,
    of_stopped_replica,
    of_replica_behind_a_cut,
    of_replica_far_away,
    of_moved_clock,
    of_rolling_upgrade,
    of_another_replica,
    of_reload,
    of_slow_network,
)
"""One main server lives, and the way there: nobody is told of an error."""
NOTICED: tuple[Fault, ...] = (
    of_all_replicas,
    of_nginx,
    of_s3,
    of_neo4j,
    of_full_store,
    of_full_graph,
    of_cut_network,
)
"""A part of which there is one: who asks meanwhile waits, or hears of it in time."""
BRIEF: tuple[Fault, ...] = (of_replica, of_replica_behind_a_cut, of_full_store)


@contextmanager
def mounted(cluster: Cluster, folder: Path, count: int) -> Iterator[list[Place]]:
    if not count:
        yield []
        return
    surroundings = {"GRAPHFS_SERVER": cluster.from_desk, "GRAPHFS_TOKEN": cluster.token}
    surroundings["GRAPHFS_NETWORK__PATIENCE_SECONDS"] = str(PATIENCE)
    with place(folder / f"m{count}", **surroundings) as there, mounted(cluster, folder, count - 1) as others:
        there.prefix = cluster.desk.prefix
        done = there.mount("-o", f"binding={'fusepy' if count % 2 else 'pyfuse3'}")
        assert done.returncode == 0, done.stderr + there.log
        yield [there, *others]


def rounds() -> list[Fault]:
    every = UNNOTICED + NOTICED
    if CHOSEN:
        return [one for name in CHOSEN.split(",") for one in every if one.__name__ == name]
    if not ROUNDS:
        return list(BRIEF)
    # Each at least once, where there are rounds enough.
    chance = random.Random(ROUNDS)
    order = [*every, *(chance.choice(every) for _ in range(ROUNDS))][: max(ROUNDS, 1)]
    chance.shuffle(order)
    return order


@pytest.mark.slow
@pytest.mark.timeout(900 + ROUNDS * 300)
def test_nothing_is_lost_mixed_or_stuck(cluster: Cluster, tmp_path: Path) -> None:
    warmed(cluster)
    history = History()
    with mounted(cluster, tmp_path, MOUNTS) as places:
        clients: dict[str, Client] = {f"mount{n}": MountClient(one.drive) for n, one in enumerate(places)}
        clients |= {f"client{n}": HttpClient(cluster.url, cluster.token, tmp_path) for n in range(2)}
        with history.kept(clients):
            history.goes_on(40, SECONDS)
            for fault in rounds():
                began, before = time.monotonic(), history.done
                with history.without() if fault in NOTICED else nullcontext():
                    fault(cluster, history)
                    eventually(cluster.whole, SECONDS)
                history.goes_on(20, SECONDS)
                assert consistent(cluster) == [], fault.__name__
                failed = history.failed_since(began)
                seconds = time.monotonic() - began
                print(f"{fault.__name__}: {history.done - before} done in {seconds:.1f} s, {len(failed)} failed")
                for one in sorted(failed, key=lambda one: -one.seconds)[:5]:
                    print(f"  at {one.at - began:.1f} s for {one.seconds:.1f} s: {one.what}")
                assert history.broken == [], fault.__name__
                late = [one for one in failed if one.seconds > PATIENCE + SLACK]
                assert late == [], fault.__name__
                if fault in UNNOTICED:
                    assert failed == [], fault.__name__
        print(f"{history.done} operations, {len(history.failures)} failed, the slowest took {history.slowest:.1f} s")
        assert_converged(cluster, history, clients)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with spread_cluster(tmp_path / "cluster") as made:
        with closing(connect(made.url, token=made.token, timeout=SECONDS)) as drive:
            made.token = drive.create_token(OWNER, "everybody", (Scope.ADMIN,)).secret
        yield made


def warmed(cluster: Cluster) -> None:
    """Neo4j has planned its statements, which takes it seconds, once."""
    with closing(connect(cluster.url, token=cluster.token, timeout=SECONDS)) as drive:
        ground = Ground(drive, cluster.folder)
        for name in ("one", "other"):
            file = ground.write(ground.file(name, b"x", tags=("warm",)), b"y")
            drive.change_tags(OWNER, [file.file], ["warmer"], ["warm"])
            drive.set_xattr(OWNER, file.id, "user.warm", b"x")
        drive.rename(OWNER, FILES_ROOT, "one", FILES_ROOT, "other")
        drive.unlink(OWNER, FILES_ROOT, "other")


def consistent(cluster: Cluster) -> list[Problem]:
    """What fsck finds while everybody works."""
    with closing(connect(cluster.url, token=cluster.token, timeout=SECONDS)) as drive:
        return drive.fsck(OWNER)


def assert_converged(cluster: Cluster, history: History, clients: dict[str, Client]) -> None:
    """All see the last contents and the same tags, each main server too. Of what was made and left alone one of them is
    asked."""
    alone = [HttpClient(address, cluster.token, cluster.folder) for address in cluster.addresses.values()]
    everybody = {**clients, **{f"replica{n}": one for n, one in enumerate(alone)}}
    failures = len(history.failures)
    threading.Event().wait(MountClient.delay)
    for name in history.acknowledged:
        for who, client in everybody.items():
            if "/" not in name or who == "replica0":
                history.check(who, name, client)
    assert history.broken == []
    assert history.failures[failures:] == []
    for name in history.later:
        eventually(lambda name=name: history.came(name, alone[0]), SECONDS)  # type: ignore[misc]  # bound
    for name, tags in history.tags.items():
        first, *others = [client.tags(name) for client in alone]
        assert all(one == first for one in others)
        assert tags <= set(first), name
    assert alone[0].drive.fsck(OWNER, verify=True) == []
    for client in (*alone, *(one for one in clients.values() if isinstance(one, HttpClient))):
        client.drive.close()
