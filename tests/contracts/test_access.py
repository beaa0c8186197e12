"""Tokens: made with a secret that is told once, listed without it, revoked by name."""

import time

import pytest

from graphfs.api import Drive
from graphfs.errors import AlreadyExists, InvalidArgument, NotFound
from graphfs.model import Scope
from tests.contracts.ground import OWNER


def test_a_token_is_made_listed_and_revoked(drive: Drive) -> None:
    assert drive.tokens(OWNER) == []
    later = time.time_ns() + 3600 * 10**9
    made = drive.create_token(OWNER, "laptop", [Scope.WRITE, Scope.READ], expires=later)
    other = drive.create_token(OWNER, "a.tagger-1", [Scope.TAG], uid=1234)
    assert len(made.secret) > 40
    assert made.secret != other.secret
    assert (made.token.scopes, made.token.uid, made.token.gid) == ((Scope.READ, Scope.WRITE), OWNER.uid, OWNER.gid)
    assert (other.token.uid, other.token.gid, other.token.expires) == (1234, 1234, 0)
    assert drive.tokens(OWNER) == [other.token, made.token]
    drive.revoke_token(OWNER, "laptop")
    assert drive.tokens(OWNER) == [other.token]
    with pytest.raises(NotFound):
        drive.revoke_token(OWNER, "laptop")
    again = drive.create_token(OWNER, "laptop", [Scope.READ])
    assert again.secret != made.secret


def test_a_name_is_taken_once_and_is_a_plain_word(drive: Drive) -> None:
    drive.create_token(OWNER, "one", [Scope.READ])
    with pytest.raises(AlreadyExists):
        drive.create_token(OWNER, "one", [Scope.READ])
    for name in ("", "a b", "x" * 65, "ü", "'); DROP TABLE token; --"):
        with pytest.raises(InvalidArgument):
            drive.create_token(OWNER, name, [Scope.READ])
    with pytest.raises(InvalidArgument):
        drive.create_token(OWNER, "two", [])
    with pytest.raises(InvalidArgument):
        drive.create_token(OWNER, "two", [Scope.READ], expires=1)
    assert [one.name for one in drive.tokens(OWNER)] == ["one"]
