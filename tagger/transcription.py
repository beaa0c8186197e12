"""Transcripts by an OpenAI-compatible endpoint. Imported only where one is configured: the library takes seconds.

Its errors end here, as one of `tagger.suggest.failure`.
"""

import openai

from tagger.extract.passages import tidy
from tagger.speech import Heard
from tagger.suggest.failure import ModelUnavailable
from tagger.suggest.machine import is_local

_LONGEST = 1 << 20


class Transcription:
    """An endpoint's `audio/transcriptions`."""

    def __init__(self, base_url: str, model: str, key: str, timeout: float) -> None:
        self.name = f"{model} at {base_url}"
        self.local = is_local(base_url)
        self._model = model
        self._client = openai.OpenAI(base_url=base_url, api_key=key or "none", timeout=timeout, max_retries=0)

    def hear(self, wav: bytes) -> Heard:
        """See `Listener.hear`. What the endpoint refuses because of the sound itself is a problem of that file."""
        try:
            told = self._client.audio.transcriptions.create(model=self._model, file=("sound.wav", wav, "audio/wav"))
        except openai.APIStatusError as error:
            if error.status_code in {400, 413, 415, 422}:
                return Heard("", f"the transcription endpoint refused the sound ({error.status_code})")
            stands = error.status_code in {401, 402, 403, 404}
            raise ModelUnavailable(
                f"the transcription endpoint answered {error.status_code}",
                seconds=300.0 if stands else None,
                stands=stands,
            ) from error
        except openai.OpenAIError as error:
            raise ModelUnavailable(f"the transcription endpoint is away ({type(error).__name__})") from error
        return Heard(tidy(str(getattr(told, "text", "") or ""))[:_LONGEST])
