"""The graph that the settings name. It only composes."""

from gateway.store.neo4j.connection import Connection
from gateway.store.neo4j.store import Neo4jStore
from graphfs import config


def open_graph(settings: config.Neo4j, uid: int, gid: int) -> Neo4jStore:
    """The store, migrated. TooNew, Unavailable, AccessDenied."""
    password = settings.password.reveal() if settings.password else ""
    connection = Connection(settings.uri, settings.user if password else "", password, settings.database)
    return Neo4jStore(connection, uid, gid)
