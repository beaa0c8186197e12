"""Mail as a file (eml) or a box of it (mbox): who, when, about what, the text. Attachments are named only."""

import email
import email.policy
import re
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime
from typing import NamedTuple

from tagger.extract.html import visible
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source

_MESSAGES = 40
_SEPARATOR = re.compile(rb"(?:^|\n)From [^\n]*\n")
_DAMAGE = (MessageError, ValueError, LookupError, TypeError, AttributeError)


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Subject, sender, date, body; of a box the same of its first messages."""
    with open(source.path, "rb") as file:
        data = file.read(limits.part_bytes)
    boxed = data.startswith(b"From ")
    found = _SEPARATOR.split(data.partition(b"\n")[2])[: _MESSAGES + 1] if boxed else [data]
    read = [_read(message) for message in found[:_MESSAGES]]
    first = read[0]
    properties = first.properties
    title, text = first.title, first.text
    if boxed:
        senders = dict.fromkeys(one.properties["author"] for one in read if "author" in one.properties)
        properties = {"senders": ", ".join(senders)[:500]} | ({"date": first.date} if first.date else {})
        title = ", ".join(dict.fromkeys(one.title for one in read if one.title))[:200]
        text = tidy("\n\n".join(f"{one.title}\n{one.text}" for one in read))
    rest = len(found) > _MESSAGES or len(data) == limits.part_bytes or not source.whole
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=title,
        text=by_structure(text, limits.text_chars),
        properties={key: value for key, value in properties.items() if value},
        language=language_of(text),
        looked_at=(f"{len(read)} messages",) if boxed else ("headers", "body"),
        not_looked_at=("attachments", "later messages") if boxed and rest else ("attachments",),
        error=first.error,
    )


class _Message(NamedTuple):
    title: str
    text: str
    properties: dict[str, str]
    error: str

    @property
    def date(self) -> str:
        return self.properties.get("date", "")


def _read(data: bytes) -> _Message:
    """One message, as far as it can be read."""
    properties: dict[str, str] = {}
    title = text = error = ""
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
        title = tidy(str(message.get("Subject", "")))[:200]
        name, address = parseaddr(str(message.get("From", "")))
        properties["author"] = tidy(name or address)[:200]
        if message.get("Date"):
            properties["date"] = parsedate_to_datetime(str(message["Date"])).date().isoformat()
        text = _body(message)
        attached = [str(part.get_filename()) for part in message.iter_attachments() if part.get_filename()]
        if attached:
            properties["attachments"] = tidy(", ".join(attached))[:500]
    except (*_DAMAGE, RecursionError) as problem:
        error = f"damaged mail: {type(problem).__name__}"
    return _Message(title, text, properties, error)


def _body(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    if body is None:
        return ""
    content = str(body.get_content())
    return visible(content)[0] if body.get_content_subtype() == "html" else tidy(content)
