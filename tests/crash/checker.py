"""The verdict on a ledger: what was acknowledged must be delivered or listed, in order, once in effect.

Pure. Each rule is a small function that names what it found; `test_checker.py` breaks a ledger for each of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from crash.ledger import Arrived, Ledger, Logged, Posted

T = TypeVar("T")

FROM_CLIENT = "from_client"
TO_CLIENT = "to_client"
GONE = 410
RECEIPT_UNKNOWN = "receipt unknown"
FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: which one, and the case."""

    rule: str
    case: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.case}"


@dataclass(slots=True)
class Verdict:
    """What the checker found.

    Attributes:
        listed: messages that are visibly undelivered, by direction.
        retries: arrivals of a message on a lane whose endpoint had not taken it yet.
        repeats: arrivals of a message on a lane, or at a client, that had it already.
        unknown: requests and messages that the server died on before it judged them.
    """

    violations: list[Violation] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)
    retries: int = 0
    repeats: dict[str, int] = field(default_factory=dict)
    listed: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return not self.violations


@dataclass(slots=True)
class Books:
    """A ledger sorted by what the rules ask for."""

    ledger: Ledger
    by_sid: dict[tuple[str, str, str], Logged] = field(default_factory=dict)
    by_seq: dict[tuple[str, str, int], Logged] = field(default_factory=dict)
    by_content: dict[tuple[str, str], list[Logged]] = field(default_factory=lambda: defaultdict(list))
    logs: dict[tuple[str, str], list[Logged]] = field(default_factory=lambda: defaultdict(list))
    lanes: dict[str, list[Arrived]] = field(default_factory=lambda: defaultdict(list))
    listed: dict[tuple[str, str, int], set[str]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(cls, ledger: Ledger) -> Books:
        books = cls(ledger)
        for row in ledger.logged:
            books.by_sid[row.leg, row.log, row.sid] = row
            books.by_seq[row.leg, row.log, row.seq] = row
            books.by_content[row.log, row.content].append(row)
            books.logs[row.leg, row.log].append(row)
        for arrival in ledger.arrived:
            books.lanes[arrival.path].append(arrival)
        for row in ledger.listed:
            books.listed[row.leg, row.log, row.seq].add(row.reader)
        return books


Rule = Callable[[Books], Iterator[str]]


def check(ledger: Ledger) -> Verdict:
    """Judge a campaign whose lanes have drained."""
    books = Books.of(ledger)
    verdict = Verdict([Violation(name, case) for name, rule in RULES.items() for case in rule(books)])
    _count(books, verdict)
    return verdict


# ------------------------------------------------------------------------------------------------------------- rules


def acknowledged_is_durable(books: Books) -> Iterator[str]:
    """An ack or a 201 was read: the message is in its log."""
    for sent in books.ledger.sent:
        if sent.verdict == "ack" and not _in_log(books, sent.leg, FROM_CLIENT, sent.sid, sent.content):
            yield f"{sent.sid} of {sent.leg} was acknowledged and is not in the log"
    for posted in books.ledger.posted:
        if posted.status == 201 and not _in_log(books, posted.leg, TO_CLIENT, posted.sid or "", posted.content):
            yield f"{posted.sid} of {posted.leg} was answered 201 and is not in the log"


def visible_is_durable(books: Books) -> Iterator[str]:
    """What endpoints and clients have seen is in the log, with the same number and content."""
    for arrival in books.ledger.arrived:
        row = books.by_sid.get((arrival.leg, FROM_CLIENT, arrival.sid))
        if row is None or (row.seq, row.content) != (arrival.seq, arrival.content):
            yield f"{arrival.sid} came to {arrival.path} as {arrival.seq} and the log has {row}"
    for received in books.ledger.received:
        if not _in_log(books, received.leg, TO_CLIENT, received.sid, received.content):
            yield f"{received.sid} came to the client of {received.leg} and is not in the log"


def stored_was_sent(books: Books) -> Iterator[str]:
    """The logs hold nothing that nobody sent."""
    sent = {(record.leg, record.sid, record.content) for record in books.ledger.sent}
    posted = {(record.leg, record.content) for record in books.ledger.posted}
    for row in books.ledger.logged:
        if row.log == FROM_CLIENT and (row.leg, row.sid, row.content) not in sent:
            yield f"{row} was never sent like that"
        if row.log == TO_CLIENT and (row.leg, row.content) not in posted:
            yield f"{row} was never asked for"


def refused_did_nothing(books: Books) -> Iterator[str]:
    """What was answered with an error left nothing behind."""
    for sent in books.ledger.sent:
        if (sent.verdict or "").startswith("error") and (sent.leg, FROM_CLIENT, sent.sid) in books.by_sid:
            yield f"{sent.sid} of {sent.leg} was refused ({sent.verdict}) and is in the log"
    for posted in books.ledger.posted:
        if (posted.status or 0) < 400 or (TO_CLIENT, posted.content) not in books.by_content:
            continue
        if not any(_may_have_made_it(other, posted) for other in books.ledger.posted):
            yield f"{posted.content} to {posted.leg} was answered {posted.status} and is in the log"


def _may_have_made_it(other: Posted, refused: Posted) -> bool:
    """A request with the same key, that was taken or that nobody saw the answer of, is the reason for the row."""
    same = refused.key is not None and (other.key, other.content) == (refused.key, refused.content)
    return same and other.status in (None, 201)


def nothing_is_doubled(books: Books) -> Iterator[str]:
    """One wish, one row, one number, one effect."""
    for (log, content), rows in books.by_content.items():
        if len(rows) > 1:
            yield f"{content} is {len(rows)} times in {log} logs: {[row.sid for row in rows]}"
    for (leg, log), rows in books.logs.items():
        numbers = sorted(row.seq for row in rows)
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"the {log} log of {leg} is not numbered without gaps and repeats"
    yield from _keys_that_made_more_than_one(books)


def _keys_that_made_more_than_one(books: Books) -> Iterator[str]:
    made: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for request in (*books.ledger.posted, *books.ledger.subscribed):
        if request.key is not None and request.status == 201:
            made[request.leg, request.key].add(request.sid)
    for (leg, key), sids in made.items():
        if len(sids) > 1:
            yield f"the key {key} made {sorted(map(str, sids))} on {leg}"


def repeats_are_the_same(books: Books) -> Iterator[str]:
    """Every arrival of one message on one lane shows the same ids, number, time and content."""
    for path, arrivals in books.lanes.items():
        first: dict[str, Arrived] = {}
        tokens: dict[str, str] = {}
        for arrival in arrivals:
            known = first.setdefault(arrival.sid, arrival)
            if _shown(known) != _shown(arrival):
                yield f"{arrival.sid} came to {path} as {_shown(known)} and as {_shown(arrival)}"
            if tokens.setdefault(arrival.token, arrival.sid) != arrival.sid:
                yield f"{path} saw the token {arrival.token} with two messages"


def _shown(arrival: Arrived) -> tuple[object, ...]:
    return arrival.seq, arrival.token, arrival.stamp, arrival.content


def lanes_are_in_order(books: Books) -> Iterator[str]:
    """First arrivals are consecutive, and within one run of the server nothing goes back."""
    for path, arrivals in books.lanes.items():
        expected = arrivals[0].seq
        before = arrivals[0]
        for arrival in arrivals:
            if arrival.seq > expected:
                yield f"{path} got {arrival.seq} first when {expected} was next"
                expected = arrival.seq
            if arrival.seq == expected:
                expected += 1
            if arrival.seq < before.seq and arrival.run == before.run:
                yield f"{path} got {arrival.seq} after {before.seq} in run {arrival.run}: a repeat overtook"
            before = arrival


def lanes_lose_nothing(books: Books) -> Iterator[str]:
    """What a lane owes its endpoint came there, or is listed for that lane."""
    sent = {(record.leg, record.sid): record for record in books.ledger.sent}
    for path, lane in _lanes_by_path(books).items():
        arrivals = books.lanes.get(path, ())
        came = {arrival.sid for arrival in arrivals}
        start = min((arrival.seq for arrival in arrivals), default=None)
        gone = min((arrival.order for arrival in arrivals if arrival.answer == GONE), default=None)
        for row in books.logs.get((lane.leg, FROM_CLIENT), ()):
            origin = sent.get((row.leg, row.sid))
            if origin is None:  # another rule's business
                continue
            owed = origin.order > lane.opened or (start is not None and row.seq > start)
            if gone is not None:  # from then on the lane may have ended
                owed = owed and origin.judged is not None and origin.judged < gone
            if owed and row.sid not in came and lane.sid not in books.listed[row.leg, row.log, row.seq]:
                yield f"{row.sid} ({row.seq} of {row.leg}) neither came to {path} nor is it listed for {lane.sid}"


@dataclass(frozen=True, slots=True)
class _Lane:
    """A subscription as its owner knows it. `opened`: when its sid was known; what was sent later, it owes."""

    leg: str
    sid: str
    opened: int


def _lanes_by_path(books: Books) -> dict[str, _Lane]:
    lanes: dict[str, _Lane] = {}
    for request in books.ledger.subscribed:
        if request.status == 201 and request.path not in lanes:
            lanes[request.path] = _Lane(request.leg, request.sid or "", request.ended)
    return lanes


def clients_lose_nothing(books: Books) -> Iterator[str]:
    """What is in a to_client log came to the client, or is listed."""
    came = {(received.leg, received.sid) for received in books.ledger.received}
    for row in books.ledger.logged:
        if row.log == TO_CLIENT and (row.leg, row.sid) not in came and not books.listed[row.leg, row.log, row.seq]:
            yield f"{row.sid} ({row.seq} of {row.leg}) neither came to the client nor is it listed"


def states_are_true(books: Books) -> Iterator[str]:
    """A message that the server calls received or delivered was, and only an unknown receipt is listed in vain."""
    received = {(note.leg, note.sid) for note in books.ledger.received}
    taken = {(note.leg, note.sid) for note in books.ledger.arrived if 200 <= note.answer < 300}
    for row in books.ledger.logged:
        if row.state == "received" and (row.leg, row.sid) not in received:
            yield f"{row.sid} is called received and never came to the client of {row.leg}"
        if row.state == "delivered" and (row.leg, row.sid) not in taken:
            yield f"{row.sid} is called delivered and no endpoint took it"
    for listed in books.ledger.listed:
        row = books.by_seq.get((listed.leg, listed.log, listed.seq))
        if row is None:
            yield f"{listed} is listed and not in the log"
        elif listed.log == TO_CLIENT and (row.leg, row.sid) in received and listed.reason != RECEIPT_UNKNOWN:
            yield f"{row.sid} came to the client of {row.leg} and is listed: {listed.reason}"


def logs_are_in_order(books: Books) -> Iterator[str]:
    """A log has messages in the order in which they were sent: by one client, or one request after the other."""
    for leg, sids in _grouped((sent.leg, sent.sid) for sent in books.ledger.sent):
        numbers = [row.seq for sid in sids if (row := books.by_sid.get((leg, FROM_CLIENT, sid)))]
        if numbers != sorted(numbers):
            yield f"the from_client log of {leg} is not in the order of sending: {numbers}"
    by_sid = {posted.sid: posted for posted in books.ledger.posted if posted.status == 201}
    for leg, requests in _grouped((posted.leg, posted) for posted in books.ledger.posted):
        keys = Counter(posted.key for posted in requests)
        latest_begin = 0
        for row in sorted(books.logs.get((leg, TO_CLIENT), ()), key=lambda row: row.seq):
            made = by_sid.get(row.sid)
            if made is None or (made.key is not None and keys[made.key] > 1):
                continue  # which of several requests made it is not known
            if made.ended < latest_begin:
                yield f"{row.seq} of {leg} was answered before an earlier number was asked for"
            latest_begin = max(latest_begin, made.began)


def clients_are_in_order(books: Books) -> Iterator[str]:
    """First arrivals at a client go up by one; a repeat never brings an older message as new."""
    for leg, sids in _grouped((received.leg, received.sid) for received in books.ledger.received):
        rows = [books.by_sid.get((leg, TO_CLIENT, sid)) for sid in dict.fromkeys(sids)]
        firsts = [row.seq for row in rows if row is not None]
        if firsts != list(range(1, len(firsts) + 1)):
            yield f"the client of {leg} got {firsts}"


def calls_are_reported(books: Books) -> Iterator[str]:
    """Status callbacks come in order, and every call that was reported at all is reported to its end."""
    for leg, reports in _grouped((reported.leg, reported) for reported in books.ledger.reported):
        highest = -1
        for reported in reports:
            if reported.seq > highest + 1:
                yield f"{leg} reported {reported.seq} ({reported.status}) when {highest + 1} was next"
            highest = max(highest, reported.seq)
        if reports[-1].status not in FINAL:
            yield f"{leg} was last reported {reports[-1].status}"


RULES: dict[str, Rule] = {
    "lost after it was acknowledged": acknowledged_is_durable,
    "visible but not durable": visible_is_durable,
    "stored but never sent": stored_was_sent,
    "refused but done": refused_did_nothing,
    "doubled": nothing_is_doubled,
    "a repeat with other ids": repeats_are_the_same,
    "a lane out of order": lanes_are_in_order,
    "lost on a lane": lanes_lose_nothing,
    "lost on the way to a client": clients_lose_nothing,
    "a state that is not true": states_are_true,
    "a log out of order": logs_are_in_order,
    "a client out of order": clients_are_in_order,
    "a call without its end": calls_are_reported,
}


# ------------------------------------------------------------------------------------------------------------ counts


def _count(books: Books, verdict: Verdict) -> None:
    ledger = books.ledger
    verdict.acknowledged = {
        FROM_CLIENT: sum(sent.verdict == "ack" for sent in ledger.sent),
        TO_CLIENT: len({posted.sid for posted in ledger.posted if posted.status == 201}),
    }
    taken: set[tuple[str, str]] = set()
    repeats = 0
    for arrival in ledger.arrived:
        if (arrival.path, arrival.sid) in taken:
            repeats += 1
        elif 200 <= arrival.answer < 300:
            taken.add((arrival.path, arrival.sid))
        else:
            verdict.retries += 1
    received = {(received.leg, received.sid) for received in ledger.received}
    verdict.delivered = {FROM_CLIENT: len(taken), TO_CLIENT: len(received)}
    verdict.repeats = {FROM_CLIENT: repeats, TO_CLIENT: len(ledger.received) - len(received)}
    verdict.listed = {log: sum(row.log == log for row in ledger.listed) for log in (FROM_CLIENT, TO_CLIENT)}
    verdict.unknown = {
        FROM_CLIENT: sum(sent.verdict is None for sent in ledger.sent),
        TO_CLIENT: sum(posted.status is None for posted in ledger.posted),
    }


def _in_log(books: Books, leg: str, log: str, sid: str, content: str) -> bool:
    row = books.by_sid.get((leg, log, sid))
    return row is not None and row.content == content


def _grouped(pairs: Iterable[tuple[str, T]]) -> Iterable[tuple[str, list[T]]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups.items()
