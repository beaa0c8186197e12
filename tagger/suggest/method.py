"""Which way a large model tags: selective or generative, asked once or several times. Composes; importing it imports
LlamaIndex (3 s, 120 MB), so only where an endpoint is configured."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import tagger.prompts
from graphfs.config import Embedding as EmbeddingSettings
from graphfs.config import Llm
from tagger.suggest.embedding import Embedding
from tagger.suggest.encoder import Words
from tagger.suggest.endpoint import Endpoint
from tagger.suggest.generative import Generative
from tagger.suggest.ladder import Asked, Budget
from tagger.suggest.llm import Beside, LargeModel, Memory, Near
from tagger.suggest.offline import Offline
from tagger.suggest.prompt import Prompt
from tagger.suggest.votes import Votes

_VARIED = 0.7
"""The temperature where several answers are asked for and none is set: equal answers would not be votes."""


def endpoint(llm: Llm) -> Endpoint:
    """The endpoint that is configured. Both `base_url` and `model` must be."""
    return Endpoint(
        llm.base_url or "",
        llm.model or "",
        llm.api_key.reveal() if llm.api_key else "",
        timeout=llm.timeout_seconds,
        max_tokens=llm.max_tokens,
        temperature=llm.temperature or (_VARIED if llm.samples > 1 else 0.0),
    )


def embedding(
    settings: EmbeddingSettings, memory: Memory, words: Words, lock: AbstractContextManager[object] | None = None
) -> Embedding:
    """The embedding endpoint that is configured. Both `base_url` and `model` must be. `lock` guards `words`."""
    return Embedding(
        settings.base_url or "",
        settings.model or "",
        settings.api_key.reveal() if settings.api_key else "",
        timeout=settings.timeout_seconds,
        memory=memory,
        words=words,
        lock=lock,
    )


def near(
    settings: EmbeddingSettings, memory: Memory, offline: Offline, lock: AbstractContextManager[object] | None = None
) -> Near | None:
    """A large model's tags by the vectors of an endpoint, where one is configured. `lock` guards `offline`."""
    if not settings.base_url or not settings.model:
        return None
    one = embedding(settings, memory, offline.words, lock)
    own = threading.RLock()
    return Near(offline.over(one), own, sends=True, local=one.local, same_at=settings.same_at, close=one.close)


def asked(llm: Llm, one: Asked) -> Asked:
    """The endpoint, or the votes of several answers of it."""
    return Votes(one, llm.samples) if llm.samples > 1 else one


def suggester(
    llm: Llm,
    one: Asked,
    offline: Offline,
    memory: Memory,
    budget: Budget,
    prompts: Path | None = None,
    lock: AbstractContextManager[object] | None = None,
    beside: Beside | None = None,
    near: Near | None = None,
) -> LargeModel | Generative:
    """What tags by `one`, in the way that the settings say. `prompts`: the user's own templates."""
    make: Callable[..., LargeModel | Generative] = LargeModel
    folder = prompts
    if llm.method == "generative":
        make, folder = Generative, generative_prompts(prompts)
    return make(offline, asked(llm, one), Prompt(folder), memory, budget, lock, beside, near)


def generative_prompts(prompts: Path | None) -> Path:
    """The folder of the generative prompt: `generative` in the user's own, where there is one."""
    own = prompts / "generative" if prompts is not None else None
    if own is not None and own.is_dir():
        return own
    return Path(tagger.prompts.__path__[0]) / "generative"
