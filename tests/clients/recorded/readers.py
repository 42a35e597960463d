"""How strictly three official libraries read answers, for tests that cannot run them: PHP, Ruby and C#.

Written from what their sources do with a body: each raises here where the library would raise, lose a value, or hand a
string to a program that asked for a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Json = Any

CALL: Mapping[str, str] = {
    **dict.fromkeys(("date_created", "date_updated", "start_time", "end_time"), "date"),
    **dict.fromkeys(
        ("sid", "account_sid", "parent_call_sid", "to", "to_formatted", "from", "from_formatted", "phone_number_sid"),
        "text",
    ),
    **dict.fromkeys(("duration", "price", "price_unit", "direction", "answered_by", "api_version"), "text"),
    **dict.fromkeys(("forwarded_from", "group_sid", "caller_name", "queue_time", "trunk_sid", "uri"), "text"),
    "status": "status",
    "subresource_uris": "map",
}
MESSAGE = {"sid": "text", "account_sid": "text", "call_sid": "text", "date_created": "date"}
SUBSCRIPTION = {**MESSAGE, "uri": "text"}
APPLICATION = {
    **dict.fromkeys(("sid", "account_sid", "friendly_name", "api_version", "uri", "voice_method", "voice_url"), "text"),
    **dict.fromkeys(("date_created", "date_updated"), "date"),
    "voice_caller_id_lookup": "flag",
}
KEY = {"sid": "text", "friendly_name": "text", "secret": "text", "date_created": "date", "date_updated": "date"}

STATUSES = {"queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"}
PAGING = {"end", "first_page_uri", "next_page_uri", "page", "page_size", "previous_page_uri", "start", "uri"}
PAGING |= {"last_page_uri", "total", "num_pages"}
RFC_2822 = "%a, %d %b %Y %H:%M:%S %z"


class Unreadable(AssertionError):
    """The library would have raised, or lost something."""


class Reader:
    """What all three have in common. A value of a kind is read by the method of that name, a null by none."""

    def record(self, text: str, shape: Mapping[str, str]) -> dict[str, Any]:
        """An object of that shape, field by field as the library gives it to its user."""
        return self.fields(parsed(text), shape)

    def fields(self, body: Json, shape: Mapping[str, str]) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise Unreadable(f"not an object: {body!r}")
        missing = shape.keys() - body.keys()
        if missing:
            raise Unreadable(f"without {sorted(missing)}")
        return {
            name: None if body[name] is None else getattr(self, kind)(body[name], name) for name, kind in shape.items()
        }

    def page(self, text: str, key: str, shape: Mapping[str, str]) -> tuple[list[dict[str, Any]], str | None]:
        """The rows of a page and where the next one is. PHP and Ruby find the rows as the only key left."""
        body = parsed(text)
        rest = body.keys() - PAGING
        if rest != {key}:
            raise Unreadable(f"records cannot be found among {sorted(rest)}")
        return [self.fields(row, shape) for row in body[key]], body["next_page_uri"]

    def error(self, text: str, status: int) -> tuple[int, str]:
        """Code and message of a refusal."""
        body = parsed(text)
        if not isinstance(body, dict) or not isinstance(body.get("code"), int):
            raise Unreadable(f"no error of {status}: {text}")
        return body["code"], self.text(body.get("message"), "message")

    def text(self, value: Json, name: str) -> str:
        return str(_instance(value, name, str))

    def flag(self, value: Json, name: str) -> bool:
        return bool(_instance(value, name, bool))

    def map(self, value: Json, name: str) -> dict[str, str]:
        return dict(_instance(value, name, dict))

    def status(self, value: Json, name: str) -> str:
        if value not in STATUSES:
            raise Unreadable(f"{name} is {value!r}")
        return str(value)

    def date(self, value: Json, name: str) -> datetime:
        raise NotImplementedError


class Php(Reader):
    """`Deserialize::dateTime` keeps a string that PHP cannot read as a date, and says nothing."""

    def date(self, value: Json, name: str) -> datetime:
        for pattern in (RFC_2822, "%Y-%m-%dT%H:%M:%S%z"):
            try:
                return datetime.strptime(self.text(value, name), pattern).astimezone(UTC)
            except ValueError:
                continue
        raise Unreadable(f"{name} stays the string {value!r}")


class Ruby(Reader):
    """`Time.rfc2822` raises for everything else."""

    _TIME = re.compile(
        r"\s*((Mon|Tue|Wed|Thu|Fri|Sat|Sun)\s*,\s*)?\d{1,2}\s+"
        r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+\d{2,}\s+\d{2}:\d{2}(:\d{2})?\s*([+-]\d{4}|UT|GMT)"
    )

    def date(self, value: Json, name: str) -> datetime:
        if not self._TIME.fullmatch(self.text(value, name)):
            raise Unreadable(f"not RFC 2822: {name} is {value!r}")
        return datetime.strptime(value, RFC_2822).astimezone(UTC)

    def error(self, text: str, status: int) -> tuple[int, str]:
        if status >= 500:
            raise Unreadable("the body of a 5xx is replaced by a generic text")
        return super().error(text, status)


class CSharp(Reader):
    """Newtonsoft with typed properties: a weekday that does not fit its date is refused, and maps are flat."""

    def date(self, value: Json, name: str) -> datetime:
        try:
            at = datetime.strptime(self.text(value, name), RFC_2822).astimezone(UTC)
        except ValueError as error:
            raise Unreadable(f"{name}: {error}") from None
        if not str(value).startswith(f"{at:%a}, "):
            raise Unreadable(f"the day of the week is wrong: {name} is {value!r}")
        return at

    def map(self, value: Json, name: str) -> dict[str, str]:
        return {key: self.text(each, f"{name}.{key}") for key, each in super().map(value, name).items()}

    def page(self, text: str, key: str, shape: Mapping[str, str]) -> tuple[list[dict[str, Any]], str | None]:
        """By name; `uri` tells a page of this version from newer ones, and the size is a number."""
        body = parsed(text)
        self.text(body.get("uri"), "uri")
        _instance(body.get("page_size"), "page_size", int)
        return [self.fields(row, shape) for row in body[key]], body["next_page_uri"]

    def error(self, text: str, status: int) -> tuple[int, str]:
        _instance(parsed(text).get("status"), "status", int)
        return super().error(text, status)


def _instance(value: Json, name: str, kind: type) -> Json:
    if not isinstance(value, kind):
        raise Unreadable(f"{name} is {value!r}, which is no {kind.__name__}")
    return value


def parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        raise Unreadable(f"not JSON: {text[:200]!r}") from None


READERS: Mapping[str, Reader] = {"twilio-php": Php(), "twilio-ruby": Ruby(), "twilio-csharp": CSharp()}
