"""What the official libraries' parsers insist on, rule by rule; a body that breaks one breaks a client.

Each rule names the library that has it. They hold for the vendor's resources; extensions are read by nobody but us.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

PAGING: Final = frozenset(
    {"uri", "first_page_uri", "next_page_uri", "previous_page_uri", "page", "page_size", "start", "end"}
)
META: Final = frozenset({"key", "page", "page_size", "first_page_url", "previous_page_url", "url", "next_page_url"})
TEXTS: Final = frozenset({"duration", "price", "queue_time", "ttl", "error_code", "log"})
URLS: Final = frozenset(
    {
        "voice_url",
        "voice_fallback_url",
        "status_callback",
        "sms_url",
        "sms_fallback_url",
        "sms_status_callback",
        "message_status_callback",
        "request_url",
        "more_info",
    }
)
CURRENCIES: Final = frozenset({"USD", "EUR", "GBP"})
_DATE: Final = re.compile(r"(date_\w+|message_date|start_time|end_time)")
_RFC_2822: Final = "%a, %d %b %Y %H:%M:%S %z"
_ISO: Final = "%Y-%m-%dT%H:%M:%SZ"


def problems(method: str, path: str, status: int, body: Any) -> Iterator[str]:
    """One line per rule that an answer breaks.

    Args:
        body: parsed; None for an empty one.
    """
    if status >= 400:
        yield from _error(status, body)
        return
    yield from _status(method, status, body)
    if isinstance(body, dict):
        yield from _list(path, body)
        yield from _fields(body, _ISO if path.startswith("/v1/Alerts") else _RFC_2822)


def _error(status: int, body: Any) -> Iterator[str]:
    if not isinstance(body, dict):
        yield "Java and Go need an object in every error"
        return
    for name, kind in (("code", int), ("status", int), ("message", str), ("more_info", str)):
        if type(body.get(name)) is not kind:
            yield f"Go decodes {name} of an error as {kind.__name__}, Ruby fetches it"
    if body.get("status") != status:
        yield "the status in the body is another one"
    if {"type", "title", "status", "code"} <= body.keys():
        yield "Python takes this for a problem document and raises another exception"


def _status(method: str, status: int, body: Any) -> Iterator[str]:
    if status not in {"GET": (200,), "POST": (200, 201), "DELETE": (204,)}.get(method, (status,)):
        yield f"no library takes {status} for a success of {method}"
    if status == 204 and body is not None:
        yield "a 204 has no body"
    if status in (200, 201) and not isinstance(body, dict):
        yield "PHP needs a JSON object in every success"


def _list(path: str, body: dict[str, Any]) -> Iterator[str]:
    known = PAGING if "page_size" in body else frozenset({"meta"}) if "meta" in body else None
    if known is None:
        return
    others = body.keys() - known
    if len(others) != 1 or not isinstance(body[min(others)], list):
        yield f"Python and Ruby find the rows as the only other key: {sorted(others)}"
    if sum(isinstance(value, list) for value in body.values()) != 1:
        yield "the CLI needs exactly one array"
    place = body.get("meta", body)
    for name in (META if "meta" in body else PAGING) - place.keys():
        yield f"Java reads {name} of every page"
    if any(type(place.get(name)) is not int for name in ("page", "page_size")):
        yield "Go decodes page and page_size as int"
    for name in place.keys() & {"first_page_url", "next_page_url", "previous_page_url"}:
        if place[name] is not None and not urlsplit(place[name]).netloc:
            yield f"{name} is followed as it is, so it has to be absolute"
    for name in place.keys() & {"first_page_uri", "next_page_uri", "previous_page_uri"}:
        if place[name] is not None and not place[name].startswith(path.partition("?")[0]):
            yield f"{name} is put behind the library's base URL, so it has to be a path"


def _fields(node: Any, dates: str) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _fields(item, dates)
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if value is not None:
            yield from _field(name, value, dates)
        if name not in ("parameters", "subresource_uris"):
            yield from _fields(value, dates)


def _field(name: str, value: Any, dates: str) -> Iterator[str]:
    if name in TEXTS and not isinstance(value, str):
        yield f"Go decodes {name} as a string"
    if _DATE.fullmatch(name):
        try:
            datetime.strptime(value, dates)  # noqa: DTZ007 (only whether it can be read)
        except ValueError:
            yield f"Ruby raises on {name} {value!r}, Java makes null of it"
    if name in URLS and not urlsplit(value).netloc:
        yield f"C# cannot read {name} {value!r} as a URL"
    if name == "price_unit" and value not in CURRENCIES:
        yield f"Java raises on the currency {value!r}"
    if name == "subresource_uris" and not all(isinstance(part, str) for pair in value.items() for part in pair):
        yield "Java and C# read subresource_uris as texts by name"
