"""What one owner's locks are after a change, against a byte by byte model."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.service.locks import hinders, with_lock, without
from graphfs.model import Lock, LockKind

BYTES = 12
OWNERS = [("a", 1), ("a", 2), ("b", 1)]


def locks() -> st.SearchStrategy[Lock]:
    ranges = st.tuples(st.integers(0, BYTES - 1), st.integers(1, BYTES)).filter(lambda two: two[0] < two[1])
    return st.builds(
        lambda kind, exclusive, owner, ends: Lock(kind, exclusive, *owner, *ends),
        st.sampled_from(LockKind),
        st.booleans(),
        st.sampled_from(OWNERS),
        ranges,
    )


Model = dict[tuple[LockKind, str, int, int], bool]


def modelled(held: list[Lock]) -> Model:
    """By kind, holder, owner and byte: whether it is exclusive."""
    found: Model = {}
    for lock in held:
        for byte in range(lock.start, lock.end):
            place = (lock.kind, lock.holder, lock.owner, byte)
            assert place not in found, "one owner has one lock on a byte"
            found[place] = lock.exclusive
    return found


@given(st.lists(st.tuples(st.booleans(), locks()), max_size=12))
def test_locks_are_as_byte_by_byte(steps: list[tuple[bool, Lock]]) -> None:
    held: list[Lock] = []
    model: Model = {}
    for take, lock in steps:
        places = [(lock.kind, lock.holder, lock.owner, byte) for byte in range(lock.start, lock.end)]
        if take:
            taken = [
                exclusive
                for (kind, holder, owner, byte), exclusive in model.items()
                if kind is lock.kind and (holder, owner) != (lock.holder, lock.owner) and lock.start <= byte < lock.end
            ]
            refused = any(exclusive or lock.exclusive for exclusive in taken)
            assert any(hinders(one, lock) for one in held) == refused
            if not refused:
                held = with_lock(held, lock)
                model |= dict.fromkeys(places, lock.exclusive)
        else:
            held = without(held, lock)
            for place in places:
                model.pop(place, None)
        assert modelled(held) == model


@given(st.lists(locks(), max_size=12))
def test_what_touches_and_is_alike_is_one(wanted: list[Lock]) -> None:
    held: list[Lock] = []
    for lock in wanted:
        if not any(hinders(one, lock) for one in held):
            held = with_lock(held, lock)
    for one in held:
        for other in held:
            alike = (one.kind, one.holder, one.owner, one.exclusive) == (
                (other.kind, other.holder, other.owner, other.exclusive)
            )
            assert not (alike and one.end == other.start)
