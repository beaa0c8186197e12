"""A large model asked in other ways: several answers that vote, and free names that are matched to tags by meaning."""

import contextlib
import json

from graphfs.config import Llm
from graphfs.model import Suggestion, Tag
from tagger.extract.result import Extract, Kind
from tagger.suggest.answers import Answer, parse
from tagger.suggest.encoder import Encoder
from tagger.suggest.ladder import Budget
from tagger.suggest.method import endpoint, suggester
from tagger.suggest.neighbours import Neighbours
from tagger.suggest.offline import Offline
from tagger.suggest.subject import Subject, Wishes
from tagger.suggest.votes import counted
from tests.unit.tagger.scripted import Say, ScriptedEndpoint, tags
from tests.unit.tagger.test_llm import Account, Notebook

TAGS = tuple(Tag(i, 0, path, 0, 0) for i, path in enumerate(("film", "farm/rice", "astronomy", "type/text"), 1))
SUBJECT = Subject(1, "files/a.txt", "c0ffee", Extract(Kind.TEXT, "text/plain", text="A long night at the pictures."))


def suggestions(
    encoder: Encoder, server: ScriptedEndpoint, llm: Llm, mode: str = "prefer", times: int = 1
) -> dict[str, Suggestion]:
    """What the model that is set so suggests, of its own."""
    offline = Offline(encoder, Neighbours(), lambda file: (), 2026)
    made = suggester(llm, endpoint(llm), offline, Notebook(), Budget(0, Account()))
    wishes = Wishes(mode="strict" if mode == "strict" else "prefer")
    with contextlib.closing(made):
        for _ in range(times):
            found = made.suggest(SUBJECT, wishes, TAGS)
    return {one.tag: one for one in found if one.source == "model"}


def test_free_names_become_the_tags_that_they_mean(encoder: Encoder) -> None:
    with ScriptedEndpoint(tags("Movie", "rice", "opera house", sure="high")) as server:
        llm = Llm(base_url=server.url, model="scripted", method="generative")
        found = suggestions(encoder, server, llm, times=2)
        asked = server.requests
    assert found.keys() == {"film", "farm/rice", "opera house"}
    assert found["film"].evidence.startswith("called 'Movie'")
    assert found["film"].confidence >= 0.75
    assert found["opera house"].confidence < 0.75
    assert len(asked) == 1  # the second time from memory
    assert "farm/rice" not in json.dumps(asked)


def test_free_names_within_a_strict_vocabulary(encoder: Encoder) -> None:
    with ScriptedEndpoint(tags("movie", "opera house")) as server:
        llm = Llm(base_url=server.url, model="scripted", method="generative")
        assert suggestions(encoder, server, llm, "strict").keys() == {"film"}


def test_what_most_answers_say_counts_most(encoder: Encoder) -> None:
    said = [tags("film", "astronomy"), tags("film"), tags("film", new="opera"), Say("I cannot say.")]
    with ScriptedEndpoint(*said) as server:
        llm = Llm(base_url=server.url, model="scripted", samples=3)
        found = suggestions(encoder, server, llm)
        asked = server.requests
    assert len(asked) == 3
    assert {request["temperature"] for request in asked} == {0.7}
    assert found["film"].confidence == 0.88
    assert found["film"].model == "scripted x3"
    assert found["film"].evidence.startswith("3 of 3 answers")
    assert 0.45 < found["astronomy"].confidence < 0.55
    assert "opera" not in found  # one answer of three made it up


def test_votes_of_nothing_and_of_repeated_names() -> None:
    twice = parse('{"tags": ["film", "Film"]}')
    assert twice is not None
    answer = parse(counted([twice, Answer(())], 4))
    assert answer is not None
    assert [(one.name, one.confidence) for one in answer.choices] == [("film", round(0.78 * (0.35 + 0.65 / 4), 3))]
    assert parse(counted([], 3)) == Answer(())
