"""Names of metrics and log fields, in one place, and the counters behind them.

Metrics are kept in plain numbers on the loop and written in the Prometheus text format when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeVar

# Log fields: `extra=` of a record, columns of the JSON log.
REQUEST_ID: Final = "request_id"
ACCOUNT_SID: Final = "account_sid"
CALL_SID: Final = "call_sid"
MESSAGE_SID: Final = "message_sid"

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Counter:
    """A number that only grows, one per combination of label values."""

    kind: ClassVar[str] = "counter"

    name: str
    help: str
    labels: tuple[str, ...] = ()
    _values: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add(self, *values: str, amount: float = 1) -> None:
        """Grow the number of these label values, given in the order of `labels`."""
        assert len(values) == len(self.labels)
        self._values[values] = self._values.get(values, 0) + amount

    def lines(self) -> Iterable[str]:
        for values, number in sorted(self._values.items()):
            yield f"{self.name}{_braces(zip(self.labels, values, strict=True))} {_number(number)}"


@dataclass(slots=True)
class Gauge:
    """A number that is read when somebody asks."""

    kind: ClassVar[str] = "gauge"

    name: str
    help: str
    read: Callable[[], float]

    def lines(self) -> Iterable[str]:
        yield f"{self.name} {_number(self.read())}"


@dataclass(slots=True)
class Total(Gauge):
    """A number that only grows and is kept elsewhere, read when somebody asks."""

    kind: ClassVar[str] = "counter"


@dataclass(slots=True)
class Histogram:
    """How many observations stayed below each of some bounds; seconds unless the name says otherwise."""

    kind: ClassVar[str] = "histogram"

    name: str
    help: str
    bounds: Sequence[float] = SECONDS
    _counts: list[int] = field(init=False)
    _sum: float = 0.0

    def __post_init__(self) -> None:
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self._sum += value

    def lines(self) -> Iterable[str]:
        total = 0
        for bound, count in zip((*(f"{bound:g}" for bound in self.bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield f'{self.name}_bucket{{le="{bound}"}} {total}'
        yield f"{self.name}_sum {_number(self._sum)}"
        yield f"{self.name}_count {total}"


Metric = Counter | Gauge | Histogram
M = TypeVar("M", Counter, Gauge, Total, Histogram)


class Metrics:
    """All metrics of one server. Whoever counts asks here for its metric once, by name."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def counter(self, name: str, help: str, *labels: str) -> Counter:
        return self._add(Counter(name, help, labels))

    def gauge(self, name: str, help: str, read: Callable[[], float]) -> Gauge:
        return self._add(Gauge(name, help, read))

    def total(self, name: str, help: str, read: Callable[[], float]) -> Total:
        return self._add(Total(name, help, read))

    def histogram(self, name: str, help: str, bounds: Sequence[float] = SECONDS) -> Histogram:
        return self._add(Histogram(name, help, bounds))

    def text(self) -> str:
        """Everything in the Prometheus text format."""
        lines: list[str] = []
        for metric in self._metrics.values():
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}", *metric.lines()]
        return "\n".join(lines) + "\n" if lines else ""

    def _add(self, metric: M) -> M:
        assert metric.name not in self._metrics, f"{metric.name} is counted twice"
        self._metrics[metric.name] = metric
        return metric


def _braces(labels: Iterable[tuple[str, str]]) -> str:
    escaped = ",".join(f'{name}="{_escape(value)}"' for name, value in labels)
    return f"{{{escaped}}}" if escaped else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else repr(number)
