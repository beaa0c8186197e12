"""Making and revoking tokens."""

import hashlib
import re
import secrets
from collections.abc import Sequence

from gateway.service.core import Core, again
from gateway.service.gate import token_from
from gateway.store.base import TokensStep
from gateway.store.rows import TokenRow
from graphfs.errors import AlreadyExists, InvalidArgument, NotFound
from graphfs.model import Caller, Issued, Scope, Token

PREFIX = "gfs_"
"""What every secret begins with, so that one that leaked is recognised as what it is."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BYTES = 32


class AccessPart(Core):
    """Implements `graphfs.api.Access`."""

    def tokens(self, caller: Caller) -> list[Token]:
        return [token_from(row) for row in self.store.tokens()]

    def create_token(
        self, caller: Caller, name: str, scopes: Sequence[Scope], *, uid: int = -1, gid: int = -1, expires: int = 0
    ) -> Issued:
        if not _NAME.fullmatch(name):
            raise InvalidArgument("a token's name is 1 to 64 letters, digits, '-', '_' or '.'")
        if not scopes:
            raise InvalidArgument("a token needs a scope: read, write, tag or admin")
        if expires < 0 or 0 < expires <= self.clock():
            raise InvalidArgument("that time is past")
        # So many random bits need no slow hash: nobody finds them by trying.
        secret = PREFIX + secrets.token_urlsafe(_BYTES)
        row = TokenRow(
            name,
            hashlib.sha256(secret.encode()).hexdigest(),
            ",".join(scope for scope in Scope if scope in scopes),
            caller.uid if uid < 0 else uid,
            (caller.gid if uid < 0 else uid) if gid < 0 else gid,
            self.clock(),
            expires,
            self.actor(caller),
        )
        self._add(caller, row)
        return Issued(token_from(row), secret)

    @again
    def _add(self, caller: Caller, row: TokenRow) -> None:
        with self.change(caller) as change:
            if any(one.name == row.name for one in change.tx.tokens()):
                raise AlreadyExists(f"there is a token {row.name!r} already: revoke it first, or take another name")
            change.tx.add_token(row)
            change.then(TokensStep())

    @again
    def revoke_token(self, caller: Caller, name: str) -> None:
        with self.change(caller) as change:
            if all(one.name != name for one in change.tx.tokens()):
                raise NotFound(f"there is no token {name!r}: `graphfs token list` shows them")
            change.tx.delete_token(name)
            change.then(TokensStep())
