"""What a device can be told, when it is made and later; where it finds its server."""

from __future__ import annotations

import asyncio

import pytest

from conformance.common import until_heard
from conformance.driver import Kind, Thrown, names
from conformance.rows import Reason, because, differs, row
from conformance.stage import Stage, sid_of

PLACES = "Edges and hosts"
NOBODY = "localhost:1"
"""A host that refuses connections."""
DURING_A_CALL = "Cannot change Edge while on an active Call"


@row(PLACES, "of several hosts the next one is tried when one cannot be reached")
async def test_falling_back(client: Kind, stage: Stage) -> None:
    me, them = await stage.device(client, host=[NOBODY, stage.host]), await stage.person()
    await asyncio.wait_for(me.register(), 30)
    assert "error" in names(await me.events())
    await them.connect(params={"To": me.name})
    await me.incoming()


@row(PLACES, "`edge` leads to the vendor's host of that name, and `device.edge` says so")
async def test_an_edge(client: Kind, stage: Stage) -> None:
    with stage.vendors_hosts(client):
        me = await stage.device(client, edge="sydney")
        await me.register()
        assert (await me.facts()).edge == "sydney"


@row(PLACES, "of several edges the first is taken")
async def test_several_edges(client: Kind, stage: Stage) -> None:
    with stage.vendors_hosts(client):
        me = await stage.device(client, edge=["dublin", "sydney"])
        await me.register()
        assert (await me.facts()).edge == "dublin"


@row(PLACES, "an `edge` that is neither a text nor a list throws InvalidArgumentError")
async def test_an_edge_that_is_none(client: Kind, stage: Stage) -> None:
    with pytest.raises(Thrown) as thrown:
        await stage.device(client, edge=7)
    assert thrown.value.name == "InvalidArgumentError"


@row(PLACES, "`updateOptions` with another edge: unregistered, and registered there by itself")
async def test_changing_the_edge(client: Kind, stage: Stage) -> None:
    with stage.vendors_hosts(client):
        me, them = await stage.device(client, edge="sydney", register=True), await stage.person()
        await me.update_options(edge="dublin")
        await me.wait_for("registered", count=2)
        assert (await me.facts()).edge == "dublin"
        states = names(await me.events(), without=["error"])
        assert states == ["registering", "registered", "unregistered", "registering", "registered"]
        await them.connect(params={"To": me.name})
        await me.incoming()


@row(PLACES, "`updateOptions` with another edge during a call throws InvalidStateError; the call goes on")
async def test_changing_the_edge_during_a_call(client: Kind, stage: Stage) -> None:
    with stage.vendors_hosts(client):
        talk = await stage.placed(client, edge="sydney")
        with pytest.raises(Thrown, match=DURING_A_CALL) as thrown:
            await talk.me.update_options(edge="dublin")
        assert thrown.value.name == "InvalidStateError"
        assert (await talk.mine.facts()).status == "open"
        await talk.mine.send_message("still here")
        await talk.mine.wait_for("messageSent")


# ------ options

OPTIONS = "Options"


@row(OPTIONS, "`updateOptions` keeps what it does not name: the registration, the token, other options")
async def test_updating_an_option(client: Kind, stage: Stage) -> None:
    me, them = await stage.device(client, register=True), await stage.person()
    before = await me.facts()
    await me.update_options(token_refresh_ms=20_000)
    assert await me.facts() == before
    await them.connect(params={"To": me.name})
    await me.incoming()
    assert names(await me.events()) == ["registering", "registered", "incoming"]


@row(OPTIONS, "`updateOptions({allowIncomingWhileBusy})` during a call concerns the next one")
async def test_allowing_a_second_call_later(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client)
    await talk.me.update_options(allow_incoming_while_busy=True)
    carol = await stage.device(Kind.NONE, "carol")
    await carol.connect(params={"To": talk.me.name})
    second = await talk.me.incoming(count=2)
    assert (await second.facts()).status == "pending"
    assert (await talk.mine.facts()).status == "open"


