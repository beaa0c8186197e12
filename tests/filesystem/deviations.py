"""What a FUSE API cannot do, test by test: the only allowed differences from an ordinary disk.

Measured on loopbacks over ext4 too, so none of it is the drive's own doing. A declared test must fail in the declared
way; one that passes is an error in this table.
"""

import errno
from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """How a test fails, and why it cannot do otherwise. `number` is the errno when it raises OSError."""

    reason: str
    raises: type[BaseException] = AssertionError
    number: int | None = None


def _refused(number: int, reason: str) -> Deviation:
    return Deviation(reason, OSError, number)


_NO_ALLOCATE = _refused(errno.EOPNOTSUPP, "the binding has no fallocate; the C library writes zeros instead")
_ONE_BLOCK = _refused(errno.ENOSPC, "ext4 keeps all attributes of a file in one block")

EVERY_BINDING: dict[str, Deviation] = {
    "test_a_temporary_file_without_a_name": _refused(
        errno.EOPNOTSUPP, "no binding passes O_TMPFILE on; programs fall back to a name"
    ),
}

NODE_API: dict[str, Deviation] = EVERY_BINDING | {
    "test_allocate_extends_with_zeros": _NO_ALLOCATE,
    "test_allocate_can_keep_the_size": _NO_ALLOCATE,
    "test_allocate_punches_holes": _NO_ALLOCATE,
}
"""pyfuse3."""

PATH_API: dict[str, Deviation] = EVERY_BINDING | {
    "test_an_unlinked_open_file_stays_usable": Deviation(
        "libfuse renames the removed open file to .fuse_hidden..., and it shows"
    ),
    "test_a_folder_can_go_while_an_unlinked_file_of_it_is_open": _refused(
        errno.ENOTEMPTY, "the .fuse_hidden... file keeps the folder"
    ),
    "test_readers_see_the_old_or_the_new_file_when_it_is_replaced": Deviation(
        "libfuse renames the open victim away first: for a moment there is none"
    ),
    "test_record_locks_hold_through_another_name": Deviation(
        "the kernel keeps locks by node, and each path is a node of its own"
    ),
    "test_a_removed_working_folder": _refused(errno.ESTALE, "a node without a path cannot be asked about"),
}
"""libfuse's API by paths: mfusepy on libfuse 3."""

SHOWN: dict[str, Deviation] = {
    "test_the_replaced_file_lives_on_in_its_descriptor": Deviation(
        "libfuse renames the replaced open file to .fuse_hidden..., and it shows"
    ),
}
"""The loopbacks only: the drive keeps .fuse_hidden... out of its listings."""

LIBFUSE_2: dict[str, Deviation] = PATH_API | {
    "test_allocate_extends_with_zeros": _NO_ALLOCATE,
    "test_allocate_can_keep_the_size": _NO_ALLOCATE,
    "test_allocate_punches_holes": _NO_ALLOCATE,
    "test_a_removed_working_folder": _refused(errno.ENOENT, "a node without a path cannot be asked about"),
    "test_noreplace_takes_a_free_name": _refused(errno.EINVAL, "libfuse 2 has no flags in its rename"),
    "test_exchange_swaps_files": _refused(errno.EINVAL, "libfuse 2 has no flags in its rename"),
    "test_exchange_swaps_a_file_and_a_full_folder": _refused(errno.EINVAL, "libfuse 2 has no flags in its rename"),
}
"""fusepy on libfuse 2."""

PLAIN: dict[str, Deviation] = {"test_a_value_of_64_kibibytes": _ONE_BLOCK}
"""Where the drive is better than ext4."""

_TABLES: dict[str, dict[str, Deviation]] = {
    "plain": PLAIN,
    "pyfuse3": NODE_API,
    "fusepy": PATH_API,
    "cluster-pyfuse3": NODE_API,
    "cluster-fusepy": PATH_API,
    "loop-pyfuse3": NODE_API | PLAIN,
    "loop-fusepy": LIBFUSE_2 | SHOWN | PLAIN,
    "loop-mfusepy": PATH_API | SHOWN | PLAIN,
}


def declared(kind: str, test: str) -> Deviation | None:
    """The deviation of this test on this kind of drive, or None."""
    return _TABLES.get(kind, {}).get(test)


def all_tests() -> frozenset[str]:
    """All tests that the tables speak of."""
    return frozenset(name for table in _TABLES.values() for name in table)
