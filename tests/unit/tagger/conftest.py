"""What the tagger's tests share: the models, loaded once."""

import pytest

from tagger.suggest.encoder import Encoder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder()
