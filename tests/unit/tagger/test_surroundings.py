"""What is known of files flows to those that are like them."""

import numpy as np

from tagger.suggest.encoder import Vectors
from tagger.suggest.meanings import unit
from tagger.suggest.surroundings import Surroundings


def cloud(seed: int, centre: int, count: int) -> Vectors:
    """Files that are alike: around one axis."""
    vectors = np.random.default_rng(seed).normal(scale=0.15, size=(count, 32)).astype(np.float32)
    vectors[:, centre] += 1.0
    return unit(vectors)


def test_what_is_known_of_one_file_is_guessed_of_those_like_it() -> None:
    vectors = np.concatenate([cloud(1, 0, 40), cloud(2, 1, 40)])
    guessed = np.full((80, 2), 0.5, dtype=np.float32)
    guessed[0], guessed[40] = (1, 0), (0, 1)
    surroundings = Surroundings(vectors)
    spread = surroundings.spread(guessed)
    assert (spread[:40, 0] > spread[:40, 1]).all()
    assert (spread[40:, 1] > spread[40:, 0]).all()
    own = np.array([0.5, 0.5], dtype=np.float32)
    near = surroundings.around(cloud(3, 0, 1)[0], own, spread)
    assert near[0] > near[1]


def test_a_file_alone_keeps_its_guess() -> None:
    axes = np.eye(32, dtype=np.float32)
    guessed = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    for count in (1, 2):
        surroundings = Surroundings(axes[:count])
        assert np.allclose(surroundings.spread(guessed[:count]), guessed[:count])
        assert np.allclose(surroundings.around(axes[9], guessed[0], guessed[:count]), guessed[0])
    nobody = Surroundings(axes[:0])
    assert np.allclose(nobody.around(axes[0], guessed[0], nobody.spread(guessed[:0])), guessed[0])


def test_a_file_says_nothing_to_itself() -> None:
    vectors = cloud(4, 0, 12)
    guessed = np.zeros((12, 70), dtype=np.float32)
    guessed[3] = 1.0
    surroundings = Surroundings(vectors)
    own = np.zeros(70, dtype=np.float32)
    alone = np.zeros((12, 70), dtype=np.float32)
    alone[3] = 1.0
    assert surroundings.around(vectors[3], own, alone).max() > 0.01
    assert surroundings.around(vectors[3], own, alone, 3).max() == 0
    spread = surroundings.spread(guessed)
    assert np.allclose(spread[:, 0], spread[:, 69]), "no column is left out"