@row(OPTIONS, "`updateOptions` on a destroyed device throws InvalidStateError")
async def test_updating_too_late(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    await me.destroy()
    with pytest.raises(Thrown) as thrown:
        await me.update_options(allow_incoming_while_busy=True)
    assert thrown.value.name == "InvalidStateError"


@differs(
    "refused by name",
    "An option that does not exist, or cannot have its value, is an InvalidArgumentError of `midcall.sdk` that names "
    "it; the browser SDK ignores most of them.",
)
async def unknown_options_are_refused(client: Kind, stage: Stage) -> None:
    for options in ({"no_such_option": True}, {"max_average_bitrate": 7}, {"codec_preferences": ["g729"]}):
        with pytest.raises(Thrown) as thrown:
            await stage.device(client, **options)
        assert thrown.value.name == "InvalidArgumentError", options


@row(OPTIONS, "options that do not exist, or have an odd value, are ignored", python=unknown_options_are_refused)
async def test_unknown_options(client: Kind, stage: Stage) -> None:
    options = {"no_such_option": True, "max_average_bitrate": 7, "codec_preferences": ["g729"]}
    talk = await stage.placed(client, **options)
    assert (await talk.mine.facts()).status == "open"


@row(OPTIONS, "`appName`, `appVersion`, `maxCallSignalingTimeoutMs`, `dscp`: taken")
async def test_other_options(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(
        client, app_name="desk", app_version="1.2", max_call_signaling_timeout_ms=30_000, dscp=False
    )
    assert (await talk.mine.facts()).status == "open"


@row(OPTIONS, "`connect` and `accept` take `rtcConfiguration`; a STUN server that is not there does no harm")
async def test_ice_servers(client: Kind, stage: Stage) -> None:
    servers = [{"urls": "stun:127.0.0.1:9"}]
    me, them = await stage.device(client, register=True), await stage.person(sound=client.has_media)
    mine = await me.connect(params={"To": them.name}, ice_servers=servers)
    theirs = await them.incoming(timeout=20)
    await theirs.accept()
    await mine.wait_for("accept", timeout=20)
    if client.has_media:
        await until_heard(mine)
    await mine.disconnect()
    await theirs.wait_for("disconnect")
    back = await them.connect(params={"To": me.name})
    mine = await me.incoming()
    await mine.accept(ice_servers=servers)
    await back.wait_for("accept", timeout=20)
    assert await sid_of(mine) != ""


# ------ preflight

PREFLIGHT = "Preflight test"
REPORT = {
    "callQuality",
    "callSid",
    "edge",
    "isTurnRequired",
    "networkTiming",
    "samples",
    "selectedEdge",
    "selectedIceCandidatePairStats",
    "stats",
    "testTiming",
    "totals",
    "warnings",
}
NEEDS_MEDIA = Reason(
    "not",
    "measures media",
    "A preflight test measures the media of a call, so `Device.run_preflight` makes a device with real media, whatever "
    "others there are.",
)


@because(NEEDS_MEDIA)
async def a_preflight_has_media(client: Kind, stage: Stage) -> None:
    test, _ = await stage.preflight(client)
    await test.wait_for("sample", count=2, timeout=20)
    await test.stop()


@row(
    PREFLIGHT,
    "`connected`, a `sample` a second, and when the server hangs up `completed` with figures",
    none=a_preflight_has_media,
)
async def test_a_preflight_that_completes(client: Kind, stage: Stage) -> None:
    test, name = await stage.preflight(client)
    await test.wait_for("connected", timeout=20)
    await test.wait_for("sample", count=4, timeout=20)
    (asked,) = await stage.customer.asked("voice", From=f"client:{name}")
    await stage.customer.rest(lambda rest: rest.calls(asked["CallSid"]).update(status="completed"))
    report = (await test.wait_for("completed", timeout=20)).arg
    assert set(report) >= REPORT, REPORT - set(report)
    assert (report["callSid"], report["edge"], report["isTurnRequired"]) == (asked["CallSid"], "ashburn", False)
    assert set(report["networkTiming"]) == {"signaling", "ice", "dtls", "peerConnection"}
    assert report["stats"]["mos"]["min"] > 4
    assert set(report["stats"]) == {"mos", "rtt", "jitter"}
    assert report["callQuality"] in ("excellent", "great")
    assert len(report["samples"]) >= 4
    assert report["totals"]["packetsLost"] == 0


@row(PREFLIGHT, "`stop`: `failed` with 31008", none=a_preflight_has_media)
async def test_a_preflight_that_is_stopped(client: Kind, stage: Stage) -> None:
    test, _ = await stage.preflight(client)
    await test.wait_for("connected", timeout=20)
    await test.stop()
    assert (await test.wait_for("failed")).arg["code"] == 31008


@row(PREFLIGHT, "a text that is no token: `failed` with 20101", none=a_preflight_has_media)
async def test_a_preflight_with_a_bad_token(client: Kind, stage: Stage) -> None:
    test, _ = await stage.preflight(client, token="invalid-token")
    assert (await test.wait_for("failed", timeout=20)).arg["code"] == 20101
