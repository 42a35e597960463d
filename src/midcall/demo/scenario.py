"""The demo's course: application, two clients, a call, messages, sound, hangup, and a table of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from rich.table import Table

from midcall.core import tokens
from midcall.core.sids import AccountSid, ApplicationSid, KeySid
from midcall.demo.application import REST_S, Application, Rest
from midcall.demo.server import Running
from midcall.demo.story import Failed, Story, within
from midcall.demo.traffic import Leg, exchange, milliseconds
from midcall.sdk import Call, Device, LevelMeter, SdkError, Tone
from midcall.sdk.transport import tls_context

STEP_S: Final = 10.0
SOUND_S: Final = 5.0
WINDOW_S: Final = 0.2
ALICE_HZ: Final = 440
BOB_HZ: Final = 660
AUDIBLE_DBFS: Final = -15.0
SEPARATION_DB: Final = 20.0
ORDER: Final = 'table 7, 2 × "Melange" & cake'
STATUSES: Final = ["initiated", "ringing", "in-progress", "completed"]


@dataclass(slots=True)
class Results:
    """What the closing table shows."""

    legs: list[Leg] = field(default_factory=list)
    sounds: list[tuple[str, str, str]] = field(default_factory=list)
    setup: list[tuple[str, float]] = field(default_factory=list)


async def play(story: Story, server: Running) -> None:
    """The whole course with a server that is ready.

    Raises:
        Failed: it cannot go on.
    """
    story.tell("server", f"ready at {server.info.https_url}")
    results = Results()
    application = Application(story, server.credentials.auth_token)
    async with application.listening(), _clients(story, server) as (alice, bob), _rest(server) as rest:
        await rest.set_voice_url(f"{application.url}/voice")
        story.tell("app", f"listens at {application.url}; voice URL of the TwiML application set by REST")
        try:
            call, answered = await _place_call(story, alice, bob, results)
        except SdkError as error:
            raise Failed(f"the call could not be placed: {error}") from None
        await _talk(story, application, rest, call, answered, results)
        await _hang_up(story, application, call, answered)
    story.table = _table(results)


@asynccontextmanager
async def _rest(server: Running) -> AsyncIterator[Rest]:
    keys = server.credentials
    headers = {"Authorization": aiohttp.encode_basic_auth(keys.api_key_sid, keys.api_key_secret)}
    connector = aiohttp.TCPConnector(ssl=tls_context(server.info.ca_file))
    timeout = aiohttp.ClientTimeout(total=REST_S)
    async with aiohttp.ClientSession(headers=headers, connector=connector, timeout=timeout) as session:
        yield Rest(session, server.info.https_url, server.credentials)


@asynccontextmanager
async def _clients(story: Story, server: Running) -> AsyncIterator[tuple[Device, Device]]:
    tls = tls_context(server.info.ca_file)

    def device(identity: str, frequency: int) -> Device:
        made = Device(
            _token(server, identity),
            host=server.info.signaling_host,
            tls=tls,
            media="real" if story.options.media else "none",
            audio_source=lambda: Tone(frequency, level_dbfs=-9),
        )
        made.on("error", lambda error: story.check(False, f"{identity}'s device reported {error}"))
        return made

    async with device("alice", ALICE_HZ) as alice, device("bob", BOB_HZ) as bob:
        yield alice, bob


def _token(server: Running, identity: str) -> str:
    credentials = server.credentials
    return tokens.mint(
        key_sid=KeySid(credentials.api_key_sid),
        secret=credentials.api_key_secret,
        account_sid=AccountSid(credentials.account_sid),
        now=time.time(),
        token_id=f"{credentials.api_key_sid}-{uuid.uuid4().hex}",
        identity=identity,
        ttl_s=600,
        application_sid=ApplicationSid(credentials.application_sid),
    )


# ---------------------------------------------------------------------------------------------------------- the call


async def _place_call(story: Story, alice: Device, bob: Device, results: Results) -> tuple[Call, Call]:
    """Let alice call bob and bob answer; both ends of the call."""
    await within(STEP_S, bob.register(), "bob could not register")
    story.tell("bob", "registered: calls for the identity bob come here")
    incoming = bob.wait_for("incoming")
    started = time.monotonic()
    call = await within(STEP_S, alice.connect(params={"To": "bob", "Order": ORDER}), "alice got no connection")
    call.on("error", lambda error: story.check(False, f"alice's call reported {error}"))
    call.on("ringing", lambda _: story.tell("alice", "hears it ringing"))
    accepted = call.wait_for("accept")
    story.tell("alice", "calls bob")
    rung: Call = await within(STEP_S, incoming, "bob was not rung")
    results.setup.append(("connect() to bob ringing", time.monotonic() - started))
    rung.on("error", lambda error: story.check(False, f"bob's call reported {error}"))
    story.tell("bob", f"is called by {rung.parameters.get('From')}, order: {rung.custom_parameters.get('order')}")
    story.check(rung.parameters.get("From") == "client:alice", "bob was not told that alice calls")
    story.check(rung.custom_parameters.get("order") == ORDER, "the call's parameters did not reach bob unchanged")
    answered = rung.wait_for("accept")
    rung.accept()
    await within(STEP_S, answered, "bob's answer was not made")
    story.tell("bob", f"answers; codec {rung.codec or 'none'}")
    await within(STEP_S, accepted, "alice's call was not answered")
    results.setup.append(("connect() to accept", time.monotonic() - started))
    story.tell("alice", f"is through; codec {call.codec or 'none'}")
    return call, rung


async def _talk(
    story: Story, application: Application, rest: Rest, call: Call, answered: Call, results: Results
) -> None:
    """Messages and sound, at the same time."""
    results.legs = [Leg.of("alice", call), Leg.of("bob", answered)]
    for leg in results.legs:
        sid = await rest.subscribe(leg.sid, f"{application.url}/messages/{leg.who}")
        story.tell("app", f"subscribes to the messages of {leg.who}'s leg {leg.sid[:8]}…: {sid[:8]}…")
    count = story.options.messages
    story.tell("demo", f"{count} messages each: alice to app, bob to app, app to alice, app to bob")
    async with asyncio.TaskGroup() as group:
        group.create_task(_messages(story, application, rest, results, count))
        if story.options.media:
            group.create_task(_listen(story, "alice", call, BOB_HZ, ALICE_HZ, results))
            group.create_task(_listen(story, "bob", answered, ALICE_HZ, BOB_HZ, results))


async def _messages(story: Story, application: Application, rest: Rest, results: Results, count: int) -> None:
    await exchange(story, application, rest, results.legs, count)
    arrived = sum(len(leg.to_server.arrived) + len(leg.to_client.arrived) for leg in results.legs)
    story.tell("demo", f"{arrived} messages arrived")


async def _listen(story: Story, who: str, call: Call, wanted: int, own: int, results: Results) -> None:
    """Whether the other's tone is heard, and not one's own."""
    meter = LevelMeter(window_s=WINDOW_S)
    stream = call.get_remote_stream()
    assert stream is not None
    stream.add(meter)
    with contextlib.suppress(TimeoutError):  # what it heard instead is judged below
        async with asyncio.timeout(SOUND_S):
            await meter.until(lambda meter: _audible(meter, wanted, own))
            settled_s = meter.heard_s + WINDOW_S
            await meter.until(lambda meter: meter.heard_s >= settled_s)
    level, echo = meter.tone_dbfs(wanted), meter.tone_dbfs(own)
    results.sounds.append((who, f"{wanted} Hz", f"{level:.1f} dBFS"))
    if story.check(level >= AUDIBLE_DBFS, f"{who} does not hear the other's {wanted} Hz tone ({level:.1f} dBFS)"):
        story.tell(who, f"hears {wanted} Hz at {level:.1f} dBFS")
    story.check(level - echo >= SEPARATION_DB, f"{who} hears the own {own} Hz tone instead of only the other's")


def _audible(meter: LevelMeter, wanted: int, own: int) -> bool:
    level = meter.tone_dbfs(wanted)
    return level >= AUDIBLE_DBFS and level - meter.tone_dbfs(own) >= SEPARATION_DB


async def _hang_up(story: Story, application: Application, call: Call, answered: Call) -> None:
    over = call.wait_for("disconnect")
    answered.disconnect()
    story.tell("bob", "hangs up")
    with story.noting():
        await within(STEP_S, over, "bob's hangup did not reach alice")
        story.tell("alice", "is told that the call is over")
    with story.noting():
        await within(STEP_S, _completed(application), "the last status callback did not come")
    seen = [fields.get("CallStatus", "") for fields in application.statuses]
    story.check(seen == STATUSES, f"the status callbacks were {', '.join(seen) or 'none'}, not {', '.join(STATUSES)}")


async def _completed(application: Application) -> None:
    changed = asyncio.Event()
    application.changed = changed.set
    while not any(fields.get("CallStatus") == STATUSES[-1] for fields in application.statuses):
        await changed.wait()
        changed.clear()


# --------------------------------------------------------------------------------------------------- what came of it


def _table(results: Results) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("what", "count", "median", "maximum"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, seconds in results.setup:
        table.add_row(name, "1", *milliseconds([seconds]))
    for leg in results.legs:
        acked = leg.to_server.acknowledged_s
        table.add_row(f"{leg.who}: sent to acknowledged", str(len(acked)), *milliseconds(acked))
        delivered = leg.to_server.delivered_s()
        table.add_row(f"{leg.who}: sent to callback at the app", str(len(delivered)), *milliseconds(delivered))
        heard = leg.to_client.delivered_s()
        table.add_row(f"app to {leg.who}: POST to messageReceived", str(len(heard)), *milliseconds(heard))
    for who, tone, level in results.sounds:
        table.add_row(f"{who} hears the other's tone", tone, level, "")
    return table
