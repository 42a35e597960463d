"""Where to connect next and when, step by step. A test in e2e compares random histories with the browser SDK's code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.reconnection import Backoff, Loss, Reconnection

A, B, P = "wss://a", "wss://b", "wss://preferred"


def rules(*addresses: str, limit_s: float = 0.0, draw: float = 0.0) -> Reconnection:
    return Reconnection(addresses, preferred_limit_s=limit_s, fraction=lambda: draw)


def next_try(rules: Reconnection, loss: Loss, *, now: float = 0.0) -> tuple[float, str]:
    """Loses the socket and waits: how long, and where to."""
    waited, answer = 0.0, rules.lost(loss, now=now)
    while not isinstance(answer, str):
        waited += answer
        answer = rules.waited(now=now + waited)
    return round(waited, 3), answer


@pytest.mark.parametrize(
    ("attempt", "drawn", "seconds"),
    [
        (0, 0.0, 0.1),
        (0, 0.5, 0.12),  # floor(10 * 0.5) is odd: 100 + floor(0.5 * 0.4 * 100)
        (0, 0.25, 0.09),  # even: 100 - 10
        (3, 0.1, 0.832),  # 800 + 32
        (20, 0.0, 20.0),
        (10_000, 0.99, 20.0),
    ],
)
def test_the_waiting_time_follows_the_formula(attempt, drawn, seconds):
    assert Backoff().delay_s(attempt, fraction=lambda: drawn) == seconds


@given(st.integers(0, 200), st.floats(0, 1, exclude_max=True))
def test_waiting_times_stay_within_their_bounds(attempt, drawn):
    assert 0.06 <= Backoff().delay_s(attempt, fraction=lambda: drawn) <= 20


def test_waits_grow_until_a_socket_opens():
    line = rules(A)
    assert line.address() == A
    assert [next_try(line, Loss.ABRUPT)[0] for _ in range(4)] == [0.1, 0.2, 0.4, 0.8]
    line.opened()
    assert next_try(line, Loss.ORDERLY) == (0.1, A)


def test_several_addresses_take_turns_from_the_first_failure_on():
    line = rules(A, B)
    assert [next_try(line, Loss.ABRUPT) for _ in range(3)] == [(1.0, B), (2.0, A), (4.0, B)]
    assert next_try(line, Loss.TIMED_OUT) == (8.0, A)


@pytest.mark.parametrize("loss", [Loss.ABRUPT, Loss.ORDERLY, Loss.SILENT])
def test_a_socket_that_was_lost_is_sought_at_its_own_address_first(loss):
    line = rules(A, B)
    line.opened()
    assert next_try(line, loss)[1] == A


def test_after_an_orderly_end_the_address_gets_a_second_try():
    line = rules(A, B)
    line.opened()
    assert [next_try(line, loss)[1] for loss in (Loss.ORDERLY, Loss.ABRUPT, Loss.ABRUPT)] == [A, A, B]


@pytest.mark.parametrize("loss", [Loss.ABRUPT, Loss.SILENT])
def test_after_a_broken_or_silent_socket_it_gets_none(loss):
    line = rules(A, B)
    line.opened()
    assert [next_try(line, loss)[1] for loss in (loss, Loss.ABRUPT)] == [A, B]


def test_a_preferred_address_is_tried_for_as_long_as_the_limit_allows():
    line = rules(A, limit_s=1.0)
    line.opened()
    line.prefer(P)
    now, tried = 0.0, []
    for _ in range(5):
        wait, address = next_try(line, Loss.ABRUPT, now=now)
        now += wait
        tried.append((wait, address))
    assert tried == [(0.1, P), (0.2, P), (0.4, P), (0.9, A), (0.2, A)]  # 0.8 is over the limit; 0.1 of the others


def test_without_a_limit_the_preferred_address_costs_one_wait_and_is_given_up():
    line = rules(A, draw=0.5)
    line.opened()
    line.prefer(P)
    assert line.address() == P
    assert next_try(line, Loss.ABRUPT) == (0.24, A)
    assert line.address() == A


def test_a_call_that_ends_during_the_wait_takes_its_preference_with_it():
    line = rules(A, limit_s=30)
    line.opened()
    line.prefer(P)
    wait = line.lost(Loss.ABRUPT, now=0)
    line.prefer(None)
    assert line.waited(now=wait) == 0.1
    assert line.waited(now=wait + 0.1) == A


def test_the_servers_wait_is_obeyed_to_the_preferred_address_only():
    line = rules(A, limit_s=0)
    line.opened()
    line.retry_after(12)
    line.prefer(P)
    assert next_try(line, Loss.ORDERLY) == (12, P)
    line.opened()
    assert next_try(line, Loss.ORDERLY) == (0.2, A)  # it was for one loss only; the limit of 0 gives P up

    idle = rules(A)
    idle.opened()
    idle.retry_after(12)
    assert next_try(idle, Loss.ORDERLY) == (0.1, A)


def test_after_the_servers_wait_the_preferred_address_is_given_up_in_75_seconds():
    line = rules(A)
    line.opened()
    line.retry_after(10)
    line.prefer(P)
    now, tried = 0.0, []
    for _ in range(4):
        wait, address = next_try(line, Loss.ABRUPT, now=now)
        now += wait
        tried.append((wait, address))
    assert tried == [(10, P), (20, P), (40, P), (60.1, A)]
