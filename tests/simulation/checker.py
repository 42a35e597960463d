"""What must be true of every run, whatever happened: told from what was seen outside, and what the store shows now.

Independent of the server on purpose, and as simple as it can be.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from midcall.core.messages import Log
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import Store
from simulation.history import Arrived, History, Reached, Subscribed

ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of a log."""

    seq: int
    sid: str
    content: str


@dataclass(frozen=True, slots=True)
class End:
    """What the store shows when all is over.

    Attributes:
        logs: the messages of a leg's log, in order.
        undelivered: (reader, sid) of what is listed.
        ended_at: when a leg that is stored ended; infinity while it is up.
    """

    from_client: dict[str, list[Row]]
    to_client: dict[str, list[Row]]
    undelivered: set[tuple[str, str]]
    given_up: set[str]
    ended_at: dict[str, float]

    @classmethod
    async def read(cls, store: Store, account: AccountSid, legs: Sequence[str]) -> End:
        async def log_of(leg: str, log: Log) -> list[Row]:
            entries = await store.entries_after(CallSid(leg), log, -1, ALL)
            return [Row(entry.seq, entry.sid, entry.content.decode()) for entry in entries]

        listed = await store.undelivered(account, None, ALL)
        calls = [await store.call(account, CallSid(leg)) for leg in legs]
        return cls(
            from_client={leg: await log_of(leg, Log.FROM_CLIENT) for leg in legs},
            to_client={leg: await log_of(leg, Log.TO_CLIENT) for leg in legs},
            undelivered={(one.reader, one.entry.sid) for one in listed},
            given_up={one.entry.sid for one in listed},
            ended_at={call.sid: call.ended_at or math.inf for call in calls if call is not None},
        )


def check(history: History, end: End) -> list[str]:
    """Every rule that was broken, in words."""
    return [
        *_stored(history, end),
        *_numbered(end),
        *_appended_once(history, end),
        *_sent_in_order(history, end),
        *_callbacks(history, end),
        *_delivered_to_servers(history, end),
        *_replayed(history, end),
        *_delivered_to_clients(history, end),
        *_one_effect(history, end),
        *_reports(history),
        *_resumes(history, end),
    ]


def _stored(history: History, end: End) -> Iterator[str]:
    """What was acknowledged is there, as it was sent."""
    for said in history.said.values():
        if said.acked_at is not None and not any(
            row.sid == said.sid and row.content == said.content for row in end.from_client.get(said.leg, ())
        ):
            yield f"{said.sid} was acknowledged and is not stored"
    for posted in history.posted:
        for sid in posted.sids:
            if not any(row.sid == sid and row.content == posted.content for row in end.to_client.get(posted.leg, ())):
                yield f"{sid} got 201 and is not stored"


def _numbered(end: End) -> Iterator[str]:
    """Logs have no gaps, and begin at 1."""
    for logs in (end.from_client, end.to_client):
        for leg, rows in logs.items():
            if [row.seq for row in rows] != list(range(1, len(rows) + 1)):
                yield f"a log of {leg} is numbered {[row.seq for row in rows]}"


def _appended_once(history: History, end: End) -> Iterator[str]:
    """A message that a client sent again is one message."""
    for leg, rows in end.from_client.items():
        for attribute in ("sid", "content"):
            values = [getattr(row, attribute) for row in rows]
            if len(values) != len(set(values)):
                yield f"the log of {leg} has a message twice (same {attribute})"


def _sent_in_order(history: History, end: End) -> Iterator[str]:
    """A client's messages keep its order; one that was refused may come later than it was sent first."""
    for leg, rows in end.from_client.items():
        orders = [said.order for row in rows if (said := history.said.get(row.sid)) is not None and not said.refused]
        if orders != sorted(orders):
            yield f"the messages of {leg} are stored in another order than they were sent in: {orders}"


def _callbacks(history: History, end: End) -> Iterator[str]:
    """First arrivals are in order without gaps, and a repeat is the same in everything."""
    numbers: dict[tuple[str, int], str] = {}
    tokens: dict[str, tuple[str, str]] = {}
    for url, requests in history.reached.items():
        first: dict[str, Reached] = {}
        for request in requests:
            known = first.get(request.sid)
            if known is not None:
                for name in ("leg", "seq", "content", "timestamp", "account", "token"):
                    if getattr(known, name) != getattr(request, name):
                        yield f"a repeat of {request.sid} at {url} has another {name}"
                continue
            first[request.sid] = request
            said = history.said.get(request.sid)
            if said is None or said.leg != request.leg or _text(said.content) != request.content:
                yield f"{url} got {request.sid}, which no client sent like that"
            if numbers.setdefault((request.leg, request.seq), request.sid) != request.sid:
                yield f"two messages of {request.leg} have the number {request.seq}"
            if tokens.setdefault(request.token, (url, request.sid)) != (url, request.sid):
                yield f"two deliveries have the token {request.token}"
        yield from _in_order(url, list(first.values()), end)


def _in_order(url: str, first: Sequence[Reached], end: End) -> Iterator[str]:
    for before, after in itertools.pairwise(first):
        if after.seq <= before.seq:
            yield f"at {url}, {after.sid} (number {after.seq}) came for the first time after number {before.seq}"
        skipped = range(before.seq + 1, after.seq)
        if not skipped:
            continue
        for row in end.from_client.get(after.leg, ()):
            if row.seq in skipped and row.sid not in end.given_up:
                yield f"at {url}, number {row.seq} was skipped and is not listed as undelivered"


