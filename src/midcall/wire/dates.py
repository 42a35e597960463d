"""Dates as REST spells them: RFC 2822 out, days and instants of list filters in. Always UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_S: Final = 86_400.0

# The offset's plus arrives as a space when somebody typed it into a URL.
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+ -]\d\d:?\d\d)?)?", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Instant:
    """A point of a list filter in epoch seconds, and the UTC day around it. `is_day`: no time of day was given."""

    at: float
    is_day: bool = False

    @property
    def day(self) -> float:
        return self.at - self.at % _DAY_S

    @property
    def next_day(self) -> float:
        return self.day + _DAY_S


def rfc2822(at: float) -> str:
    """Epoch seconds as `Wed, 02 Dec 2020 20:02:01 +0000`: English in every locale, two-digit day, never `GMT`."""
    return _rfc2822(int(at))


@lru_cache(maxsize=256)  # many messages share their second
def _rfc2822(second: int) -> str:
    when = datetime.fromtimestamp(second, UTC)
    return f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} {when:%H:%M:%S} +0000"


def iso8601(at: float) -> str:
    """Epoch seconds with milliseconds, as timelines show them."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso8601_seconds(at: float) -> str:
    """Epoch seconds as `2020-12-02T20:02:01Z`, as the vendor's newer products write dates."""
    return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%S}Z"


def parse_instant(text: str) -> Instant | None:
    """`YYYY-MM-DD`, with a time, with or without `Z` or an offset; None when it is no date.

    Without a zone it is UTC: Java's range helpers leave the `Z` out.
    """
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        return None
    day, time, zone = found.groups()
    try:
        when = datetime.fromisoformat(f"{day}T{time or '00:00:00'}").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Instant(when.timestamp() - _offset_s(zone), is_day=time is None)


def time_range(day: Instant | None, since: Instant | None, before: Instant | None) -> tuple[float | None, float | None]:
    """A filter's three parameters as one half-open range: the bare name is that day, `>` is on or after, `<` before."""
    starts = [] if since is None else [since.at]
    ends = [] if before is None else [before.at]
    if day is not None:
        starts.append(day.day)
        ends.append(day.next_day)
    return max(starts, default=None), min(ends, default=None)


def _offset_s(zone: str | None) -> float:
    if zone is None or zone in "Zz":
        return 0.0
    sign = -1 if zone[0] == "-" else 1
    digits = zone[1:].replace(":", "")
    return sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])).total_seconds()
