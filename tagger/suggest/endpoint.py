"""The large model behind an OpenAI-compatible endpoint, through LlamaIndex. Foreign errors end here, as one of
`tagger.suggest.failure`.

Importing this module imports LlamaIndex (3 s, 120 MB): only where an endpoint is configured.
"""

import base64
import email.utils
import time
from collections.abc import Sequence
from typing import Any, Literal

import httpx
import openai
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.llms.openai_like import OpenAILike

from tagger.suggest.failure import ModelUnavailable
from tagger.suggest.machine import is_local

Rung = Literal["json_schema", "json_object", "plain"]
RUNGS: tuple[Rung, ...] = ("json_schema", "json_object", "plain")
_LONGEST_WAIT = 3600.0
_PAUSE = 300.0


class Unsupported(Exception):
    """The endpoint refuses this question, or this way of asking for structure: go a rung down."""


class Endpoint:
    """One endpoint and model. Makes no second attempt by itself: the queue does."""

    def __init__(
        self, base_url: str, model: str, key: str, *, timeout: float, max_tokens: int, temperature: float
    ) -> None:
        self.model = model
        self.local = is_local(base_url)
        self._http = httpx.Client(timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)))
        self._llm = OpenAILike(
            model=model,
            api_base=base_url,
            api_key=key or "none",
            is_chat_model=True,
            timeout=timeout,
            max_retries=0,
            max_tokens=max_tokens,
            temperature=temperature,
            context_window=32_768,
            http_client=self._http,
        )

    def ask(
        self, system: str, user: str, rung: Rung, schema: dict[str, Any], pictures: Sequence[bytes] = ()
    ) -> tuple[str, int]:
        """The answer's text and the tokens it cost in all (0: not said). `pictures`: JPEGs that are shown with it.
        ModelUnavailable, Unsupported."""
        wanted: dict[str, Any] = {}
        if rung == "json_schema":
            form = {"name": "tags", "schema": schema, "strict": True}
            wanted["response_format"] = {"type": "json_schema", "json_schema": form}
        elif rung == "json_object":
            wanted["response_format"] = {"type": "json_object"}
        messages = [
            ChatMessage(role=MessageRole.SYSTEM, content=system),
            ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text=user), *map(_picture, pictures)]),
        ]
        try:
            response = self._llm.chat(messages, **wanted)
        except openai.APIStatusError as error:
            if error.status_code in {400, 413, 415, 422, 501}:
                raise Unsupported(f"{error.status_code} for {rung}") from error
            raise of_status(error, "the endpoint") from error
        except openai.APITimeoutError as error:
            raise ModelUnavailable("the model did not answer in time") from error
        except (
            openai.APIError,
            openai.OpenAIError,
            httpx.HTTPError,
            ValueError,
            AttributeError,
            TypeError,
            IndexError,
        ) as error:
            # a connection that breaks in the middle, and bodies that are no completion: the library has no one name
            # for them
            raise ModelUnavailable(f"the endpoint's answer broke off or is none ({type(error).__name__})") from error
        return response.message.content or "", _tokens(response.raw)

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()


def _picture(jpeg: bytes) -> ImageBlock:
    return ImageBlock(image=base64.b64encode(jpeg), image_mimetype="image/jpeg")


def _tokens(raw: Any) -> int:
    usage = raw.get("usage") if isinstance(raw, dict) else getattr(raw, "usage", None)
    total = usage.get("total_tokens") if isinstance(usage, dict) else getattr(usage, "total_tokens", 0)
    return int(total or 0)


def of_status(error: openai.APIStatusError, who: str) -> ModelUnavailable:
    """What a refusal means: for now, or until somebody mends it."""
    status = error.status_code
    if status in {401, 403}:
        return ModelUnavailable(f"{who} refuses the key ({status})", seconds=_PAUSE, stands=True)
    if status == 404:
        return ModelUnavailable(f"{who} does not know this address or model (404)", seconds=_PAUSE, stands=True)
    if status == 402:
        return ModelUnavailable(f"{who} wants to be paid (402)", seconds=_PAUSE, stands=True)
    return ModelUnavailable(f"{who} answered {status}", seconds=retry_after(error.response.headers.get("retry-after")))


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds of a Retry-After header (a number, or an HTTP date); None when it says nothing usable. At most an
    hour."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - (time.time() if now is None else now)
        except (ValueError, TypeError):
            return None
    return min(_LONGEST_WAIT, max(0.0, seconds)) if seconds == seconds else None
