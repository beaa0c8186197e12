"""`graphfs vocabulary build` and `graphfs tags --clean` over a served drive, by the real models."""

from pathlib import Path

from tests.contracts.ground import eventually
from tests.system.command_line import ME, CommandLine, folder_of, served
from tests.system.mounts import place
from tests.unit.tagger.scripted import ScriptedEndpoint, tags

RICE = "Rice paddies need water. The rice harvest was late, and rice fields stood under water until autumn.\n"
STARS = "The telescope saw a comet. Comets have tails, and the telescope followed the comet all night.\n"


def test_a_vocabulary_is_proposed_and_made(tmp_path: Path) -> None:
    files = {f"rice{number}.txt": f"{RICE}{number}".encode() for number in range(3)}
    files |= {f"stars{number}.txt": f"{STARS}{number}".encode() for number in range(3)}
    files |= {"private/.graphfs.yaml": b"tagger: off\n"}
    files |= {f"private/{number}.txt": b"Submarine secrets of the submarine, submarine.\n" * 2 for number in range(2)}
    source = folder_of(tmp_path / "texts", files)
    with served(tmp_path / "state") as here:
        here.cli("import", str(source))
        shown = here.cli("vocabulary", "build", "--json").json
        names = {one["tag"] for one in shown["proposals"]}
        assert shown["files"] == 6
        assert any("rice" in name for name in names), names
        assert any("comet" in name or "telescope" in name for name in names), names
        assert not any("submarine" in name for name in names)
        assert [tag.path for tag in here.drive.tags(ME)] == []
        one = next(name for name in names if "rice" in name)
        here.cli("vocabulary", "build", "--only", one, "--apply", "--yes")
        assert [tag.path for tag in here.drive.tags(ME)] == [one]


def test_near_duplicates_are_merged_and_taken_back(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "texts", {"a.txt": b"a", "b.txt": b"b", "c.txt": b"c"})
    with served(tmp_path / "state") as here:
        here.cli("import", str(source))
        for name, tag in (("a", "recipe"), ("b", "recipe"), ("c", "Recipes"), ("a", "comet")):
            here.cli("tag", f"files/texts/{name}.txt", tag)
        shown = here.cli("tags", "--clean", "--json").json
        assert [(one["tag"], one["into"], one["merged"]) for one in shown] == [("Recipes", "recipe", False)]
        here.cli("tags", "--clean", "--yes")
        assert here.tags("files/texts/c.txt") == ["recipe"]
        here.cli("undo")
        assert here.tags("files/texts/c.txt") == ["Recipes"]


def test_the_models_that_its_tagger_has_are_asked(tmp_path: Path) -> None:
    """A drive that was mounted with settings of its own: they hold for who asks beside it."""
    settings = tmp_path / "mine.yaml"
    with ScriptedEndpoint(tags("comet")) as model, place(tmp_path / "place") as there:
        settings.write_text(
            f"tagger: {{llm: {{base_url: '{model.url}', model: mine}},"
            f" embedding: {{base_url: '{model.url}', model: vectors}}}}\n"
        )
        there.environment["GRAPHFS_TAGGER__ENABLED"] = "true"
        done = there.mount("--config", str(settings))
        assert done.returncode == 0, done.stderr + there.log
        cli = CommandLine().at(there)
        for name in ("a.txt", "b.txt"):
            (there.drive / "files" / name).write_text(STARS + name)
        eventually(lambda: cli("status", "--json", cwd=there.drive).json["jobs"].get("tagged") == 2, 60)
        shown = cli("vocabulary", "build", "--json", cwd=there.drive).json
        assert shown["by"] == "mine, generative"
        assert {one["tag"] for one in shown["proposals"]} <= {"comet"}
        told = cli("preview", "files/a.txt", "--json", cwd=there.drive).json[0]
        assert (told["model"], told["embedding_model"]) == ("mine", "vectors")
        assert "comet" in model.embedded
