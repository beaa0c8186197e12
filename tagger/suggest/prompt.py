"""The prompt for a large model: two templates in files that users may replace, filled with what is known of a file.

The templates are LlamaIndex's: `{name}` is a variable, every other brace stays. A file's text goes in as a value,
bounded, and cannot end its own delimiter: whatever it says is data.
"""

import hashlib
import re
from importlib import resources
from pathlib import Path

from llama_index.core.prompts import PromptTemplate

from graphfs.errors import InvalidArgument
from tagger.suggest.subject import Subject, Wishes

_MODES = {
    "strict": "Never make up a tag: new_tag is always null.",
    "prefer": "If the main subject is missing from the list, propose one short new_tag; else it is null.",
    "free": "If a subject is missing from the list, propose it as new_tag: one or two lower-case words.",
}
_VARIABLES = {
    "system": {"max_tags", "mode_rule", "language"},
    "user": {"tags", "path", "kind", "title", "properties", "text"},
}
_TEXT = 6_000
_DELIMITER = re.compile(r"<(/?)(file)\b", re.I)
_LANGUAGES = {"en": "English", "de": "German", "zh": "Chinese", "ja": "Japanese", "fr": "French", "es": "Spanish"}


class Prompt:
    """The templates and their version."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` holds `system.txt` and `user.txt`; None: those that come with the program. InvalidArgument where
        one cannot be read, or names a variable that there is not."""
        place = folder if folder is not None else resources.files("tagger.prompts")
        try:
            self._texts = {name: place.joinpath(f"{name}.txt").read_text("utf-8") for name in _VARIABLES}
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgument(f"the prompts in {folder} cannot be read: {error}") from error
        self._system = PromptTemplate(self._texts["system"])
        self._user = PromptTemplate(self._texts["user"])
        for name, template in (("system", self._system), ("user", self._user)):
            if unknown := sorted(set(template.template_vars) - _VARIABLES[name]):
                known = ", ".join(sorted(_VARIABLES[name]))
                raise InvalidArgument(f"{name}.txt of the prompts names {', '.join(unknown)}; there is: {known}")

    def version(self, wishes: Wishes, shown: str = "") -> str:
        """Names the templates and all settings that change what is asked (not the list of tags): answers are
        remembered under it. `shown`: what it is given beside the text."""
        settings = (wishes.mode, wishes.language, str(wishes.max_tags), str(wishes.max_bytes_sent), *wishes.vocabulary)
        parts = (*self._texts.values(), *settings, *([shown] if shown else []))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]

    def render(self, subject: Subject, wishes: Wishes, candidates: list[str]) -> tuple[str, str]:
        """System and user part for one file."""
        extract = subject.extract
        mode = "strict" if wishes.vocabulary else wishes.mode
        language = _LANGUAGES.get(wishes.language, wishes.language)
        system = self._system.format(
            max_tags=wishes.max_tags,
            mode_rule=_MODES[mode],
            language="the language of the list" if wishes.language == "auto" else language,
        )
        shown = {key: value for key, value in extract.properties.items() if key != "encoding"}
        user = self._user.format(
            tags="\n".join(f"- {tag}" for tag in candidates) or "(none yet)",
            path=_data(subject.path.removeprefix("files/"), 300),
            kind=f"{extract.kind} ({extract.media_type})",
            title=_data(extract.title, 200),
            properties=_data("; ".join(f"{key}: {value}" for key, value in shown.items()), 600),
            text=cut(_data(extract.text, _TEXT), wishes.max_bytes_sent) or "(no text)",
        )
        return system, user


def cut(text: str, most: int | None) -> str:
    """At most so many bytes of it, in whole characters."""
    return text if most is None else text.encode()[:most].decode("utf-8", "ignore")


def _data(text: str, limit: int) -> str:
    """A value that cannot be mistaken for the prompt's own delimiters."""
    plain = text.encode("utf-8", "replace").decode()
    return _DELIMITER.sub(r"‹\1\2", plain)[:limit]
