"""Text as vectors by an OpenAI-compatible endpoint, through LlamaIndex, in place of the offline model's: which tags a
large model is shown, and which tag a name of its own means. Foreign errors end here, as `ModelUnavailable`.

Importing this module imports LlamaIndex: only where such an endpoint is configured.
"""

import base64
import binascii
import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import httpx
import numpy as np
import openai
from llama_index.embeddings.openai import OpenAIEmbedding

from tagger.suggest.encoder import Vectors, Words
from tagger.suggest.endpoint import of_status
from tagger.suggest.failure import ModelUnavailable
from tagger.suggest.machine import is_local

_BATCH = 32
"""Texts of one question: what the strictest of the common servers takes."""
_KIND = "vector-1"
_PROBE = "length"
_WHO = "the embedding endpoint"


class Memory(Protocol):
    """What was paid for (the drive's `Jobs.remembered` and `remember`)."""

    def remembered(self, content: str, model: str, prompt: str) -> tuple[str, ...] | None: ...

    def remember(self, content: str, model: str, prompt: str, texts: tuple[str, ...]) -> None: ...


class Embedding:
    """One endpoint and model (see `tagger.suggest.encoder.Encodes`). What words are worth is still asked of the offline
    model, under its lock. Not for several threads at once."""

    def __init__(
        self,
        base_url: str,
        model: str,
        key: str,
        *,
        timeout: float,
        memory: Memory,
        words: Words,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.name = f"{model} at {base_url}"
        self.local = is_local(base_url)
        self._memory, self._words = memory, words
        self._lock = lock or contextlib.nullcontext()
        self._http = httpx.Client(timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)))
        self._model = OpenAIEmbedding(
            model_name=model,
            api_base=base_url,
            api_key=key or "none",
            timeout=timeout,
            max_retries=0,
            embed_batch_size=_BATCH,
            http_client=self._http,
        )
        self._width = 0
        """Dimensions, as of the first answer."""

    def rank(self, word: str) -> int:
        """See `Encoder.rank`."""
        with self._lock:
            return self._words.rank(word)

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """See `Encoder.pieces`."""
        with self._lock:
            return self._words.pieces(text)

    def sample(self, count: int) -> list[str]:
        """See `Encoder.sample`."""
        with self._lock:
            return self._words.sample(count)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 a text: shape (len(texts), dimensions). An empty text is a row of zeros.
        ModelUnavailable."""
        filled = [i for i, text in enumerate(texts) if text.strip()]
        if not filled:
            return np.zeros((len(texts), self._width), dtype=np.float32)
        rows = self._asked([texts[i] for i in filled])
        found = np.zeros((len(texts), self._width), dtype=np.float32)
        found[filled] = rows
        return found

    def _asked(self, texts: list[str]) -> Vectors:
        try:
            told = self._model.get_text_embedding_batch(texts)
            rows = np.asarray(told, dtype=np.float32)
        except openai.APIStatusError as error:
            raise of_status(error, _WHO) from error
        except openai.APITimeoutError as error:
            raise ModelUnavailable(f"{_WHO} did not answer in time") from error
        except (openai.OpenAIError, httpx.HTTPError, ValueError, AttributeError, TypeError, IndexError) as error:
            raise ModelUnavailable(f"{_WHO}'s answer broke off or is none ({type(error).__name__})") from error
        whole = rows.ndim == 2 and len(rows) == len(texts) and rows.shape[1] > 0 and bool(np.isfinite(rows).all())
        if not whole or rows.shape[1] != (self._width or rows.shape[1]):
            raise ModelUnavailable(
                f"{_WHO} did not answer with {len(texts)} vectors of one length; "
                "where it has another model under this name by now, start the tagger anew"
            )
        self._width = rows.shape[1]
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(length, 1e-9), dtype=np.float32)

    def kept(self, what: str) -> Vectors | None:
        """The vector of a content or a name that was paid for before. ModelUnavailable: what it is worth is not known
        before the endpoint has answered once, for it may have another model under this name by now."""
        known = self._memory.remembered(what, self.name, _KIND)
        if not known:
            return None
        if not self._width:
            self._asked([_PROBE])
        try:
            vector = np.frombuffer(base64.b64decode(known[0], validate=True), dtype="<f2").astype(np.float32)
        except (binascii.Error, ValueError):
            return None
        return vector if len(vector) == self._width else None

    def keep(self, what: str, vector: Vectors) -> None:
        """Remembers a vector with the drive, for all taggers."""
        packed = base64.b64encode(vector.astype("<f2").tobytes()).decode()
        self._memory.remember(what, self.name, _KIND, (packed,))

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()
