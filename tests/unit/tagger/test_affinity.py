"""Words of a file and names of tags, one by one."""

import numpy as np

from tagger.suggest.affinity import Affinity
from tagger.suggest.encoder import DIMENSIONS, Vectors


def axis(*where: int) -> Vectors:
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[list(where)] = 1.0 / np.sqrt(len(where))
    return vector


def test_a_few_telling_words_are_enough() -> None:
    affinity = Affinity()
    affinity.begin(np.stack([axis(10 + number) for number in range(64)]))
    words = [f"word{number}" for number in range(20)]
    vectors = np.stack([axis(0, 200), axis(0, 201), axis(0, 202), *(axis(300 + number) for number in range(17))])
    assert affinity.unknown(words) == words
    affinity.learn(words, vectors)
    assert affinity.unknown(words) == []
    found = affinity.of(words, np.stack([axis(0), axis(1)]), 1)
    assert found[0] > 0.6
    assert abs(found[1]) < 0.01


def test_a_name_that_is_near_to_every_word_gains_nothing_by_it() -> None:
    affinity = Affinity()
    affinity.begin(np.stack([axis(0, 10 + number) for number in range(64)]))
    affinity.learn(["a"], axis(0, 400)[None, :])
    assert abs(affinity.of(["a"], axis(0)[None, :], 1)[0]) < 0.01


def test_no_words_no_names_say_nothing() -> None:
    affinity = Affinity()
    names = np.stack([axis(0), axis(1)])
    assert list(affinity.of([], names, 1)) == [0.0, 0.0]
    assert affinity.of([], names[:0], 2).shape == (0,)
