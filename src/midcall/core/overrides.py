"""Connection overrides: the `#key=value&…` behind a webhook's URL, which is neither sent nor signed.

Whoever fetches anything for a customer reads its timeouts and immediate retries from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BAD_RETRY_POLICY: Final = 11243
"""Code of the alert for an `rp` that names something else."""

MAX_FRAGMENT_CHARS: Final = 512


class RetryOn(StrEnum):
    """The words of `rp`: which failures are tried again at once."""

    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    CONNECT = "ct"
    READ = "rt"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a URL's fragment asks for, clamped to what is allowed.

    Attributes:
        connect_s, read_s: limits for connecting and for each wait for bytes.
        total_s: limit for everything, retries included.
        retries: how many, at once.
        retry_on: which failures are worth one.
        bad_policy: `rp` could not be read; the default is in force.
        clamped: keys whose numbers were out of range or no numbers.
    """

    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0
    retries: int = 1
    retry_on: frozenset[RetryOn] = frozenset({RetryOn.CONNECT})
    bad_policy: bool = False
    clamped: tuple[str, ...] = ()


DEFAULTS: Final = Overrides()

_RANGES: Final[Mapping[str, tuple[int, int, int]]] = {  # key: least, most, default
    "ct": (100, 10_000, 5_000),
    "rt": (100, 15_000, 15_000),
    "tt": (100, 15_000, 15_000),
    "rc": (0, 5, 1),
}


def parse(url: str) -> Overrides | None:
    """Read a URL's overrides; None when its fragment sets none of `ct`, `rt`, `tt`, `rc`, `rp` (a plain fragment).

    `e` (egress edge) and `sni` are known elsewhere and mean nothing here. Of a repeated key the last one counts.
    """
    _, _, fragment = url.partition("#")
    if not fragment or len(fragment) > MAX_FRAGMENT_CHARS:
        return None
    values = dict(part.split("=", 1) for part in fragment.split("&") if "=" in part)
    if values.keys().isdisjoint((*_RANGES, "rp")):
        return None
    numbers, clamped = _numbers(values)
    policy = _policy(values.get("rp"))
    return Overrides(
        connect_s=numbers["ct"] / 1000,
        read_s=numbers["rt"] / 1000,
        total_s=numbers["tt"] / 1000,
        retries=numbers["rc"],
        retry_on=DEFAULTS.retry_on if policy is None else policy,
        bad_policy=policy is None,
        clamped=clamped,
    )


def _numbers(values: Mapping[str, str]) -> tuple[Mapping[str, int], tuple[str, ...]]:
    numbers: dict[str, int] = {}
    clamped: list[str] = []
    for key, (least, most, default) in _RANGES.items():
        number = _number(values.get(key, str(default)))
        numbers[key] = default if number is None else min(max(number, least), most)
        if number != numbers[key]:
            clamped.append(key)
    return numbers, tuple(clamped)


def _number(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None


def _policy(text: str | None) -> frozenset[RetryOn] | None:
    """The failures that `rp` lists, the default when it was not given, None when a word is unknown."""
    if text is None:
        return DEFAULTS.retry_on
    try:
        return frozenset(RetryOn(word.strip()) for word in text.lower().replace("%2c", ",").split(","))
    except ValueError:
        return None