def _delivered_to_servers(history: History, end: End) -> Iterator[str]:
    """Every acknowledged message was taken by every subscription that stood before it was sent, or is listed."""
    for subscribed in history.subscribed:
        if subscribed.created_at is None:
            continue
        taken = {request.sid for request in history.reached[subscribed.url] if request.took}
        until = _ended_at(history, subscribed)
        for said in history.said.values():
            owed = (
                said.leg == subscribed.leg
                and said.acked_at is not None
                and (said.sent_at > subscribed.created_at or subscribed.from_start)
                and said.acked_at < until
            )
            listed = any((reader, said.sid) in end.undelivered for reader in subscribed.sids)
            if not subscribed.sids:  # a message callback: nobody outside knows its lane
                listed = said.sid in end.given_up
            if owed and said.sid not in taken and not listed:
                yield f"{said.sid} was acknowledged, and {subscribed.url} neither took it nor is it listed"


def _replayed(history: History, end: End) -> Iterator[str]:
    """A replay brings messages as they are stored, and those for the first time in order."""
    for replay, requests in history.replayed.items():
        rows = {row.sid: row for row in end.from_client.get(requests[0].leg, ())}
        for request in requests:
            row = rows.get(request.sid)
            if row is None or (row.seq, _text(row.content)) != (request.seq, request.content):
                yield f"{replay} brought {request.sid}, which is not stored like that"
        numbers = list(dict.fromkeys(request.seq for request in requests))
        if numbers != sorted(numbers):
            yield f"{replay} brought its messages as {numbers}"
    for subscribed in history.subscribed:
        requests = history.reached[subscribed.url]
        if subscribed.from_start and requests and requests[0].seq != 1:
            yield f"{subscribed.url} was to hear everything, and heard number {requests[0].seq} first"


def _ended_at(history: History, subscribed: Subscribed) -> float:
    """When a subscription may have been over."""
    gone = [request.at for request in history.reached[subscribed.url] if request.status == 410]
    deleted = [subscribed.ends_at] if subscribed.ends_at is not None else []
    return min([*gone, *deleted], default=float("inf"))


def _delivered_to_clients(history: History, end: End) -> Iterator[str]:
    """What got 201 reached the client, in order and without gaps, or is listed; repeats are the same message."""
    for leg, arrivals in history.arrived.items():
        rows = end.to_client.get(leg, [])
        content = {row.sid: row.content for row in rows}
        first = list(dict.fromkeys(arrived.sid for arrived in arrivals))
        for arrived in arrivals:
            if content.get(arrived.sid) != arrived.content:
                yield f"a client got {arrived.sid}, which nobody sent to {leg} like that"
        if first != [row.sid for row in rows[: len(first)]]:
            yield f"the client of {leg} got its messages out of order, or not all of them"
    by_leg: dict[str, dict[str, Arrived]] = defaultdict(dict)
    for leg, arrivals in history.arrived.items():
        for arrived in arrivals:
            by_leg[leg].setdefault(arrived.sid, arrived)
    for posted in history.posted:
        for sid in posted.sids:
            if sid not in by_leg[posted.leg] and sid not in end.given_up:
                yield f"{sid} got 201, and neither reached its client nor is it listed"
    for earlier in history.posted:
        for later in history.posted:
            if (
                earlier.leg == later.leg
                and earlier.created_at is not None
                and earlier.created_at < later.began_at
                and earlier.sids[0] in by_leg[earlier.leg]
                and any(sid in by_leg[later.leg] for sid in later.sids)
                and by_leg[earlier.leg][earlier.sids[0]].at
                > min(by_leg[later.leg][sid].at for sid in later.sids if sid in by_leg[later.leg])
            ):
                yield f"{later.sids} overtook {earlier.sids[0]} on the way to its client"


def _one_effect(history: History, end: End) -> Iterator[str]:
    """A request with an idempotency key had one effect, and every answer to it names that."""
    for posted in history.posted:
        stored = [row.sid for row in end.to_client.get(posted.leg, ()) if row.content == posted.content]
        if len(stored) > (1 if posted.key else len(posted.sids) + 1):
            yield f"{posted.content} was sent once and is stored {len(stored)} times"
        if posted.key and len(set(posted.sids)) > 1:
            yield f"the key {posted.key} stood for {sorted(set(posted.sids))}"
        if posted.key and posted.refused and stored:
            yield f"{posted.key} was refused ({posted.refused}) though it had had its effect"
    for subscribed in history.subscribed:
        if subscribed.key and len(set(subscribed.sids)) > 1:
            yield f"the key {subscribed.key} stood for {sorted(set(subscribed.sids))}"


def _reports(history: History) -> Iterator[str]:
    """Status callbacks of a leg come in order, and a call ends once."""
    for leg, reports in history.reported.items():
        first = list(dict.fromkeys(reports))
        numbers = [number for number, _ in first]
        if numbers != sorted(set(numbers)):
            yield f"status callbacks of {leg} came as {first}"


def _resumes(history: History, end: End) -> Iterator[str]:
    """A client that comes back in time gets its leg: only one that is over is refused."""
    for leg, at in history.turned_away:
        if end.ended_at.get(leg, 0.0) > at:
            yield f"{leg} was refused to its client and went on"


def _text(content: str) -> str:
    """A JSON string passes as its text, everything else as it was spelled."""
    value = json.loads(content)
    return value if isinstance(value, str) else content
