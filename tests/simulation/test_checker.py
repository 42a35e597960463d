"""The checker on histories made by hand: a good one passes, and each thing that goes wrong is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulation.checker import End, Row, check
from simulation.history import Arrived, History, Posted, Reached, Said, Subscribed

LEG = "CA" + "1" * 32
URL = "http://app.test/m"


def said(number: int) -> Said:
    return Said(f"KX{number}", LEG, f'"{number}"', number, sent_at=10.0 + number, acked_at=11.0 + number)


def reached(number: int) -> Reached:
    return Reached(
        at=20.0 + number,
        sid=f"KX{number}",
        leg=LEG,
        seq=number,
        content=str(number),
        timestamp="then",
        account="AC",
        token=f"token {number}",
        took=True,
        status=200,
    )


@pytest.fixture
def history() -> History:
    """Three messages each way, all delivered."""
    history = History()
    history.said = {f"KX{number}": said(number) for number in (1, 2, 3)}
    history.subscribed = [Subscribed(LEG, URL, "key", began_at=1.0, created_at=2.0, sids=["ZY1"])]
    history.reached[URL] = [reached(number) for number in (1, 2, 3)]
    history.posted = [
        Posted(LEG, f"[{number}]", None, began_at=30.0 + number, created_at=30.5 + number, sids=[f"KX{number}"])
        for number in (7, 8, 9)
    ]
    history.arrived[LEG] = [Arrived(40.0 + number, f"KX{number}", f"[{number}]") for number in (7, 8, 9)]
    history.reported[LEG] = [(0, "initiated"), (1, "completed")]
    return history


@pytest.fixture
def end() -> End:
    return End(
        from_client={LEG: [Row(number, f"KX{number}", f'"{number}"') for number in (1, 2, 3)]},
        to_client={LEG: [Row(number - 6, f"KX{number}", f"[{number}]") for number in (7, 8, 9)]},
        undelivered=set(),
        given_up=set(),
        ended_at={LEG: 99.0},
    )


def only(problems: list[str]) -> str:
    assert len(problems) == 1, problems
    return problems[0]


def test_a_history_without_fault_passes(history: History, end: End) -> None:
    assert check(history, end) == []


def test_repeats_are_allowed(history: History, end: End) -> None:
    history.reached[URL].append(replace(history.reached[URL][0], at=90.0))
    history.arrived[LEG].append(history.arrived[LEG][1])
    assert check(history, end) == []


@pytest.mark.parametrize("field", ["leg", "seq", "content", "timestamp", "account", "token"])
def test_a_repeat_that_differs_is_noticed(history: History, end: End, field: str) -> None:
    other: object = 9 if field == "seq" else "other"
    history.reached[URL].append(replace(history.reached[URL][2], **{field: other}))
    assert f"another {field}" in only(check(history, end))


def test_an_acknowledged_message_that_is_not_stored_is_noticed(history: History, end: End) -> None:
    del end.from_client[LEG][2]
    assert "acknowledged and is not stored" in only(check(history, end))


def test_a_created_message_that_is_not_stored_is_noticed(history: History, end: End) -> None:
    del end.to_client[LEG][2]
    assert any("got 201 and is not stored" in problem for problem in check(history, end))


def test_a_message_that_no_server_took_must_be_listed(history: History, end: End) -> None:
    del history.reached[URL][2]
    assert "neither took it nor is it listed" in only(check(history, end))
    end.undelivered.add(("ZY1", "KX3"))
    assert check(history, end) == []


def test_a_message_that_a_server_refused_was_not_delivered(history: History, end: End) -> None:
    history.reached[URL][2] = replace(history.reached[URL][2], took=False, status=500)
    assert "neither took it" in only(check(history, end))


def test_what_came_after_the_end_of_a_subscription_is_not_owed(history: History, end: End) -> None:
    history.subscribed[0].ends_at = 13.5
    del history.reached[URL][2]
    assert check(history, end) == []


def test_a_message_that_its_client_never_got_must_be_listed(history: History, end: End) -> None:
    del history.arrived[LEG][2]
    assert "neither reached its client nor is it listed" in only(check(history, end))
    end.given_up.add("KX9")
    assert check(history, end) == []


def test_callbacks_out_of_order_are_noticed(history: History, end: End) -> None:
    history.reached[URL][1:] = reversed(history.reached[URL][1:])
    assert any("for the first time after number 3" in problem for problem in check(history, end))


def test_a_gap_has_to_be_listed(history: History, end: End) -> None:
    del history.reached[URL][1]
    history.subscribed.clear()
    assert "number 2 was skipped" in only(check(history, end))
    end.given_up.add("KX2")
    assert check(history, end) == []


def test_messages_to_a_client_out_of_order_are_noticed(history: History, end: End) -> None:
    history.arrived[LEG].reverse()
    assert any("out of order" in problem for problem in check(history, end))


def test_a_message_that_overtook_on_the_way_to_the_store_is_noticed(history: History, end: End) -> None:
    history.arrived[LEG][0], history.arrived[LEG][1] = (
        replace(history.arrived[LEG][1], at=47.0),
        replace(history.arrived[LEG][0], at=48.0),
    )
    rows = end.to_client[LEG]
    end.to_client[LEG] = [replace(rows[1], seq=1), replace(rows[0], seq=2), rows[2]]
    assert "overtook" in only(check(history, end))


def test_a_log_in_another_order_than_its_client_sent_is_noticed(history: History, end: End) -> None:
    history.reached.clear()
    history.subscribed.clear()
    rows = end.from_client[LEG]
    end.from_client[LEG] = [replace(rows[1], seq=1), replace(rows[0], seq=2), rows[2]]
    assert "in another order" in only(check(history, end))
    history.said["KX1"].refused = True
    assert check(history, end) == []


def test_a_message_stored_twice_is_noticed(history: History, end: End) -> None:
    end.from_client[LEG].append(Row(4, "KX3", '"3"'))
    assert any("twice (same sid)" in problem for problem in check(history, end))


def test_a_gap_in_a_log_is_noticed(history: History, end: End) -> None:
    end.from_client[LEG][2] = replace(end.from_client[LEG][2], seq=4)
    assert any("is numbered [1, 2, 4]" in problem for problem in check(history, end))


def test_two_effects_of_one_key_are_noticed(history: History, end: End) -> None:
    history.posted[0].key = "key-7"
    end.to_client[LEG].append(Row(4, "KX10", "[7]"))
    assert "sent once and is stored 2 times" in only(check(history, end))


def test_two_answers_to_one_key_are_noticed(history: History, end: End) -> None:
    history.subscribed[0].sids.append("ZY2")
    assert "stood for" in only(check(history, end))


def test_a_key_that_is_refused_after_its_effect_is_noticed(history: History, end: End) -> None:
    history.posted[0].key, history.posted[0].refused = "key-7", "CALL_NOT_ACTIVE"
    assert "though it had had its effect" in only(check(history, end))


def test_status_callbacks_out_of_order_are_noticed(history: History, end: End) -> None:
    history.reported[LEG].reverse()
    assert "status callbacks" in only(check(history, end))


def test_a_message_that_nobody_sent_is_noticed(history: History, end: End) -> None:
    history.reached[URL].append(replace(reached(4), content="invented"))
    assert "which no client sent like that" in only(check(history, end))


def test_a_resume_that_is_refused_while_the_call_goes_on_is_noticed(history: History, end: End) -> None:
    history.turned_away.append((LEG, 99.5))
    assert check(history, end) == []
    history.turned_away.append((LEG, 98.5))
    assert "was refused to its client and went on" in only(check(history, end))
