"""What was seen outside the server in one run: the only thing, beside the final store, that the checker looks at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Said:
    """A message that a client sent.

    Attributes:
        order: its place among all messages of its leg, as the client first sent them.
        refused: an error named it at least once.
    """

    sid: str
    leg: str
    content: str
    order: int
    sent_at: float
    acked_at: float | None = None
    refused: bool = False
    open: bool = True


@dataclass(slots=True)
class Posted:
    """A message that a customer sent by REST; `sid` of the 201, once one came."""

    leg: str
    content: str
    key: str | None
    began_at: float
    created_at: float | None = None
    sids: list[str] = field(default_factory=list)
    refused: str | None = None


@dataclass(slots=True)
class Subscribed:
    """A subscription that a customer asked for, or (without sids) an application's message callback on one leg.

    Attributes:
        created_at: when the 201 came.
        ends_at: when a DELETE was sent.
        from_start: it hears also what was said before it.
    """

    leg: str
    url: str
    key: str | None
    began_at: float
    created_at: float | None = None
    ends_at: float | None = None
    from_start: bool = False
    sids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reached:
    """A request that reached a customer's server.

    Attributes:
        took: the server worked on it, whatever it answered (or nobody heard).
        status: what it answered.
    """

    at: float
    sid: str
    leg: str
    seq: int
    content: str
    timestamp: str
    account: str
    token: str
    took: bool
    status: int | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that reached a client."""

    at: float
    sid: str
    content: str


class History:
    """Everything that was seen, and (on demand) told line by line.

    Attributes:
        turned_away: legs whose resume was refused, and when (epoch seconds) their clients learnt it.
    """

    def __init__(self, *, tell: bool = False) -> None:
        self.said: dict[str, Said] = {}
        self.posted: list[Posted] = []
        self.subscribed: list[Subscribed] = []
        self.reached: dict[str, list[Reached]] = defaultdict(list)
        self.replayed: dict[str, list[Reached]] = defaultdict(list)
        self.reported: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self.arrived: dict[str, list[Arrived]] = defaultdict(list)
        self.turned_away: list[tuple[str, float]] = []
        self.wrong: list[str] = []
        self.crashes = 0
        self.events = 0
        self.lines: list[str] | None = [] if tell else None

    def tell(self, at: float, who: str, what: str, *details: object) -> None:
        self.events += 1
        if self.lines is not None:
            self.lines.append(f"{at:10.4f}  {who:<10} {what:<12} {' '.join(map(str, details))}")
