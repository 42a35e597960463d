"""Every bus: nudges arrive at each listener, later, and no listener can harm another."""

from __future__ import annotations

import asyncio

import pytest

from midcall.bus.local import LocalBus
from midcall.core.messages import Log
from midcall.ports import Bus, Nudge
from support.records import LEG, call_sid

NUDGE = Nudge(LEG, Log.TO_CLIENT)
OTHER = Nudge(call_sid(2), Log.FROM_CLIENT)


class Listener:
    def __init__(self, bus: Bus, expected: int = 1) -> None:
        self.heard: list[Nudge] = []
        self.enough = asyncio.Event()
        self._expected = expected
        bus.listen(self.hear)

    def hear(self, nudge: Nudge) -> None:
        self.heard.append(nudge)
        if len(self.heard) == self._expected:
            self.enough.set()


@pytest.fixture(params=["local"])
def bus(request: pytest.FixtureRequest) -> Bus:
    return LocalBus()


async def test_every_listener_hears_every_nudge(bus: Bus) -> None:
    listeners = [Listener(bus, 2), Listener(bus, 2)]
    bus.nudge(NUDGE)
    bus.nudge(OTHER)
    for listener in listeners:
        await listener.enough.wait()
        assert sorted(listener.heard, key=lambda nudge: nudge.leg_sid) == [NUDGE, OTHER]


async def test_a_listener_is_never_called_inside_nudge(bus: Bus) -> None:
    listener = Listener(bus)
    bus.nudge(NUDGE)
    assert listener.heard == []
    await listener.enough.wait()


async def test_a_nudge_made_by_a_listener_arrives_too(bus: Bus) -> None:
    bus.listen(lambda nudge: bus.nudge(OTHER) if nudge == NUDGE else None)
    listener = Listener(bus, 2)
    bus.nudge(NUDGE)
    await listener.enough.wait()
    assert listener.heard == [NUDGE, OTHER]


async def test_a_nudge_that_comes_after_the_first_was_heard_is_heard_again(bus: Bus) -> None:
    listener = Listener(bus)
    bus.nudge(NUDGE)
    await listener.enough.wait()
    listener.enough.clear()
    listener.heard.clear()
    bus.nudge(NUDGE)
    await listener.enough.wait()


async def test_a_failing_listener_does_not_keep_the_nudge_from_others(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(nudge: Nudge) -> None:
        raise RuntimeError("no")

    bus.listen(fail)
    listener = Listener(bus, 2)
    bus.nudge(NUDGE)
    bus.nudge(OTHER)
    await listener.enough.wait()
    assert "a bus listener failed" in caplog.text


async def test_a_burst_of_equal_nudges_in_one_turn_wakes_a_local_listener_once() -> None:
    bus = LocalBus()
    listener = Listener(bus)
    for _ in range(100):
        bus.nudge(NUDGE)
    await listener.enough.wait()
    await asyncio.sleep(0)
    assert listener.heard == [NUDGE]
