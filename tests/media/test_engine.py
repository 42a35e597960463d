"""The engine's own housekeeping: nothing is left of what was replaced or closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from midcall.core.sids import CallSid
from midcall.media.engine import AiortcEngine
from midcall.media.options import EngineOptions
from midcall.ports import AnswerReady, CloseMedia, MakeOffer, MediaFailed, OfferReady, SendDigits, Terminate
from support.media_clients import Studio

A, B = CallSid("CA" + "a" * 32), CallSid("CA" + "b" * 32)


@pytest.fixture
def engine() -> AiortcEngine:
    return AiortcEngine(EngineOptions(addresses=("127.0.0.1",)))


@pytest.fixture
async def studio(engine: AiortcEngine) -> AsyncIterator[Studio]:
    studio = Studio(engine)
    await engine.start(studio.ledger.record)
    yield studio
    await studio.close()


async def test_a_peer_whose_place_was_taken_is_closed(engine: AiortcEngine, studio: Studio) -> None:
    await studio.called_by(studio.client(), A)
    old = engine._legs[A].peer
    assert old is not None
    await studio.called_by(studio.client(), A)
    assert list(engine._owners) == [engine._legs[A].peer]
    await old.close()
    assert old._agent is not None and not old._agent._protocols


async def test_an_offer_that_is_made_again_replaces_the_one_before(engine: AiortcEngine, studio: Studio) -> None:
    for _ in range(3):
        studio.do(MakeOffer(leg=A))
        await studio.ledger.take(OfferReady, A)
    assert list(engine._owners) == [engine._legs[A].offered]


async def test_an_answer_that_nobody_took_up_is_replaced_by_the_next(engine: AiortcEngine, studio: Studio) -> None:
    for _ in range(3):
        studio.do(Terminate(leg=A, offer=await studio.client().offer()))
        await studio.ledger.take(AnswerReady, A)
    assert list(engine._owners) == [engine._legs[A].fresh]


async def test_a_flood_of_descriptions_is_refused(studio: Studio) -> None:
    studio.do(*[MakeOffer(leg=A)] * 20)
    failed = await studio.ledger.take(MediaFailed, A)
    assert failed.peers_fault and "Too many" in failed.reason


async def test_digits_wait_for_the_connection(studio: Studio) -> None:
    client = studio.client()
    studio.do(Terminate(leg=A, offer=await client.offer()), SendDigits(leg=A, digits="7"))
    await client.take((await studio.ledger.take(AnswerReady, A)).sdp)
    await client.until(lambda: any(p.payload_type == 126 and p.payload[0] == 7 for p in client.packets))


async def test_more_digits_than_fit_are_dropped(engine: AiortcEngine, studio: Studio) -> None:
    studio.do(MakeOffer(leg=A), *[SendDigits(leg=A, digits="1x" * 900)] * 3)
    assert len(engine._legs[A]._digits) == 1000


async def test_closing_leaves_no_leg_no_peer_and_no_task(engine: AiortcEngine) -> None:
    before = asyncio.all_tasks()
    studio = Studio(engine)
    await engine.start(studio.ledger.record)
    client = studio.client()
    await studio.called_by(client, A)
    studio.do(MakeOffer(leg=B), SendDigits(leg=A, digits="123"), CloseMedia(leg=B), MakeOffer(leg=B))
    await engine.close()
    assert not engine._legs and not engine._owners and not engine._ending
    engine.do(MakeOffer(leg=A))
    assert not engine._legs
    await client.close()
    assert asyncio.all_tasks() == before
