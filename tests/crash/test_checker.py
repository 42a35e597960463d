"""The checker can fail: a ledger without fault is broken in one place, and the broken promise is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from crash.checker import check
from crash.ledger import Arrived, Ledger, Listed, Logged, Posted, Received, Reported, Sent, Subscribed

LEG = "CA1"
PATH = "/messages/good/1"
LANE = "ZY1"


def sent(n: int) -> Sent:
    return Sent(leg=LEG, sid=f"KXc{n}", content=f"c{n}", run=1, order=10 * n, judged=10 * n + 1, verdict="ack")


def arrived(n: int, *, run: int = 1, answer: int = 204) -> Arrived:
    return Arrived(
        path=PATH, leg=LEG, sid=f"KXc{n}", seq=n, token=f"token{n}", stamp="noon", content=f"c{n}", run=run,
        order=10 * n + 5, answer=answer,
    )  # fmt: skip


def posted(n: int, **changes: object) -> Posted:
    record = Posted(
        leg=LEG, content=f"p{n}", key=f"key{n}", run=1, began=10 * n + 2, ended=10 * n + 3, status=201, sid=f"KXp{n}"
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def received(n: int) -> Received:
    return Received(leg=LEG, sid=f"KXp{n}", content=f"p{n}", run=1, order=10 * n + 4)


def logged(log: str, n: int) -> Logged:
    letter = {"from_client": "c", "to_client": "p"}[log]
    state = {"c": "delivered", "p": "received"}[letter] if (letter, n) != ("p", 5) else "undelivered"
    return Logged(leg=LEG, log=log, seq=n, sid=f"KX{letter}{n}", content=f"{letter}{n}", state=state)


def faultless() -> Ledger:
    """One leg, five messages each way; one is a repeat after a crash, one is not received and listed."""
    return Ledger(
        sent=[sent(n) for n in range(1, 6)],
        posted=[posted(n) for n in range(1, 6)],
        subscribed=[
            Subscribed(leg=LEG, path=PATH, key=None, run=1, began=1, ended=2, status=201, sid=LANE),
        ],
        arrived=[arrived(1), arrived(2, answer=500), arrived(2), arrived(2, run=2), *map(arrived, (3, 4, 5))],
        received=[received(n) for n in range(1, 5)],
        reported=[Reported(leg=LEG, status=s, seq=n, run=1, order=n) for n, s in enumerate(("ringing", "completed"))],
        logged=[logged(log, n) for log in ("from_client", "to_client") for n in range(1, 6)],
        listed=[Listed(leg=LEG, log="to_client", seq=5, reader="", reason="the call ended first")],
    )


def test_a_ledger_without_fault_passes_and_is_counted() -> None:
    verdict = check(faultless())
    assert verdict.violations == []
    assert verdict.acknowledged == {"from_client": 5, "to_client": 5}
    assert verdict.delivered == {"from_client": 5, "to_client": 4}
    assert (verdict.retries, verdict.repeats) == (1, {"from_client": 1, "to_client": 0})
    assert verdict.listed == {"from_client": 0, "to_client": 1}


def drop(records: list[object], position: int) -> None:
    del records[position]


def swap(records: list[object], one: int, other: int) -> None:
    records[one], records[other] = records[other], records[one]


SABOTAGE: dict[str, tuple[str, Callable[[Ledger], object]]] = {
    "an acknowledged message is not in the log": (
        "lost after it was acknowledged",
        lambda ledger: ledger.logged.remove(logged("from_client", 5)),
    ),
    "a message answered 201 is not in the log": (
        "lost after it was acknowledged",
        lambda ledger: ledger.logged.remove(logged("to_client", 5)),
    ),
    "an endpoint saw what was never stored": (
        "visible but not durable",
        lambda ledger: ledger.arrived.append(replace(arrived(5), sid="KXghost", seq=6, token="other")),
    ),
    "a client saw what was never stored": (
        "visible but not durable",
        lambda ledger: ledger.received.append(replace(received(4), sid="KXghost")),
    ),
    "a row has content that its sender did not send": (
        "stored but never sent",
        lambda ledger: ledger.logged.__setitem__(1, replace(logged("from_client", 2), content="other")),
    ),
    "a row is for a leg that nobody asked about": (
        "stored but never sent",
        lambda ledger: ledger.logged.append(replace(logged("to_client", 1), leg="CA2")),
    ),
    "a message that was refused is delivered": (
        "refused but done",
        lambda ledger: ledger.sent.__setitem__(2, replace(sent(3), verdict="error 31003")),
    ),
    "a request that was answered 503 had its effect": (
        "refused but done",
        lambda ledger: ledger.posted.__setitem__(2, posted(3, status=503, sid=None)),
    ),
    "one message has two rows": (
        "doubled",
        lambda ledger: ledger.logged.append(replace(logged("from_client", 6), content="c2")),
    ),
    "one key made two messages": (
        "doubled",
        lambda ledger: ledger.posted.append(posted(3, sid="KXp4", content="p4", began=90, ended=91)),
    ),
    "a number is missing in a log": (
        "doubled",
        lambda ledger: ledger.logged.__setitem__(4, replace(logged("from_client", 5), seq=7)),
    ),
    "a repeat carries another token": (
        "a repeat with other ids",
        lambda ledger: ledger.arrived.__setitem__(3, replace(arrived(2, run=2), token="another")),
    ),
    "a repeat carries another time": (
        "a repeat with other ids",
        lambda ledger: ledger.arrived.__setitem__(3, replace(arrived(2, run=2), stamp="midnight")),
    ),
    "two messages carry one token": (
        "a repeat with other ids",
        lambda ledger: ledger.arrived.__setitem__(5, replace(arrived(4), token="token3")),
    ),
    "two first arrivals are swapped": ("a lane out of order", lambda ledger: swap(ledger.arrived, 4, 5)),
    "a repeat overtakes within one run": (
        "a lane out of order",
        lambda ledger: ledger.arrived.append(arrived(4)),
    ),
    "the last message does not arrive": ("lost on a lane", lambda ledger: drop(ledger.arrived, -1)),
    "nothing arrives at all": ("lost on a lane", lambda ledger: ledger.arrived.clear()),
    "a message neither reaches the client nor is listed": (
        "lost on the way to a client",
        lambda ledger: ledger.listed.clear(),
    ),
    "the server calls received what never came": (
        "a state that is not true",
        lambda ledger: ledger.logged.__setitem__(9, replace(logged("to_client", 5), state="received")),
    ),
    "the server calls delivered what no endpoint took": (
        "a state that is not true",
        lambda ledger: ledger.arrived.__setitem__(-1, arrived(5, answer=500)),
    ),
    "what the client receipted is listed": (
        "a state that is not true",
        lambda ledger: ledger.listed.append(replace(ledger.listed[0], seq=3)),
    ),
    "what is listed is in no log": (
        "a state that is not true",
        lambda ledger: ledger.listed.append(replace(ledger.listed[0], seq=8)),
    ),
    "a log is not in the order of sending": (
        "a log out of order",
        lambda ledger: swap(ledger.sent, 1, 2),
    ),
    "a later request has the earlier number": (
        "a log out of order",
        lambda ledger: (
            ledger.posted.__setitem__(1, posted(2, began=80, ended=81)),
            ledger.posted.__setitem__(3, posted(4, began=70, ended=71)),
        ),
    ),
    "a client gets two messages swapped": ("a client out of order", lambda ledger: swap(ledger.received, 1, 2)),
    "a client misses one in the middle": ("a client out of order", lambda ledger: drop(ledger.received, 1)),
    "a call is never reported to its end": ("a call without its end", lambda ledger: ledger.reported.pop()),
    "a status callback is skipped": (
        "a call without its end",
        lambda ledger: ledger.reported.__setitem__(1, replace(ledger.reported[1], seq=2)),
    ),
}


@pytest.mark.parametrize("case", SABOTAGE)
def test_every_broken_promise_is_named(case: str) -> None:
    rule, sabotage = SABOTAGE[case]
    ledger = faultless()
    sabotage(ledger)
    assert rule in {violation.rule for violation in check(ledger).violations}


def test_every_rule_has_its_sabotage() -> None:
    from crash.checker import RULES

    assert {rule for rule, _ in SABOTAGE.values()} == set(RULES)


def test_a_refused_repeat_of_a_request_that_had_its_effect_is_no_fault() -> None:
    ledger = faultless()
    ledger.posted[4] = posted(5, status=None, sid=None)
    ledger.posted.append(posted(5, status=503, sid=None, began=90, ended=91))
    assert check(ledger).holds


def test_a_message_that_came_may_be_listed_when_its_receipt_died_with_the_server() -> None:
    ledger = faultless()
    ledger.listed.append(replace(ledger.listed[0], seq=4, reason="receipt unknown"))
    ledger.logged[8] = replace(ledger.logged[8], state="undelivered")
    assert check(ledger).holds


def test_a_lane_that_ended_with_410_owes_nothing_that_came_later() -> None:
    ledger = faultless()
    ledger.arrived[4:] = [replace(arrived(3), answer=410)]
    ledger.logged[2:5] = [replace(row, state="undelivered") for row in ledger.logged[2:5]]
    assert {violation.case.split()[0] for violation in check(ledger).violations} == set()

    ledger.arrived[-1] = replace(ledger.arrived[-1], order=99)  # later than all acks: now 4 and 5 are owed
    assert len(check(ledger).violations) == 2
