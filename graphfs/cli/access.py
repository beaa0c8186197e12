"""`token`: who may come to the drive over a network."""

import grp
import pwd
import time
from argparse import Namespace
from datetime import datetime

from graphfs.cli.drives import opened
from graphfs.cli.exits import OK
from graphfs.cli.screen import Screen
from graphfs.errors import InvalidArgument
from graphfs.model import Scope, Token

_DAY = 86400 * 10**9


def token(arguments: Namespace, screen: Screen) -> int:
    """Makes, lists or revokes."""
    if (arguments.action == "list") == (arguments.name is not None):
        raise InvalidArgument("`token create` and `token revoke` take a name, `token list` none")
    return {"create": _create, "list": _list, "revoke": _revoke}[arguments.action](arguments, screen)


def _create(arguments: Namespace, screen: Screen) -> int:
    scopes = _scopes(arguments.scope) or [Scope.READ]
    uid, gid = _owner(arguments.owner)
    expires = time.time_ns() + arguments.days * _DAY if arguments.days else 0
    with opened(arguments) as place:
        made = place.drive.create_token(place.caller, arguments.name, scopes, uid=uid, gid=gid, expires=expires)
    if screen.as_json:
        screen.json(made)
    else:
        screen.line(made.secret)
        screen.note(f"{_said(made.token)}. The secret is shown only now: keep it in a file of its holder's alone.")
    return OK


def _list(arguments: Namespace, screen: Screen) -> int:
    with opened(arguments) as place:
        found = place.drive.tokens(place.caller)
    if screen.as_json:
        screen.json(found)
        return OK
    for one in found:
        screen.line(_said(one))
    if not found:
        screen.note("There is no token but the first one.")
    return OK


def _revoke(arguments: Namespace, screen: Screen) -> int:
    with opened(arguments) as place:
        place.drive.revoke_token(place.caller, arguments.name)
    if screen.as_json:
        screen.json({"revoked": arguments.name})
    else:
        screen.note(f"{arguments.name} lets nobody in any more.")
    return OK


def _said(token: Token) -> str:
    until = "for ever"
    if token.expires:
        when = datetime.fromtimestamp(token.expires / 10**9).astimezone().strftime("%Y-%m-%d %H:%M")
        until = f"{'until' if token.expires > time.time_ns() else 'over since'} {when}"
    return f"{token.name}  {','.join(token.scopes)}  as {token.uid}:{token.gid}  {until}  by {token.by}"


def _scopes(given: list[str]) -> list[Scope]:
    words = [word for text in given for word in text.split(",") if word]
    unknown = [word for word in words if word not in set(Scope)]
    if unknown:
        raise InvalidArgument(f"{unknown[0]!r} is no scope: read, write, tag or admin")
    return [Scope(word) for word in words]


def _owner(text: str | None) -> tuple[int, int]:
    """uid and gid; -1 where nothing was said."""
    if text is None:
        return -1, -1
    user, _, group = text.partition(":")
    try:
        if user.isdecimal():
            uid, own = int(user), int(user)
        else:
            known = pwd.getpwnam(user)
            uid, own = known.pw_uid, known.pw_gid
        gid = own if not group else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise InvalidArgument(f"there is no user or group {text!r} on this machine; give numbers") from error
    return uid, gid
