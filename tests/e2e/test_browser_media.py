"""Codecs, statistics, lost media and lost networks, as the browser SDK sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cables import Cable, MediaCable
from customers import Customer
from pairs import AUDIBLE, Pair
from servers import Server

OPUS = {"codecPreferences": ["opus", "pcmu"]}


@pytest_asyncio.fixture(loop_scope="session")
async def media() -> AsyncIterator[MediaCable]:
    async with MediaCable() as cable:
        yield cable


async def sent_codec(call) -> str:
    """What the call's own client sends with, as its samples say."""
    return str((await call.wait_for("sample", count=2)).data["codecName"])


@pytest.mark.parametrize(
    ("callers", "callees", "codecs"),
    [
        ({}, {}, ["PCMU", "PCMU"]),
        (OPUS, OPUS, ["opus", "opus"]),
        (OPUS, {}, ["opus", "PCMU"]),
        ({}, OPUS, ["PCMU", "opus"]),
    ],
    ids=["default", "both prefer opus", "caller", "callee"],
)
async def test_each_side_sends_with_the_codec_it_prefers_and_both_hear(
    dial, callers: dict[str, object], callees: dict[str, object], codecs: list[str]
) -> None:
    pair: Pair = await dial(callers=callers, callees=callees)
    sides = (pair.placed, pair.answered)
    assert await asyncio.gather(*(sent_codec(call) for call in sides)) == codecs
    assert [(await call.properties())["codec"] for call in sides] == codecs
    heard = await asyncio.gather(*(call.hear(1.0) for call in sides))
    assert all(each.energy > AUDIBLE for each in heard), heard


async def test_the_dscp_option_changes_nothing_for_the_call(dial) -> None:
    pair: Pair = await dial(dscp=False)  # it is true in all other tests
    assert (await pair.placed.hear(1.0)).energy > AUDIBLE


async def test_samples_of_both_legs_bear_a_mos_and_volumes_come(dial) -> None:
    pair: Pair = await dial()
    for call in (pair.placed, pair.answered):
        sample = (await call.wait_for("sample", count=4)).data
        assert sample["mos"] > 4.2, sample
        assert sample["rtt"] > 0, sample
        assert 0 <= sample["jitter"] < 30, sample
        assert sample["packetsLost"] == 0, sample
        assert sample["totals"]["packetsReceived"] > 50, sample
        assert await call.phone.page.evaluate("phone.volumes()") > 20
        streams = (await call.properties())["streams"]
        assert streams == {"local": True, "remote": True}


async def test_media_that_is_cut_is_brought_back_by_an_ice_restart(dial, media: MediaCable) -> None:
    pair: Pair = await dial(media={"alice": media})
    assert (await pair.answered.hear(1.0)).energy > AUDIBLE
    answers = len(pair.alice.got("answer"))
    media.cut()
    lost = await pair.placed.wait_for("reconnecting", timeout=25)
    assert lost.data["code"] == 53405
    media.mend()
    await pair.placed.wait_for("reconnected", timeout=25)
    assert pair.alice.sent("reinvite")
    # ICE may find the mended way before the answer is there
    answer = await pair.alice.frame("answer", count=answers + 1)
    assert answer["callsid"] == pair.parent
    assert answer["sdp"]
    heard = await asyncio.gather(pair.placed.hear(1.5), pair.answered.hear(1.5))
    assert all(each.energy > AUDIBLE for each in heard), heard
    assert await pair.placed.status() == "open"


async def test_both_legs_outlive_eight_seconds_without_a_network(
    dial, server: Server, media: MediaCable, customer: Customer
) -> None:
    async with Cable(server.ports[0]) as cable:
        pair: Pair = await dial(
            host=f"localhost:{cable.port}",
            maxCallSignalingTimeoutMs=30_000,
            media={"alice": media, "bob": media},
        )
        edges = [(await phone.device())["edge"] for phone in (pair.alice, pair.bob)]
        assert [phone.sent("listen")[0]["reconnectTimeout"] for phone in (pair.alice, pair.bob)] == [30, 30]
        cable.cut()
        media.cut()
        for call in (pair.placed, pair.answered):
            await call.wait_for("reconnecting")
        await asyncio.sleep(8)  # what is tested is how long the network was gone
        media.mend()
        cable.mend()
        for call in (pair.placed, pair.answered):
            await call.wait_for("reconnected", timeout=25)
        await pair.bob.wait_for("registered", count=2)
        heard = await asyncio.gather(pair.placed.hear(2.0), pair.answered.hear(2.0))
        assert all(each.energy > AUDIBLE for each in heard), heard
        assert [await call.status() for call in (pair.placed, pair.answered)] == ["open", "open"]
        assert [(await phone.device())["edge"] for phone in (pair.alice, pair.bob)] == edges
        await customer.send(pair.child, {"after": "the loss"})
        await pair.answered.wait_for("messageReceived")


async def test_media_that_stays_away_ends_the_call_with_53405(dial, media: MediaCable) -> None:
    pair: Pair = await dial(media={"alice": media})
    media.cut()
    await pair.placed.wait_for("reconnecting", timeout=25)
    # The SDK gives up at the first failure more than 30 s after the first one; its clock saves us one round.
    await pair.alice.page.evaluate("() => { const now = Date.now; Date.now = () => now() + 31_000; }")
    await pair.placed.wait_for("disconnect", timeout=40)
    assert (await pair.placed.wait_for("error")).data["code"] == 53405
    assert pair.alice.sent("hangup")[0]["message"]
    await pair.answered.wait_for("disconnect")
