"""What the log says of folders lent to mounts."""

from msgspec import Struct


class LentStep(Struct, frozen=True, tag="lent"):
    """Folders are lent to a mount from now on; 0: to none any more."""

    folders: tuple[int, ...]
    mount: int


class LoanStep(Struct, frozen=True, tag="loan"):
    """What a mount was lent is lent for longer."""

    mount: int
