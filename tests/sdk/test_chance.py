"""One seed decides what a device draws."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from midcall.sdk import Chance
from midcall.wire import signal
from support.scripted_server import CALL


def test_the_same_seed_draws_the_same_things():
    def drawn(chance: Chance) -> list[object]:
        return [chance.fraction(), chance.message_sid(), chance.connection_id(), chance.whole(1000, 5000)]

    assert drawn(Chance.seeded(7)) == drawn(Chance.seeded(7))
    assert drawn(Chance.seeded(7)) != drawn(Chance.seeded(8))
    assert drawn(Chance()) != drawn(Chance())


def test_what_is_drawn_has_the_protocols_shapes():
    chance = Chance.seeded("shapes")
    assert re.fullmatch(r"KX[0-9a-f]{32}", chance.message_sid())
    assert re.fullmatch(
        r"TJS[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", chance.connection_id()
    )


@pytest.mark.parametrize(("byte", "fraction", "whole"), [(0, 0.0, 1000), (0x80, 128 / 255, 3008), (0xFF, 1.0, 5000)])
def test_numbers_fill_their_range_and_stay_in_it(byte, fraction, whole):
    chance = Chance(lambda size: bytes([byte] * size))
    assert chance.fraction() == pytest.approx(fraction, abs=1e-15)
    assert chance.fraction() < 1
    assert chance.whole(1000, 5000) == pytest.approx(whole, abs=1)


async def test_a_seeded_device_names_its_calls_and_messages_the_same_each_time(registered):
    named = []
    for _ in range(2):
        device, connection = await registered(chance=Chance.seeded(1))
        call = await device.connect()
        named.append([(await connection.expect(signal.ClientInvite)).call_sid])
        rings = call.wait_for("ringing", timeout=5)
        await connection.send(signal.Ringing(call_sid=CALL))
        await rings
        call.send_message("hello")
        named[-1].append((await connection.expect(signal.Message)).message_sid)
    assert named[0] == named[1]


async def test_the_time_of_day_is_asked_of_whom_the_application_says(make_device):
    device = make_device(now=lambda: datetime(2001, 2, 3, tzinfo=UTC))
    assert device._host.now().year == 2001
