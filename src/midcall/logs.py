"""What log lines look like: text for a person at a terminal, JSON elsewhere; secrets in neither.

Call and message sids travel as `extra={"call_sid": …, "message_sid": …}` and appear in each line that has them.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Callable
from typing import Final, TextIO

import msgspec
from aiohttp.http_exceptions import HttpProcessingError

FIELDS: Final = ("request_id", "account_sid", "call_sid", "message_sid", "subscription_sid", "device_id")
"""Log fields beyond the text, under the names that the REST API gives them."""

_STYLES: Final = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}


def configure(
    *, level: str, style: str, redact: Callable[[str], str] | None = None, stream: TextIO | None = None
) -> None:
    """Send all logging of this process to one stream, replacing what was set up before.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        style: `text`, `json`, or `auto`: text when the stream is a terminal.
        redact: takes secrets out of a finished text.
        stream: standard error when left out.
    """
    stream = stream or sys.stderr
    is_terminal = stream.isatty()
    as_text = style == "text" or (style == "auto" and is_terminal)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter(redact, colour=is_terminal) if as_text else JsonFormatter(redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("aioice", "aiortc", "asyncio"):
        logging.getLogger(chatty).setLevel(max(root.level, logging.WARNING))
    logging.getLogger("aiohttp.server").addFilter(_in_one_line)


def _in_one_line(record: logging.LogRecord) -> bool:
    """What is no HTTP is the peer's fault; aiohttp logs it with a trace, and anybody could fill a disk with those."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = "a request could not be read: %s", (type(error).__name__,)
    return record.levelno >= logging.getLogger().level


class _Formatter(logging.Formatter):
    """What both styles share: the text with its exception, redacted."""

    def __init__(self, redact: Callable[[str], str] | None) -> None:
        super().__init__()
        self._redact = redact or (lambda text: text)

    def text(self, record: logging.LogRecord) -> str:
        return self._redact(record.getMessage())

    def trace(self, record: logging.LogRecord) -> str:
        return self._redact(self.formatException(record.exc_info)) if record.exc_info else ""

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        return {name: str(value) for name in FIELDS if (value := getattr(record, name, None)) is not None}


class TextFormatter(_Formatter):
    """`12:00:00 warning webhooks.dispatcher: lane is down call_sid=CA…`."""

    def __init__(self, redact: Callable[[str], str] | None = None, *, colour: bool = False) -> None:
        super().__init__(redact)
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).astimezone()
        name = record.name.removeprefix("midcall.")
        fields = "".join(f" {field}={value}" for field, value in self.fields(record).items())
        line = f"{at:%H:%M:%S} {record.levelname.lower()} {name}: {self.text(record)}{fields}"
        if self._colour and (style := _STYLES.get(record.levelno)):
            line = f"\x1b[{style}m{line}\x1b[0m"
        trace = self.trace(record)
        return f"{line}\n{trace}" if trace else line


class JsonFormatter(_Formatter):
    """One JSON object a line: at (RFC 3339), level, logger, text, sids, and the trace of an exception."""

    def __init__(self, redact: Callable[[str], str] | None = None) -> None:
        super().__init__(redact)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str] = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": self.text(record),
            **self.fields(record),
        }
        if trace := self.trace(record):
            line["trace"] = trace
        return msgspec.json.encode(line).decode()
