"""Which files share a name with an older one, as names come and change."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from gateway.service.namesakes import Namesakes

few = st.dictionaries(st.sampled_from([1, 2, 3, 4095, 4096, 4097, 1 << 40]), st.sampled_from("abc"))


class Names:
    """A store's answers, counted."""

    def __init__(self, names: dict[int, str], several: Iterable[int] = ()) -> None:
        self.names, self.several, self.read = names, set(several), 0

    def __call__(self, files: Iterable[int]) -> list[tuple[int, str, bool]]:
        found = [(file, self.names[file], file not in self.several) for file in files if file in self.names]
        self.read += len(found)
        return found

    def younger(self, files: Iterable[int]) -> set[int]:
        found, seen = set[int](), set[str]()
        for file in sorted(set(files) & self.names.keys()):
            if self.names[file] in seen:
                found.add(file)
            seen.add(self.names[file])
        return found


@given(
    few, st.lists(st.tuples(st.sampled_from([1, 2, 4096]), st.sampled_from("abc"))), st.sets(st.sampled_from([2, 3]))
)
def test_they_are_those_of_a_plain_look(
    names: dict[int, str], renames: list[tuple[int, str]], several: set[int]
) -> None:
    store = Names(dict(names), several)
    namesakes = Namesakes(store)
    asked = BitMap64([*names, 5])  # and one that is not there
    assert set(namesakes.younger(asked)) == store.younger(asked)
    for file, name in renames:
        store.names[file] = name
        if file not in several:
            namesakes.forget(file)
        for part in (asked, BitMap64([file]), BitMap64(list(asked)[::2])):
            assert set(namesakes.younger(part)) == store.younger(part)


def test_a_name_is_read_once_unless_it_is_one_of_several() -> None:
    store = Names({number: str(number) for number in range(1, 10)}, several=[7])
    namesakes = Namesakes(store)
    for read in (9, 10, 11):
        assert not namesakes.younger(BitMap64(range(1, 10)))
        assert store.read == read
    namesakes.forget(3)
    assert not namesakes.younger(BitMap64(range(1, 10)))
    assert store.read == 13


def test_what_changes_while_it_is_read_is_read_again() -> None:
    store = Names({1: "a", 2: "b"})

    def names(files: Iterable[int]) -> list[tuple[int, str, bool]]:
        found = store(files)
        if store.names[2] == "b":
            store.names[2] = "a"
            namesakes.forget(2)
        return found

    namesakes = Namesakes(names)
    assert not namesakes.younger(BitMap64([1, 2])), "as it was when it was read"
    assert set(namesakes.younger(BitMap64([1, 2]))) == {2}
