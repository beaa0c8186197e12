"""Mail as a file (eml): who, when, about what, and the text of the message. Attachments are named, not opened."""

import email
import email.policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime

from tagger.extract.html import visible
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source

_DAMAGE = (MessageError, ValueError, LookupError, TypeError, AttributeError)


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Subject, sender, date, body."""
    with open(source.path, "rb") as file:
        data = file.read(limits.part_bytes)
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
    except _DAMAGE as problem:
        error = f"damaged mail: {type(problem).__name__}"
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=title,
        text=by_structure(text, limits.text_chars),
        properties={key: value for key, value in properties.items() if value},
        language=language_of(text),
        looked_at=("headers", "body"),
        not_looked_at=("attachments",),
        error=error,
    )


def _body(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    if body is None:
        return ""
    content = str(body.get_content())
    return visible(content)[0] if body.get_content_subtype() == "html" else tidy(content)
