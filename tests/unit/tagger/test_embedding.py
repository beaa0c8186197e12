"""A large model whose tags are found by the vectors of an endpoint, over the real protocol."""

import contextlib
import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphfs.config import Embedding as Settings
from graphfs.config import Llm, load
from graphfs.errors import InvalidArgument
from graphfs.model import Suggestion, Tag
from tagger.extract.result import Extract, Kind
from tagger.suggest.encoder import Encoder
from tagger.suggest.failure import ModelUnavailable
from tagger.suggest.generative import Generative
from tagger.suggest.ladder import Budget
from tagger.suggest.llm import LargeModel
from tagger.suggest.method import endpoint, near, suggester
from tagger.suggest.neighbours import Neighbours
from tagger.suggest.offline import Offline
from tagger.suggest.subject import Subject, Wishes
from tests.unit.tagger.scripted import Fail, Hang, HangUp, Say, ScriptedEndpoint, Step, tags
from tests.unit.tagger.test_llm import Account, Notebook

TEXT = "The harbour lay still under the fog. " * 40
SUBJECT = Subject(1, "files/a.txt", "c0ffee", Extract(Kind.TEXT, "text/plain", text=TEXT))
WORDS = ("anvil", "barley", "cobalt", "dormouse", "ember", "fjord", "gable", "hazel", "inkwell", "jetsam")
TAGS = tuple(
    Tag(number, 0, path, 0, 0) for number, path in enumerate((f"{a}-{b}" for a in WORDS for b in WORDS if a != b), 1)
)
MEANT = "jetsam-anvil"
"""What this endpoint takes a text of harbours for; no other model would."""


def vector(text: str) -> list[float]:
    """Harbours and the tag that is meant lie in one direction, everything else anywhere."""
    chance = random.Random("meant" if text == "jetsam anvil" or "harbour" in text else text)
    return [chance.gauss(0, 1) for _ in range(32)]


@contextlib.contextmanager
def asking(
    encoder: Encoder, server: ScriptedEndpoint, notebook: Notebook, method: str = "selective", **more: float
) -> Iterator[LargeModel | Generative]:
    """A tagger just started."""
    offline = Offline(encoder, Neighbours(), lambda file: (), 2026)
    llm = Llm(base_url=server.url, model="scripted", method="generative" if method == "generative" else "selective")
    settings = Settings(base_url=server.url, model="vectors", timeout_seconds=more.get("timeout", 20.0))
    beside = near(settings, notebook, offline)
    made = suggester(llm, endpoint(llm), offline, notebook, Budget(0, Account()), near=beside)
    with contextlib.closing(made):
        yield made


def topical(found: tuple[Suggestion, ...]) -> set[str]:
    return {one.tag for one in found if one.source == "model"}


def test_the_tags_in_the_prompt_are_the_nearest_by_its_vectors(encoder: Encoder) -> None:
    with ScriptedEndpoint(tags(MEANT)) as server:
        server.vector = vector
        with asking(encoder, server, Notebook()) as made:
            assert topical(made.suggest(SUBJECT, Wishes(), TAGS)) == {MEANT}
        schema = server.requests[0]["response_format"]["json_schema"]["schema"]
    shown = schema["properties"]["tags"]["items"]["properties"]["tag"]["enum"]
    assert shown[0] == MEANT
    assert len(shown) == 40 < len(TAGS)


def test_what_was_paid_for_is_not_paid_for_again(encoder: Encoder) -> None:
    notebook = Notebook()
    with ScriptedEndpoint(tags(MEANT)) as server:
        server.vector = vector
        with asking(encoder, server, notebook) as made:
            made.suggest(SUBJECT, Wishes(), TAGS)
        assert len(server.embedded) == len(TAGS) + 4
        assert len(set(server.embedded)) == len(server.embedded)
        copy = Subject(2, "files/copy of a.txt", SUBJECT.content, SUBJECT.extract)
        with asking(encoder, server, notebook) as made:  # after a restart
            assert topical(made.suggest(copy, Wishes(), TAGS)) == {MEANT}
        assert server.embedded[len(TAGS) + 4 :] == ["length"]
        assert len(server.requests) == 1


def test_another_model_under_the_same_name_begins_anew(encoder: Encoder) -> None:
    """What is remembered of the old one says nothing any more."""
    notebook = Notebook()
    other = Subject(3, "files/b.txt", "beef", SUBJECT.extract)
    with ScriptedEndpoint(tags(MEANT)) as server:
        server.vector = vector
        with asking(encoder, server, notebook) as made:
            made.suggest(SUBJECT, Wishes(), TAGS)
            server.vector = lambda text: [*vector(text), 0.0]
            with pytest.raises(ModelUnavailable, match="start the tagger anew"):
                made.suggest(other, Wishes(), TAGS)
        server.embedded.clear()
        with asking(encoder, server, notebook) as made:
            assert topical(made.suggest(other, Wishes(), TAGS)) == {MEANT}
        assert len(server.embedded) == 1 + len(TAGS) + 4


