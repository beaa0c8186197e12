"""Which names lie in a range: the meaning of `2020..2024`, `a..f`, `2020..` and `..f`, once for all engines."""

import re
from collections.abc import Callable
from decimal import Decimal

from graphfs.errors import DriveError
from graphfs.names import check_tag_name, fold

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def split_range(text: str) -> tuple[str, str] | None:
    """The folded ends of `low..high` (an open one is empty), or None when the text is no range.

    An end is a tag name or nothing; one of the two must be there.
    """
    low, dots, high = text.partition("..")
    if not dots or not (low or high):
        return None
    try:
        return fold(check_tag_name(low)) if low else "", fold(check_tag_name(high)) if high else ""
    except DriveError:
        return None


def range_test(low: str, high: str) -> Callable[[str], bool]:
    """Whether a folded name lies between two folded ends, both inclusive; an empty end is open.

    When every end that is given is a number (`2020`, `3.5`), names are compared as numbers, and names that are none are
    out. Otherwise they are compared as text, code point by code point, and the upper end takes in every name that
    begins with it: `a..f` holds `fax`, `2024-01..2024-03` holds `2024-03-31`.
    """
    if all(_NUMBER.fullmatch(end) for end in (low, high) if end):
        bottom = Decimal(low) if low else None
        top = Decimal(high) if high else None

        def numeric(name: str) -> bool:
            if not _NUMBER.fullmatch(name):
                return False
            number = Decimal(name)
            return (bottom is None or bottom <= number) and (top is None or number <= top)

        return numeric

    def textual(name: str) -> bool:
        return low <= name and (not high or name <= high or name.startswith(high))

    return textual


def backwards(low: str, high: str) -> bool:
    """Whether a range ends before it begins, so that nothing can ever lie in it."""
    return bool(low and high) and not range_test(low, high)(low)
