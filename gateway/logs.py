"""How a server's log looks: lines for people, or one JSON object a line for programs that collect them. Set up once, by
`python -m gateway`."""

import logging
import sys
import time
from typing import Literal

import msgspec

from gateway.telemetry import REQUEST_ID

_FIELDS = ("method", "route", "status", "ms")
_TEXT = "%(asctime)s %(name)s %(levelname)s %(message)s"


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, the request's id, and what the access log knows of it."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        number = REQUEST_ID.get()
        if number:
            told["request_id"] = number
        told.update({name: getattr(record, name) for name in _FIELDS if hasattr(record, name)})
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told).decode("utf-8", "backslashreplace")


def set_up(kind: Literal["text", "json"], level: str) -> None:
    """From now on the whole process logs to standard error so. Requests are logged as JSON only: people who start a
    server by hand want to see what it says, not who asks."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if kind == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    if kind == "text":
        logging.getLogger("gateway.access").setLevel(logging.WARNING)
