"""Nobody sees what is not theirs: views, counts, facets, searches, tags and errors are scoped to who asks."""

import pytest

from graphfs.errors import AccessDenied, NotFound
from graphfs.model import FILES_ROOT, AttributeChange, Caller
from tests.contracts.ground import OWNER, STRANGER, Ground

GROUP = 4242
MEMBER = Caller(STRANGER.uid, STRANGER.gid, (GROUP,))
HIDDEN = ("private", "in closed", "moved away")


@pytest.fixture
def mixed(ground: Ground) -> Ground:
    """Files of one tag, of which a stranger may read some."""
    drive = ground.drive
    ground.file("public", b"1", tags=("mixed", "plain"))
    ground.file("private", b"2", tags=("mixed", "secret"), mode=0o600)
    ground.file("closed/in closed", b"3", tags=("mixed", "secret"), mode=0o666)
    drive.set_attributes(OWNER, ground.at("closed").id, AttributeChange(mode=0o700))
    team = ground.file("team", b"4", tags=("mixed", "plain"), mode=0o640)
    drive.set_attributes(OWNER, team.id, AttributeChange(gid=GROUP))
    moved = ground.file("moved away", b"5", tags=("mixed",))
    drive.rename(OWNER, FILES_ROOT, "moved away", ground.at("closed").id, "moved away")
    assert drive.node(OWNER, moved.id).tags == 1
    return ground


def test_the_owner_sees_all(mixed: Ground) -> None:
    assert len(mixed.found("mixed")) == 5


@pytest.mark.parametrize(("caller", "names"), [(STRANGER, ["public"]), (MEMBER, ["public", "team"])])
def test_a_stranger_sees_what_they_may_read(mixed: Ground, caller: Caller, names: list[str]) -> None:
    drive = mixed.drive
    assert mixed.found("mixed", caller=caller) == names
    assert drive.view(caller, ("mixed",)).files == len(names)
    assert [entry.name for entry in drive.find(caller, "mixed")] == names
    assert mixed.found("+all", caller=caller) == names
    assert mixed.found("-plain", caller=caller) == []
    counts = {tag.path: tag.files for tag in drive.tags(caller)}
    assert counts["mixed"] == len(names)
    assert counts.get("secret", 0) == 0
    facets = {facet.name: facet.files for facet in drive.view_facets(caller, ("mixed",))}
    assert "secret" not in facets
    top = {facet.name: facet.files for facet in drive.view_facets(caller, ())}
    assert top["mixed"] == len(names)


def test_what_is_hidden_is_not_found(mixed: Ground) -> None:
    drive = mixed.drive
    hidden = {entry.name: entry.node for entry in drive.view_files(OWNER, ("mixed",)) if entry.name in HIDDEN}
    assert set(hidden) == set(HIDDEN)
    for name, node in hidden.items():
        with pytest.raises(NotFound) as missing:
            drive.view_entry(STRANGER, ("mixed",), name)
        with pytest.raises((NotFound, AccessDenied)) as denied:
            drive.edges(STRANGER, node.file)
        for caught in (missing, denied):
            assert "secret" not in str(caught.value)


def test_a_file_that_becomes_readable_is_seen(mixed: Ground) -> None:
    drive = mixed.drive
    drive.set_attributes(OWNER, mixed.at("private").id, AttributeChange(mode=0o644))
    assert mixed.found("mixed", caller=STRANGER) == ["public", "private"]
    drive.set_attributes(OWNER, mixed.at("closed").id, AttributeChange(mode=0o711))
    assert mixed.found("mixed", caller=STRANGER) == ["public", "private", "in closed", "moved away"]
    drive.set_attributes(OWNER, mixed.at("public").id, AttributeChange(mode=0o600))
    assert mixed.found("mixed", caller=STRANGER) == ["private", "in closed", "moved away"]


def test_a_second_name_in_an_open_folder_shows_a_file(mixed: Ground) -> None:
    drive = mixed.drive
    hidden = mixed.at("closed/in closed")
    drive.link(OWNER, hidden.id, FILES_ROOT, "shown")
    assert hidden.file in {entry.node.file for entry in drive.view_files(STRANGER, ("mixed",))}


def test_names_in_a_view_are_given_by_all_files_or_by_what_is_seen_but_always_resolve(mixed: Ground) -> None:
    """A hidden file of the same name must not make the visible one unreachable."""
    drive = mixed.drive
    mixed.file("closed/same", b"hidden", tags=("twice",))
    shown = mixed.file("same", b"shown", tags=("twice",))
    (entry,) = drive.view_files(STRANGER, ("twice",))
    assert entry.node.id == shown.id
    found = drive.view_entry(STRANGER, ("twice",), entry.name)
    assert getattr(found, "id", None) == shown.id


def test_strangers_take_back_only_their_own(mixed: Ground) -> None:
    drive = mixed.drive
    assert drive.journal(STRANGER) == []
    for batch in (0, drive.journal(OWNER)[0].batch):
        with pytest.raises(NotFound):
            drive.undo(STRANGER, batch)
