"""The offline suggester: existing tags first, one new one for review, and what people did with like files."""

from pathlib import Path

from graphfs.model import Edge, EdgeState, Suggestion, Tag
from tagger.extract.result import Extract, Kind
from tagger.suggest.encoder import Encoder
from tagger.suggest.neighbours import Neighbours
from tagger.suggest.offline import Offline
from tagger.suggest.phrases import key_phrases, runs
from tagger.suggest.subject import Subject, Wishes
from tagger.suggest.vocabulary import Vocabulary, key_of

BREAD = (
    "Knead the sourdough and let the loaf rise. Bake the sourdough loaf in a hot oven. "
    "A sourdough starter needs flour. "
)
STARS = "The telescope shows a distant galaxy. Stars in this galaxy are old, says the telescope's spectrograph. "
WORDS = ("baking", "astronomy", "law", "music", "garden", "football", "finance", "medicine", "history")


def tags_of(*paths: str) -> tuple[Tag, ...]:
    return tuple(Tag(number, 0, path, 1, 0) for number, path in enumerate(paths, 1))


def subject(text: str, number: int = 1, title: str = "") -> Subject:
    return Subject(number, f"files/{number}.txt", "c", Extract(Kind.TEXT, "text/plain", title=title, text=text))


def model_tags(found: tuple[Suggestion, ...]) -> dict[str, float]:
    return {one.tag: one.confidence for one in found if one.source == "model"}


def made(encoder: Encoder, edges: dict[int, list[Edge]] | None = None) -> Offline:
    return Offline(encoder, Neighbours(), lambda file: (edges or {}).get(file, []), 2026)


def test_a_named_tag_is_applied_and_a_new_one_waits(encoder: Encoder) -> None:
    wishes = Wishes()
    found = model_tags(
        made(encoder).suggest(subject(BREAD * 3, title="Sourdough"), wishes, tags_of("sourdough", "law"))
    )
    assert found["sourdough"] >= wishes.apply_at
    assert "law" not in found
    new = [confidence for tag, confidence in found.items() if tag != "sourdough"]
    assert len(new) <= 1
    assert all(confidence < wishes.apply_at for confidence in new)


def test_meaning_alone_only_proposes(encoder: Encoder) -> None:
    wishes = Wishes(mode="strict")
    found = model_tags(made(encoder).suggest(subject(STARS), wishes, tags_of(*WORDS)))
    assert max(found, key=lambda tag: found[tag], default="") == "astronomy"
    assert all(confidence < wishes.apply_at for confidence in found.values())


def test_modes_and_vocabulary(encoder: Encoder) -> None:
    offline = made(encoder)
    words = tags_of("food/baking", "sourdough")
    assert set(model_tags(offline.suggest(subject(BREAD * 3), Wishes(mode="strict"), words))) <= {
        "food/baking",
        "sourdough",
    }
    only = Wishes(vocabulary=("food",))
    assert "sourdough" not in model_tags(offline.suggest(subject(BREAD * 3), only, words))
    free = model_tags(offline.suggest(subject(BREAD * 3), Wishes(mode="free"), ()))
    assert len(free) >= 1


def test_like_files_teach_and_rejections_count(encoder: Encoder) -> None:
    edges: dict[int, list[Edge]] = {}
    offline = made(encoder, edges)
    words = tags_of("hobby/weekend", *WORDS)
    offline.suggest(subject(BREAD * 2, 1), Wishes(), words)
    offline.suggest(subject(STARS * 2, 2), Wishes(), words)
    edges[1] = [Edge("hobby/weekend")]
    assert model_tags(offline.suggest(subject(BREAD * 3, 3), Wishes(), words)).get("hobby/weekend", 0) >= 0.75
    assert "hobby/weekend" not in model_tags(offline.suggest(subject(STARS * 3, 4), Wishes(), words))
    edges[1] = [Edge("hobby/weekend", EdgeState.REJECTED)]
    assert "hobby/weekend" not in model_tags(offline.suggest(subject(BREAD * 4, 5), Wishes(), words))


def test_names_that_a_camera_gave_are_not_alike(encoder: Encoder) -> None:
    edges: dict[int, list[Edge]] = {}
    offline = made(encoder, edges)

    def said(number: int, name: str) -> dict[str, float]:
        image = Subject(number, f"files/{name}", "c", Extract(Kind.IMAGE, "image/jpeg"))
        return model_tags(offline.suggest(image, Wishes(), tags_of("family", "holiday")))

    for number, name in enumerate(("IMG_1201.jpg", "scan0001.pdf", "Screenshot from 2024-05-01 10-20-30.png"), 1):
        assert said(number, name) == {}
        edges[number] = [Edge("family")]
    for number, name in enumerate(
        ("IMG_1202.jpg", "scan0002.pdf", "Screenshot from 2024-05-02.png", "DSC00044 (2).JPG"), 11
    ):
        assert said(number, name) == {}


def test_nothing_is_near_to_a_file_with_hardly_a_word(encoder: Encoder) -> None:
    offline = made(encoder)
    for number, text in enumerate(("x", "hello", "0 0 0"), 1):
        assert (
            model_tags(offline.suggest(subject(text, number), Wishes(mode="strict"), tags_of("bridge", "council")))
            == {}
        )


def test_neighbours_are_kept(encoder: Encoder, tmp_path: Path) -> None:
    file = tmp_path / "n.npz"
    vectors = encoder.embed(["bread", "stars"])
    one = Neighbours(most=2)
    for number, vector in enumerate(vectors, 1):
        one.add(number, vector)
    one.add(3, vectors[0])
    assert len(one) == 2
    one.save(file)
    two = Neighbours()
    two.load(file)
    assert two.nearest(vectors[0], 1)[0][0] == 3
    file.write_bytes(b"damaged")
    two.load(file)
    Neighbours().load(file.with_name("missing"))


def test_key_phrases_in_several_languages(encoder: Encoder) -> None:
    english = [phrase.text for phrase in key_phrases("Bread", runs("Bread", BREAD * 2, encoder))]
    assert any("sourdough" in phrase for phrase in english[:3])
    chinese = "水稻种植需要灌溉。水稻种植在春季开始,灌溉系统很重要。水稻种植和灌溉系统。"
    assert any("水稻" in phrase.text or "灌溉" in phrase.text for phrase in key_phrases("", runs("", chinese, encoder)))
    assert key_phrases("", runs("", "", encoder)) == []


def test_names_of_tags_in_a_text(encoder: Encoder) -> None:
    vocabulary = Vocabulary(encoder)
    vocabulary.use(
        (*tags_of("recipe", "project/machine learning", "水稻"), Tag(9, 0, "ml", 0, 0, aliases=("deep nets",)))
    )
    found = {one.tag: one for one in vocabulary.named("Recipes", "Machine learning with Deep Nets. 关于水稻的水稻")}
    assert set(found) == {"recipe", "project/machine learning", "水稻", "ml"}
    assert (found["recipe"].in_title, found["水稻"].times) == (True, 2)
    assert vocabulary.exact("RECIPES") == "recipe"
    assert key_of("Machine-Learnings") == "machine learning"


def test_an_empty_file_is_no_trouble(encoder: Encoder) -> None:
    nothing = Subject(1, "files/", "c", Extract(Kind.EMPTY, "inode/x-empty"))
    assert {one.tag for one in made(encoder).suggest(nothing, Wishes(), tags_of("law"))} == {"type/empty"}
