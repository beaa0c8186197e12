"""Taggers as actors of a Ray cluster that exists already: `python -m tagger --executor ray`. Each runs the very loop
that a process runs, on the node where Ray puts it; the drive shares the jobs out among them, as among processes.

Nothing of a job is in Ray's hands: an actor that dies leaves leases behind that run out, and others take its jobs over.
Every node has this project installed, and reaches the drive. Starts no Ray cluster, and ends none.
"""

import contextlib
import logging
import os
import socket
import threading
from importlib import import_module
from typing import Any

import msgspec

from graphfs.client import connect
from graphfs.config import Config
from graphfs.errors import NotFound, Unavailable
from tagger import program

_log = logging.getLogger("tagger")
_END_SECONDS, _CONNECT_SECONDS = 30.0, 5.0
_AGAIN = 5.0
"""Seconds before an actor is asked to work that could not."""


class Tagger:
    """What an actor is. Its methods run on the actor's threads: it can be asked to stop while it works."""

    def __init__(self, config: Config, place: program.Place, token: str) -> None:
        self._config, self._place, self._token = config, place, token
        self._stop = threading.Event()

    def work(self) -> bool:
        """Returns when asked to stop. False: it could not go on."""
        logging.basicConfig(
            level=self._config.log.level.upper(), format="%(asctime)s %(name)s %(levelname)s %(message)s"
        )
        drive = connect(self._place.server, token=self._token)
        with contextlib.ExitStack() as stack:
            stack.callback(program.close, drive)
            return program.run(drive, self._config, self._place, self._stop, stack)

    def stop(self) -> None:
        self._stop.set()

    def pid(self) -> int:
        """The process that it is in."""
        return os.getpid()


class Team:
    """Keeps so many actors at work. While it is open this process is a client of the Ray cluster."""

    def __init__(self, address: str, config: Config, place: program.Place, token: str) -> None:
        """NotFound: there is no such Ray cluster. Unavailable: its library is not here. It takes SIGTERM for itself:
        whoever wants to hear of it says so afterwards."""
        self._config, self._place, self._token = config, place, token
        self._ray = _library()
        try:
            _probe(address)
            self._ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise NotFound(f"there is no Ray cluster at {address}: {str(error).splitlines()[0]}") from error

    def close(self) -> None:
        self._ray.shutdown()

    def run(self, count: int, stop: threading.Event) -> None:
        """Until `stop`, with so many actors; 0: one for each node."""
        wanted = count or max(1, sum(node["Alive"] for node in self._ray.nodes()))
        self._keep([self._actor(number) for number in range(wanted)], stop)

    def _actor(self, number: int) -> Any:
        """One that Ray begins anew wherever it died. Two threads: one works, the other hears."""
        place = msgspec.structs.replace(self._place, cache=self._place.cache / f"actor-{number}")
        kind = self._ray.remote(Tagger).options(max_restarts=-1, max_concurrency=2, scheduling_strategy="SPREAD")
        return kind.remote(self._config, place, self._token)

    def _keep(self, actors: list[Any], stop: threading.Event) -> None:
        ray = self._ray
        at_work = {actor.work.remote(): actor for actor in actors}
        _log.info("tagging at %s with %d actors", self._place.server, len(actors))
        while not stop.is_set():
            ended, _ = ray.wait(list(at_work), num_returns=1, timeout=1.0)
            for done in ended:
                actor = at_work.pop(done)
                try:
                    ray.get(done)
                except ray.exceptions.RayError as error:
                    _log.info("an actor ended (%s); it begins anew", type(error).__name__)
                stop.wait(_AGAIN)
                at_work[actor.work.remote()] = actor
        for actor in at_work.values():
            actor.stop.remote()
        ray.wait(list(at_work), num_returns=len(at_work), timeout=_END_SECONDS)
        for actor in at_work.values():
            ray.kill(actor)


def _probe(address: str) -> None:
    """OSError. Ray itself ends the process when nobody listens there."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _library() -> Any:
    try:
        return import_module("ray")
    except ImportError as error:
        raise Unavailable("Ray is not installed here. `.venv/bin/pip install -r locks/ray.txt` does it") from error
