"""What fits an expectation, and how long something lasts. Pure."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", re.ASCII)


def seconds(value: float | str) -> float:
    """A duration in seconds: a number of them, or a text such as `300ms`, `5s`, `2m`, `1h`, `7d`.

    Raises:
        ValueError: it is neither, or negative.
    """
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if found is None:
            raise ValueError(f"{value[:40]!r} is no duration: write seconds, or a text like 300ms, 5s, 2m, 1h")
        return float(found[1]) * _UNITS[found[2]]
    if not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is no duration: it is not negative, and ends")
    return float(value)


def spoken(duration_s: float) -> str:
    """A duration for people: `10 s`, `1.5 s`."""
    return f"{duration_s:g} s"


def fits(wanted: Any, value: Any) -> bool:
    """Whether a JSON value is what was wanted.

    An object fits when each wanted key is there with a value that fits; lists have to be as long and fit one by one;
    everything else has to be equal, where true is not 1.
    """
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and fits(part, value[name]) for name, part in wanted.items()
        )
    if isinstance(wanted, list):
        same_length = isinstance(value, list) and len(wanted) == len(value)
        return same_length and all(fits(part, each) for part, each in zip(wanted, value, strict=True))
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    return bool(wanted == value)
