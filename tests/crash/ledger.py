"""What the world outside the server saw: what it acknowledged, what arrived, what it lists as undelivered.

Records are plain and frozen, so that the checker is a pure function of them and a whole run can be kept as JSON lines.
"Run" is the number of the server process that was up; it grows with every restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

Content = str
"""Every message of a campaign has content that no other has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A client called `send_message`.

    Attributes:
        order, judged: positions of the sending and of the verdict in the order of everything that was noted.
        verdict: `ack`, `error <code>`, or None when the server died first.
    """

    leg: str
    sid: str
    content: Content
    run: int
    order: int
    judged: int | None = None
    verdict: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One REST request for a message to a client.

    Attributes:
        began, ended: positions in the order of everything that the campaign noted.
        status: of the answer; None when the server died first.
    """

    leg: str
    content: Content
    key: str | None
    run: int
    began: int
    ended: int
    status: int | None = None
    sid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """One REST request for a subscription. `path` belongs to it alone (a repeat of the request has the same)."""

    leg: str
    path: str
    key: str | None
    run: int
    began: int
    ended: int
    status: int | None = None
    sid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A message callback at an endpoint; `answer` is its status, 0 for a connection that was closed instead."""

    path: str
    leg: str
    sid: str
    seq: int
    token: str
    stamp: str
    content: Content
    run: int
    order: int
    answer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message at a client."""

    leg: str
    sid: str
    content: Content
    run: int
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A status callback of a leg."""

    leg: str
    status: str
    seq: int
    run: int
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A message as the server tells it when everything is over. `log`: from_client or to_client."""

    leg: str
    log: str
    seq: int
    sid: str
    content: Content
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A message that the server lists as undelivered. `reader`: the subscription's sid, empty for the client."""

    leg: str
    log: str
    seq: int
    reader: str
    reason: str


@dataclass(slots=True)
class Ledger:
    """All records of a campaign, each list in the order in which things were noted."""

    sent: list[Sent] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    subscribed: list[Subscribed] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    reported: list[Reported] = field(default_factory=list)
    logged: list[Logged] = field(default_factory=list)
    listed: list[Listed] = field(default_factory=list)
    order: int = 0

    def tick(self) -> int:
        """The next position in the order of everything."""
        self.order += 1
        return self.order

    def legs(self) -> set[str]:
        """Every leg that anything was noted about."""
        return {note.leg for note in (*self.sent, *self.posted, *self.subscribed, *self.reported)}

    def keep(self, path: Path) -> None:
        """Write everything as JSON lines: the evidence of a report."""
        with path.open("wb") as file:
            for kind in ("sent", "posted", "subscribed", "arrived", "received", "reported", "logged", "listed"):
                for record in _lines(kind, getattr(self, kind)):
                    file.write(record + b"\n")


def _lines(kind: str, records: Iterable[Any]) -> Iterable[bytes]:
    return (msgspec.json.encode({"kind": kind, **msgspec.to_builtins(record)}) for record in records)
