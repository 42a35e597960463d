"""What a soak measures, and what counts as growth. The judging is pure."""

from __future__ import annotations

import csv
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

MB: Final = 1024 * 1024
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A moment of a server and its media workers. Lag in milliseconds, memory in MB."""

    at_s: float
    server_mb: float
    media_mb: float
    files: int
    threads: int
    loop_lag_ms: float
    lanes_waiting: int
    oldest_undelivered_s: float
    calls: int
    messages: int
    database_mb: float


@dataclass(frozen=True, slots=True)
class Bound:
    """How much a series may grow from the end of its warm-up to the end of the soak, by its regression line.

    Attributes:
        flat: growth that is noise in a soak of any length.
        per_hour: growth that is allowed on top, for each hour.
    """

    series: str
    unit: str
    flat: float
    per_hour: float = 0.0


BOUNDS: Final = (
    Bound("server_mb", "MB", flat=6.0, per_hour=4.0),
    Bound("media_mb", "MB", flat=6.0, per_hour=4.0),
    Bound("files", "open files", flat=8.0),
    Bound("threads", "threads", flat=2.0),
    Bound("loop_lag_ms", "ms of loop lag", flat=200.0),
    Bound("lanes_waiting", "lanes with work", flat=10.0),
    Bound("oldest_undelivered_s", "s of delivery lag", flat=2.0),
)
PAGE_CACHES_MB: Final = 32.0
"""The writer and the reader of the database keep up to 16 MB of its pages each; until then memory follows the file."""

WARM_UP: Final = 1 / 3
"""Share of a soak in which caches fill and the allocator finds its level."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What one series did after its warm-up: the ends of the regression line through it.

    Attributes:
        cached: MB of the database that page caches may have taken up meanwhile.
    """

    bound: Bound
    start: float
    end: float
    hours: float
    cached: float = 0.0

    @property
    def allowed(self) -> float:
        return self.bound.flat + self.bound.per_hour * self.hours + self.cached

    @property
    def holds(self) -> bool:
        return self.end - self.start <= self.allowed

    def __str__(self) -> str:
        words = f"{self.bound.series}: {self.start:.1f} to {self.end:.1f} {self.bound.unit}"
        return f"{words}, {self.end - self.start:+.1f} of at most {self.allowed:+.1f}"


def judge(samples: Sequence[Sample]) -> list[Growth]:
    """How each bounded series grew after the warm-up."""
    warm = samples[int(len(samples) * WARM_UP) :]
    times = [sample.at_s for sample in warm]
    hours = (times[-1] - times[0]) / 3600
    filled = [min(sample.database_mb, PAGE_CACHES_MB) for sample in warm]
    growths = []
    for bound in BOUNDS:
        line = statistics.linear_regression(times, [float(getattr(sample, bound.series)) for sample in warm])
        ends = (line.intercept + line.slope * at for at in (times[0], times[-1]))
        cached = filled[-1] - filled[0] if bound.series == "server_mb" else 0.0
        growths.append(Growth(bound, *ends, hours, cached))
    return growths


def keep(samples: Sequence[Sample], path: Path) -> None:
    """Write them as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
        writer.writeheader()
        writer.writerows(asdict(sample) for sample in samples)


# ------------------------------------------------------------------------------------------------------ what /proc says


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / MB


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    found: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):
        found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found
