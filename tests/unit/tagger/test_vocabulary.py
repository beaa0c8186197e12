"""A set of tags made from candidates, and pairs of tags that may be one: with the real vectors."""

from graphfs.model import Tag
from tagger.suggest.encoder import Encoder
from tagger.vocabulary.merging import duplicates, propose


def tag(number: int, path: str, files: int = 0, *aliases: str) -> Tag:
    return Tag(number, 0, path, files, 0, aliases)


def test_candidates_become_a_set_of_tags(encoder: Encoder) -> None:
    files = [
        ("files/a", ["Recipes", "rice", "film"]),
        ("files/b", ["recipe", "movie", "rare"]),
        ("files/c", ["ＲＥＣＩＰＥ", "film", "invoices"]),
        ("files/d", ["invoice", "photo", "type/text"]),
        ("files/e", ["照片", "photo", "version"]),
    ]
    found = {one.tag: one for one in propose(files, [tag(1, "money/rice")], encoder, least=2, most=10)}
    assert found.keys() == {"recipe", "film", "invoice", "photo"}
    assert set(found["recipe"].also) == {"RECIPE", "Recipes"}
    assert found["film"].files == 2
    assert found["photo"].examples == ("files/d", "files/e")


def test_one_meaning_is_one_tag_and_what_there_is_is_not_proposed(encoder: Encoder) -> None:
    files = [(f"files/{number}", ["film", "movie", "trip", "astronomy"]) for number in range(3)]
    found = propose(files, [tag(1, "travel")], encoder, least=2, most=10)
    assert [(one.tag, one.also) for one in found] == [("astronomy", ()), ("film", ("movie",))]


def test_what_is_in_most_files_tells_none_apart(encoder: Encoder) -> None:
    files = [(f"files/{number}", ["rice", *(["tide"] if number % 4 == 0 else [])]) for number in range(40)]
    assert [one.tag for one in propose(files, [], encoder, least=2, most=10)] == ["tide"]


def test_near_duplicates_the_smaller_into_the_larger(encoder: Encoder) -> None:
    tags = [
        tag(1, "recipe", 9),
        tag(2, "Recipes", 2),
        tag(3, "movie", 1),
        tag(4, "art/film", 5),
        tag(5, "dog", 3),
        tag(6, "cat", 3),
        tag(7, "year/2020", 3),
        tag(8, "year/2021", 3),
        tag(9, "garden", 3),
        tag(10, "garden/gardening", 3),
    ]
    found = [(one.tag, one.into, one.why) for one in duplicates(tags, encoder)]
    assert found == [("Recipes", "recipe", "the same word"), ("movie", "art/film", "near in meaning")]
