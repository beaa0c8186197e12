"""Whether a token lets somebody in: those of the store, kept in memory until one is made or revoked."""

import threading

from gateway.store.base import Store
from gateway.store.rows import TokenRow
from graphfs.model import Scope, Token


def token_from(row: TokenRow) -> Token:
    """Without what only the store needs."""
    scopes = tuple(Scope(one) for one in row.scopes.split(","))
    return Token(row.name, scopes, row.uid, row.gid, row.created, row.expires, row.by)


class Gate:
    """Asked at every request that comes over a network, so it asks the store only when it must."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._clock = store.clock
        self._lock = threading.Lock()
        self._known: dict[str, Token] | None = None
        self._changes = 0

    def forget(self) -> None:
        """A token was made or revoked, here or by another server."""
        with self._lock:
            self._known = None
            self._changes += 1

    def known(self, digest: str) -> Token | None:
        """The token whose secret has this SHA-256 (hex), if it is in memory and not over. Does not wait."""
        token = (self._known or {}).get(digest)
        return token if token and not 0 < token.expires <= self._clock() else None

    def admit(self, digest: str) -> Token | None:
        """The same after a look at the store: another server may just have made it."""
        self._store.caught_up()
        with self._lock:
            before, known = self._changes, self._known
        if known is None:
            known = {row.digest: token_from(row) for row in self._store.tokens()}
            with self._lock:
                # Whatever changed meanwhile is not in what was read.
                if self._changes == before:
                    self._known = known
        token = known.get(digest)
        return token if token and not 0 < token.expires <= self._clock() else None
