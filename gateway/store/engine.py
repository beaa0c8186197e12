"""Which engine keeps the records, by the settings. It is the only place that knows them all."""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from gateway.store.base import Store
from gateway.store.sqlite.store import SqliteStore
from graphfs import config


def open_store(store: config.Store, server: config.Neo4j, state: Path, clock: Callable[[], int]) -> Store:
    """The records of a drive, made when there are none. `clock`: of this machine, for an engine without a server of its
    own. TooNew, Busy, Corrupt, NoSpace, Unavailable."""
    if store.engine == "sqlite":
        return SqliteStore(state / "graph.sqlite", clock)
    # Only here: the driver takes half a second to load, which a mount on one machine need not wait for.
    opened: Store = import_module("gateway.store.neo4j.opening").open_graph(server, os.getuid(), os.getgid())
    return opened
