"""A thread tells before it waits for a network: whoever has other work on that thread can give it to another first."""

import threading
from collections.abc import Callable


class _Told(threading.local):
    hook: Callable[[], None] | None = None


_told = _Told()


def tell_before(hook: Callable[[], None]) -> None:
    """`hook` is called on this thread, each time before it waits."""
    _told.hook = hook


def about_to_wait() -> None:
    """What follows may take as long as a network, or another machine, takes."""
    hook = _told.hook
    if hook is not None:
        hook()
