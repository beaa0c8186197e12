"""A transaction on Neo4j, put together of its halves."""

from gateway.store.neo4j.pending_graph import PendingGraph
from gateway.store.neo4j.pending_tree import PendingTree


class Neo4jTransaction(PendingTree, PendingGraph):
    """Implements `gateway.store.base.Transaction`."""
