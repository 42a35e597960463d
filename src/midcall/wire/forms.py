"""Request parameters, whatever they came in: a query, a form or a JSON object. Bounded and strict.

All of them end as `Fields`: names with one or more texts, which `wire.parameters` reads into typed forms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec

MAX_FIELDS: Final = 1_000

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
JSON: Final = "application/json"


class Unreadable(ValueError):
    """The bytes are not what they claim to be; the text says why."""


class Fields:
    """What a client sent. Names are case-sensitive; unknown ones are kept and ignored by the readers."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def last(self, name: str) -> str | None:
        """The last value of a parameter that is meant to be sent once; None when it was not sent."""
        values = self._values.get(name)
        return values[-1] if values else None

    def all(self, name: str) -> Sequence[str]:
        return self._values.get(name, ())

    def without(self, names: Iterable[str]) -> Fields:
        """The same fields as if those had not been sent."""
        dropped = frozenset(names)
        fields = Fields()
        fields._values = {name: values for name, values in self._values.items() if name not in dropped}
        return fields

    def pairs(self) -> Iterable[tuple[str, str]]:
        """All of them, names in the order of their first appearance."""
        return ((name, value) for name, values in self._values.items() for value in values)


NO_FIELDS: Final = Fields()


def read_query(text: str) -> Fields:
    """A URL's query, or a form body as text; `+` and `%20` are both a space.

    Raises:
        Unreadable: too many fields, or percent-escapes that are not UTF-8.
    """
    try:
        return Fields(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except UnicodeDecodeError:
        raise Unreadable("parameters must be UTF-8") from None
    except ValueError:
        raise Unreadable(f"more than {MAX_FIELDS} parameters") from None


def read_form(body: bytes) -> Fields:
    """A form body, UTF-8 (other charsets are not read).

    Raises:
        Unreadable: as `read_query`.
    """
    try:
        return read_query(body.decode())
    except UnicodeDecodeError:
        raise Unreadable("parameters must be UTF-8") from None


def read_json(body: bytes) -> Fields:
    """A JSON object with the parameters as keys.

    A string is its text; any other value is its JSON text as it was spelled, so that `Content` may be given
    unquoted; null means not sent.

    Raises:
        Unreadable: not a JSON object, or too many keys.
    """
    try:
        values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        if len(values) > MAX_FIELDS:
            raise Unreadable(f"more than {MAX_FIELDS} parameters")
        return Fields(_texts(values))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Unreadable("the body is not a JSON object") from None


def _texts(values: Mapping[str, msgspec.Raw]) -> Iterable[tuple[str, str]]:
    for name, raw in values.items():
        text = bytes(raw).strip()
        if text.startswith(b'"'):
            yield name, msgspec.json.decode(text, type=str)
        elif text != b"null":
            yield name, text.decode()
