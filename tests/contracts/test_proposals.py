"""Tags that only a machine has spoken of: nobody is shown them but who reviews, until somebody takes them up."""

import pytest

from graphfs.errors import NotFound
from graphfs.model import JobState, Node, Outcome, Suggestion, View
from tests.contracts.ground import OWNER, Ground


def suggested(ground: Ground, name: str, *tags: tuple[str, float]) -> Node:
    node = ground.file(name, b"x")
    job = ground.leased(node)[node.file]
    outcome = Outcome(JobState.TAGGED, tuple(Suggestion(tag, confidence) for tag, confidence in tags))
    ground.drive.finish(node.file, job.lease, outcome)
    return node


def shown(ground: Ground) -> set[str]:
    assert {facet.name for facet in ground.drive.view_facets(OWNER, ())} == {
        tag.path for tag in ground.drive.tags(OWNER) if "/" not in tag.path
    }
    return {tag.path for tag in ground.drive.tags(OWNER)}


def test_a_proposal_is_not_shown(ground: Ground) -> None:
    node = suggested(ground, "a", ("type/text", 0.9), ("perhaps/deeper", 0.5))
    assert shown(ground) == {"type", "type/text"}
    assert ground.drive.status(OWNER).tags == 2
    for path in (("perhaps",), ("perhaps", "deeper")):
        with pytest.raises(NotFound):
            ground.drive.view(OWNER, path)
    review = ground.drive.view_files(OWNER, ("+review", "perhaps"))
    assert [entry.node.file for entry in review] == [node.file]
    assert isinstance(ground.drive.view_entry(OWNER, ("+review",), "perhaps"), View)
    assert [facet.name for facet in ground.drive.view_facets(OWNER, ("+review",))] == ["perhaps"]


def test_a_person_takes_a_proposal_up(ground: Ground) -> None:
    node = suggested(ground, "a", ("perhaps", 0.5))
    other = ground.file("b", b"y")
    ground.drive.change_tags(OWNER, [other.file], ["Perhaps"], [])
    assert shown(ground) == {"Perhaps"}
    assert ground.drive.view(OWNER, ("perhaps",)).files == 1
    ground.drive.change_tags(OWNER, [node.file], ["perhaps"], [])
    assert ground.drive.view(OWNER, ("perhaps",)).files == 2
    assert ground.drive.status(OWNER).review == 0


def test_a_proposed_name_is_free(ground: Ground) -> None:
    suggested(ground, "a", ("one", 0.5), ("two", 0.5))
    assert ground.drive.create_tag(OWNER, "one").path == "one"
    ground.drive.create_tag(OWNER, "three")
    assert ground.drive.rename_tag(OWNER, "three", "two").path == "two"
    assert shown(ground) == {"one", "two"}
    assert ground.drive.fsck(OWNER) == []


def test_a_machine_that_becomes_sure_makes_it_a_tag(ground: Ground) -> None:
    suggested(ground, "a", ("one", 0.5))
    assert shown(ground) == set()
    suggested(ground, "b", ("one", 0.9))
    assert shown(ground) == {"one"}


def test_a_tag_with_proposals_below_it_can_be_deleted(ground: Ground) -> None:
    suggested(ground, "a", ("one/two", 0.5))
    ground.drive.create_tag(OWNER, "one")
    ground.drive.delete_tag(OWNER, "one")
    assert shown(ground) == set()
    assert ground.drive.fsck(OWNER) == []