def test_free_names_mean_tags_by_its_vectors(encoder: Encoder) -> None:
    with ScriptedEndpoint(tags("old harbour", "anvil barley", "opera")) as server:
        server.vector = vector
        with asking(encoder, server, Notebook(), "generative") as made:
            found = topical(made.suggest(SUBJECT, Wishes(), TAGS))
        assert not any(TEXT[:60] in text for text in server.embedded)  # only names, no file
    assert MEANT in found
    assert "anvil-barley" in found  # the same words


def test_an_embedding_elsewhere_is_elsewhere(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedEndpoint(tags(MEANT)) as server:
        for method in ("selective", "generative"):
            with asking(encoder, server, Notebook(), method) as made:
                assert made.local
    monkeypatch.setattr("tagger.suggest.embedding.is_local", lambda address: False)
    with ScriptedEndpoint(tags(MEANT)) as server:
        for method in ("selective", "generative"):
            with asking(encoder, server, Notebook(), method) as made:
                assert not made.local


def test_no_more_is_embedded_than_a_rule_lets_out(encoder: Encoder) -> None:
    notebook = Notebook()
    with ScriptedEndpoint(tags(MEANT)) as server:
        server.vector = vector
        with asking(encoder, server, notebook) as made:
            made.suggest(SUBJECT, Wishes(max_bytes_sent=11), TAGS)
            assert "The harbour" in server.embedded
            assert not any("The harbour " in text for text in server.embedded)
            seen = len(server.embedded)
            made.suggest(SUBJECT, Wishes(), TAGS)
        assert len(server.embedded) == seen + 4  # a part is not remembered for the whole


def test_a_preview_sends_nothing_and_says_what_would_be_sent(encoder: Encoder) -> None:
    with ScriptedEndpoint(tags(MEANT)) as server:
        with asking(encoder, server, Notebook()) as made:
            shown = made.preview(SUBJECT, Wishes(max_bytes_sent=100), TAGS)
        with asking(encoder, server, Notebook(), "generative") as made:
            assert made.preview(SUBJECT, Wishes(), TAGS).embedded == ()
        assert server.embedded == []
    assert shown.embedded == (TEXT[:70], TEXT[:100])


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (Fail(429, {"Retry-After": "7"}), 7.0),
        (Fail(500), None),
        (Fail(401), 300.0),
        (HangUp(), None),
        (Hang(), None),
        (Say("this is a completion, and no vectors"), None),
    ],
    ids=str,
)
def test_one_that_is_away_makes_the_file_wait(encoder: Encoder, step: Step, seconds: float | None) -> None:
    with ScriptedEndpoint(tags(MEANT)) as server:
        server.vector = vector
        with asking(encoder, server, Notebook(), timeout=0.5 if isinstance(step, Hang) else 20.0) as made:
            server.embedding_fails = step
            for _ in range(2):
                with pytest.raises(ModelUnavailable) as raised:
                    made.suggest(SUBJECT, Wishes(), TAGS)
                assert raised.value.seconds == seconds
            server.embedding_fails = None  # it is back
            assert topical(made.suggest(SUBJECT, Wishes(), TAGS)) == {MEANT}
        assert len(server.requests) == 1


@pytest.mark.parametrize("numbers", [[1.0], [], [math.nan, 1.0, 1.0]], ids=["lengths", "nothing", "not numbers"])
def test_vectors_that_are_none(encoder: Encoder, numbers: list[float]) -> None:
    with ScriptedEndpoint(tags(MEANT)) as server:
        server.vector = lambda text: numbers if text == "anvil barley" else [1.0, 0.0, 0.0]
        with asking(encoder, server, Notebook()) as made, pytest.raises(ModelUnavailable):
            made.suggest(SUBJECT, Wishes(), TAGS)
        assert server.requests == []


def test_it_is_set_with_a_large_model_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("tagger: {embedding: {base_url: 'http://localhost:1/v1', model: m}}\n")
    with pytest.raises(InvalidArgument, match=r"set tagger\.llm too"):
        load(file, {})
    file.write_text("tagger: {embedding: {base_url: 'http://localhost:1/v1'}}\n")
    with pytest.raises(InvalidArgument, match="are set together"):
        load(file, {})
