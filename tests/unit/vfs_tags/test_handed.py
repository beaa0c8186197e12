"""A kernel that knows a great many folders of views is told to forget them; ids that nobody uses go."""

import pytest

from graphfs.errors import NotFound
from graphfs.model import SUPER_ROOT
from graphfs.vfs.interface import Invalidation
from graphfs.vfs.virtual import Kind, VirtualIds
from tests.unit.vfs_tags.conftest import Ground


def test_a_kernel_that_knows_many_folders_is_told_to_forget_those_that_nobody_uses(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphfs.vfs.tags.FOLDERS", 6)
    now, told = 100.0, list[Invalidation]()
    everything = Invalidation(SUPER_ROOT, "tags")
    with ground.mount(clock=lambda: now) as shell:
        for name in "abcdef":
            shell.mkdir(f"tags/{name}")
            shell.stat(f"tags/{name}")
        shell.volume.watch(told.append)
        shell.ls("tags/a")
        assert told == [everything]
        shell.ls("tags/b")  # it is at it
        now += 5
        shell.ls("files")
        assert told == [everything]
        now += 5
        shell.ls("tags/a")
        assert told == [everything, everything]
        for name in "abcdef":
            shell.volume.forget(shell.stat(f"tags/{name}").id)
        now += 10
        shell.ls("tags/a")
        assert told == [everything, everything]


def test_ids_that_nobody_asks_about_are_forgotten_at_the_next_age() -> None:
    ids = VirtualIds("tags")
    made = {name: ids.id(Kind.FOLDER, (name,)) for name in ("asked", "open", "listed", "left")}
    ids.age(())
    assert all(ids.owns(node) for node in made.values())
    assert ids.path(made["asked"]) == (Kind.FOLDER, ("asked",))
    assert ids.id(Kind.FOLDER, ("listed",)) == made["listed"]
    ids.age({made["open"]})
    assert [name for name, node in made.items() if ids.owns(node)] == ["asked", "open", "listed"]
    with pytest.raises(NotFound):
        ids.path(made["left"])
    assert ids.id(Kind.FOLDER, ("left",)) == made["left"]
    ids.age(())
    assert [name for name, node in made.items() if ids.owns(node)] == ["left"]


def test_a_mount_by_paths_goes_on_with_folders_that_are_open_or_named_again(ground: Ground) -> None:
    with ground.mount() as shell:
        for name in ("a", "b"):
            shell.mkdir(f"tags/{name}")
        kept, left = shell.stat("tags/a").id, shell.stat("tags/b").id
        for _ in range(2):
            shell.volume.age({kept})
        assert shell.volume.getattr(shell.caller, kept).id == kept
        with pytest.raises(NotFound):
            shell.volume.getattr(shell.caller, left)
        assert shell.stat("tags/b").id == left
