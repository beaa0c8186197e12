"""What a tag means is learned from its name, from verdicts, and from files that fit it."""

import numpy as np

from graphfs.model import Edge, EdgeState, Source
from tagger.suggest.encoder import DIMENSIONS, Vectors
from tagger.suggest.lessons import Lessons
from tagger.suggest.meanings import RECENT, Meanings, unit
from tagger.suggest.neighbours import Neighbours

PATHS = ("one", "two")


def axis(*where: int) -> Vectors:
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[list(where)] = 1.0
    return unit(vector)


def made(edges: dict[int, list[Edge]]) -> tuple[Meanings, Lessons]:
    neighbours = Neighbours()
    lessons = Lessons(lambda file: edges.get(file, []))
    return Meanings(neighbours, lessons), lessons


def test_without_files_it_is_nearness_to_the_name() -> None:
    meanings, _ = made({})
    found = meanings.of(PATHS, np.stack([axis(0), axis(1)]), 1, axis(0, 2)).likeness
    assert found[0] > found[1]


def test_a_verdict_moves_a_tag_and_a_rejection_moves_it_away() -> None:
    neighbours = Neighbours()
    edges: dict[int, list[Edge]] = {}
    lessons = Lessons(lambda file: edges.get(file, []))
    meanings = Meanings(neighbours, lessons)
    names = np.stack([axis(0), axis(1)])
    neighbours.add(1, axis(5))
    neighbours.add(2, axis(6))
    before = meanings.of(PATHS, names, 1, axis(5, 7)).likeness
    edges[1] = [Edge("two")]
    lessons.refresh([1], [])
    after = meanings.of(PATHS, names, 1, axis(5, 7))
    assert after.likeness[1] > before[1] + 0.1
    assert after.corrected[1] > 0 > after.corrected[0]
    assert list(after.examples) == [0.0, 1.0]
    edges[1] = [Edge("two", EdgeState.REJECTED, Source.PERSON)]
    lessons.refresh([1], [])
    rejected = meanings.of(PATHS, names, 1, axis(5, 7))
    assert rejected.likeness[1] < before[1]
    assert rejected.corrected[1] < 0
    assert rejected.corrected[0] == 0, "of a tag that nobody judged nothing is known"


def test_a_tag_that_is_given_more_often_than_chance_is_likelier() -> None:
    def frequency(often: int, seldom: int) -> list[float]:
        neighbours = Neighbours()
        edges = {file: [Edge("one" if file <= often else "two")] for file in range(1, often + seldom + 1)}
        for file in edges:
            neighbours.add(file, axis(2 + file))
        lessons = Lessons(lambda file: edges[file])
        lessons.refresh(list(edges), [])
        meanings = Meanings(neighbours, lessons)
        return list(meanings.of(PATHS, np.stack([axis(0), axis(1)]), 1, axis(100)).frequency)

    assert frequency(10, 12) == [0.0, 0.0], "that may be chance"
    one, two = frequency(40, 4)
    assert one > 0 > two


def test_verdicts_on_files_that_came_long_ago_count() -> None:
    neighbours = Neighbours()
    edges = {1: [Edge("two")]}
    lessons = Lessons(lambda file: edges.get(file, []))
    vectors = unit(np.random.default_rng(1).normal(size=(RECENT + 50, DIMENSIONS)).astype(np.float32))
    for file, vector in enumerate(vectors, 1):
        neighbours.add(file, vector)
    meanings = Meanings(neighbours, lessons)
    names = np.stack([axis(0), axis(1)])
    assert list(meanings.of(PATHS, names, 1, vectors[0]).examples) == [0.0, 0.0]
    lessons.refresh([1], [])
    after = meanings.of(PATHS, names, 1, vectors[0])
    assert list(after.examples) == [0.0, 1.0]
    assert after.likeness[1] > after.likeness[0]


def test_all_files_are_asked_about_in_turn() -> None:
    asked: list[int] = []
    ticks = iter(range(1000))

    def edges_of(file: int) -> list[Edge]:
        asked.append(file)
        return []

    lessons = Lessons(edges_of, clock=lambda: float(next(ticks)))
    for _ in range(3):
        lessons.refresh([], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    assert set(asked) == set(range(1, 11))
