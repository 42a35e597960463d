"""Tokens, registration, heartbeats: a socket's life without calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, WSServerHandshakeError, web
from aiohttp.test_utils import TestServer

from midcall.core.accounts import AccountStatus
from support.edge import ACCOUNT, KEY, OTHER_ACCOUNT, OTHER_KEY, Edge, description


async def test_a_good_token_is_answered_with_place_identity_and_time_left(edge: Edge) -> None:
    client = await edge.connect()
    await client.send("listen", token=edge.token("alice"), reconnectTimeout=0)
    payload = await client.expect("connected", edge="ashburn", region="US_EAST_VIRGINIA", home="us1")
    assert payload["token"]["identity"] == "alice"
    assert 3590 <= payload["token"]["ttl"] <= 3610  # the token is made by the real clock, later than ours was set
    assert payload["gateway"]


@pytest.mark.parametrize(
    ("host", "shown", "region"),
    [
        ("voice-js.roaming.twilio.com", "ashburn", "US_EAST_VIRGINIA"),
        ("voice-js.dublin.twilio.com", "dublin", "EU_IRELAND"),
        ("chunderw-vpc-gll-au1.twilio.com", "sydney", "ASIAPAC_SYDNEY"),
        ("voice-js.tokyo-ix.twilio.com", "tokyo-ix", "jp1-ix"),
    ],
)
async def test_a_client_is_told_the_edge_whose_host_it_came_by(edge: Edge, host: str, shown: str, region: str) -> None:
    client = await edge.connect(host=host)
    await client.send("listen", token=edge.token("alice"), reconnectTimeout=0)
    await client.expect("connected", edge=shown, region=region, home="us1")


async def test_a_token_without_identity_connects_and_home_comes_from_the_token(edge: Edge) -> None:
    client = await edge.connect()
    await client.send("listen", token=edge.token(None, region="au1"), reconnectTimeout=0)
    payload = await client.expect("connected", home="au1")
    assert "identity" not in payload["token"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"secret": "9" * 32}, 31202), ({"key": "SK" + "9" * 32}, 31204), ({"ttl": -10}, 31205), ({"ttl": 90_000}, 31207)],
)
async def test_a_bad_token_gets_its_error_and_then_close(edge: Edge, changes: dict[str, Any], code: int) -> None:
    client = await edge.connect()
    await client.send("listen", token=edge.token(**changes), reconnectTimeout=0)
    assert (await client.expect("error"))["error"]["code"] == code
    await client.expect("close")
    edge.clock.advance(15)
    assert await client.ended() == 1001


async def test_a_missing_token_is_its_own_error(edge: Edge) -> None:
    client = await edge.connect()
    await client.send("listen", reconnectTimeout=0)
    assert (await client.expect("error"))["error"]["code"] == 31102
    await client.expect("close")


async def test_frames_before_any_token_are_refused_and_the_socket_waits_for_one(edge: Edge) -> None:
    client = await edge.connect()
    await client.send("register", media={"audio": True})
    assert (await client.expect("error"))["error"]["code"] == 31102
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    assert (await client.expect("hangup", callsid="TJS1"))["error"]["code"] == 31102  # an error would end no call
    await client.send("listen", token=edge.token(), reconnectTimeout=0)
    await client.expect("connected")


async def test_a_socket_that_never_shows_a_token_is_closed(edge: Edge) -> None:
    client = await edge.connect()
    await edge.until(lambda: edge.signalling.connections)
    edge.clock.advance(15)
    assert await client.ended() == 1013


async def test_frames_that_arrive_while_the_token_is_checked_are_held(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, checking = asyncio.Event(), asyncio.Event()
    check = edge.accounts.grant

    async def slow(token: str) -> Any:
        checking.set()
        await gate.wait()
        return await check(token)

    monkeypatch.setattr(edge.accounts, "grant", slow)
    client = await edge.connect()
    await client.send("listen", token=edge.token("bob"), reconnectTimeout=0)
    await client.send("register", media={"audio": True})
    await client.send("hangup", callsid="TJSnever-seen")
    await asyncio.wait_for(checking.wait(), 5)
    assert client.frames.empty()
    gate.set()
    await client.expect("connected")
    await client.expect("ready")
    assert len(edge.hub.registered(ACCOUNT, "bob")) == 1


async def test_register_and_unregister_are_answered_each_time(edge: Edge) -> None:
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    assert edge.heard("device_registered") == [("device_registered", ACCOUNT, "bob", device)]
    await client.send("register", media={"audio": True})
    await client.expect("ready")
    assert len(edge.heard("device_registered")) == 1
    for _ in range(2):
        await client.send("register", media={"audio": False})
        await client.expect("offline")
    assert edge.hub.registered(ACCOUNT, "bob") == ()


async def test_several_devices_of_an_identity_are_registered_and_tenants_are_apart(edge: Edge) -> None:
    first, second = await edge.registered("bob"), await edge.registered("bob")
    other = await edge.connect()
    await other.send(
        "listen", token=edge.token("bob", account=OTHER_ACCOUNT, key=OTHER_KEY, secret="2" * 32), reconnectTimeout=0
    )
    await other.expect("connected")
    await other.send("register", media={"audio": True})
    await other.expect("ready")
    assert len(edge.hub.registered(ACCOUNT, "bob")) == 2
    assert len(edge.hub.registered(OTHER_ACCOUNT, "bob")) == 1
    await first.drop()
    await edge.until(lambda: len(edge.hub.registered(ACCOUNT, "bob")) == 1)
    await second.close()
    await edge.until(lambda: not edge.hub.registered(ACCOUNT, "bob"))


@pytest.mark.parametrize(("identity", "incoming"), [(None, True), ("bob", False)])
async def test_registration_needs_an_identity_and_the_incoming_grant(
    edge: Edge, identity: str | None, incoming: bool
) -> None:
    client = await edge.listening(token=edge.token(identity, incoming=incoming))
    await client.send("register", media={"audio": True})
    assert (await client.expect("error"))["error"]["code"] == 31201
    await client.expect("offline")
    await client.nothing_more()


async def test_register_after_expiry_is_refused_until_a_new_token_comes(make_edge: Any) -> None:
    edge = await make_edge(heartbeat_s=7200.0)
    client = await edge.registered("bob")
    edge.clock.advance(3601)
    await client.send("register", media={"audio": True})
    assert (await client.expect("error"))["error"]["code"] == 31205
    await client.expect("offline")
    assert edge.hub.registered(ACCOUNT, "bob") == ()
    await client.send("listen", token=edge.token("bob", ttl=2 * 3600), reconnectTimeout=0)
    await client.expect("connected")
    await client.send("register", media={"audio": True})
    await client.expect("ready")


async def test_a_deleted_key_refuses_listen_and_register_at_once(edge: Edge) -> None:
    client = await edge.registered("bob")
    await edge.store.delete_key(ACCOUNT, KEY)
    await client.send("register", media={"audio": True})
    assert (await client.expect("error"))["error"]["code"] == 31204
    await client.expect("offline")
    assert edge.hub.registered(ACCOUNT, "bob") == ()
    late = await edge.connect()
    await late.send("listen", token=edge.token("bob"), reconnectTimeout=0)
    assert (await late.expect("error"))["error"]["code"] == 31204


async def test_a_suspended_account_is_told_so(edge: Edge) -> None:
    row = await edge.store.account(ACCOUNT)
    assert row is not None
    await edge.store.put_account(replace(row, status=AccountStatus.SUSPENDED))
    client = await edge.connect()
    await client.send("listen", token=edge.token(), reconnectTimeout=0)
    assert (await client.expect("error"))["error"]["code"] == 31203


async def test_a_new_token_is_answered_with_connected_and_may_change_the_identity(edge: Edge) -> None:
    client = await edge.registered("bob")
    await client.send("listen", token=edge.token("carol"), reconnectTimeout=0)
    assert (await client.expect("connected"))["token"]["identity"] == "carol"
    assert edge.hub.registered(ACCOUNT, "bob") == ()
    assert len(edge.hub.registered(ACCOUNT, "carol")) == 1


async def test_a_bad_new_token_leaves_the_old_one_in_force(edge: Edge) -> None:
    client = await edge.registered("bob")
    await client.send("listen", token="garbage", reconnectTimeout=0)
    assert (await client.expect("error"))["error"]["code"] == 31204
    await client.send(
        "listen", token=edge.token("bob", account=OTHER_ACCOUNT, key=OTHER_KEY, secret="2" * 32), reconnectTimeout=0
    )
    assert (await client.expect("error"))["error"]["code"] == 31204
    assert len(edge.hub.registered(ACCOUNT, "bob")) == 1


async def test_heartbeats_come_by_themselves(edge: Edge) -> None:
    client = await edge.listening()
    for beats in range(1, 6):
        edge.clock.advance(8)
        await edge.until(lambda beats=beats: client.heartbeats == beats)
        await client.nothing_more()  # its echo has been read by now


async def test_a_peer_that_echoes_nothing_is_dropped(edge: Edge) -> None:
    client = await edge.listening()
    client.echoes = False
    for _ in range(3):
        edge.clock.advance(8)
    await client.ended()
    assert edge.hub.counters.dead_peers == 1


async def test_too_many_devices_and_connections_are_refused(make_edge: Any) -> None:
    edge = await make_edge(devices_per_identity=1, connections_per_account=2)
    await edge.registered("bob")
    second = await edge.listening("bob")
    await second.send("register", media={"audio": True})
    assert (await second.expect("error"))["error"]["code"] == 31206
    third = await edge.connect()
    await third.send("listen", token=edge.token(), reconnectTimeout=0)
    assert (await third.expect("error"))["error"]["code"] == 31206


async def test_sockets_without_a_token_are_limited(make_edge: Any) -> None:
    edge = await make_edge(unauthenticated=1)
    await edge.connect()
    with pytest.raises(WSServerHandshakeError) as caught:
        await edge.connect()
    assert caught.value.status == 503


async def test_revoking_a_key_sends_idle_clients_away_and_leaves_calls_alone(edge: Edge) -> None:
    idle, talking = await edge.registered("bob"), await edge.registered("alice")
    stranger = await edge.connect()
    await stranger.send(
        "listen", token=edge.token("x", account=OTHER_ACCOUNT, key=OTHER_KEY, secret="2" * 32), reconnectTimeout=0
    )
    await stranger.expect("connected")
    await edge.placed(talking)
    edge.signalling.revoke(ACCOUNT, KEY)
    assert (await idle.expect("error"))["error"]["code"] == 31204
    await idle.expect("close")
    assert edge.hub.registered(ACCOUNT, "bob") == edge.hub.registered(ACCOUNT, "alice") == ()
    assert (await talking.expect("error"))["error"]["code"] == 31204
    await talking.expect("offline")
    await talking.nothing_more()
    await stranger.nothing_more()


async def test_closing_ends_every_socket_and_refuses_new_ones(edge: Edge) -> None:
    client = await edge.registered("bob")
    closing = asyncio.create_task(edge.signalling.close())
    assert await client.ended() == 1001
    await closing
    with pytest.raises(WSServerHandshakeError):
        await edge.connect()


async def test_frames_are_traced_without_tokens_descriptions_or_content(edge: Edge) -> None:
    client = await edge.listening()
    leg, reconnect = await edge.up_and_running(client)
    await client.send(
        "message",
        callsid=leg,
        content="very private",
        contenttype="application/json",
        messagetype="user-defined-message",
        voiceeventsid="KX" + "1" * 32,
    )
    await client.expect("ack")
    told = [(event.detail["direction"], event.detail["type"]) for event in edge.trace.events]
    assert told == [
        ("in", "listen"),
        ("out", "connected"),
        ("in", "invite"),
        ("out", "ringing"),
        ("out", "answer"),
        ("in", "message"),
        ("out", "ack"),
    ]
    everything = repr(edge.trace.events)
    for secret in ("eyJ", reconnect, "very private", "ice-ufrag"):
        assert secret not in everything
    assert edge.trace.events[-1].leg_sid == leg


async def test_a_client_that_leaves_during_the_handshake_is_no_error(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    """Found by `make crash` on a busy machine: each such client left a traceback in the log."""
    left = asyncio.Event()

    async def leave_and_knock(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        try:
            return await edge.signalling.handle(request)
        finally:
            left.set()

    app = web.Application()
    app.router.add_get("/signal", leave_and_knock)
    async with TestServer(app) as server, ClientSession() as session:
        with pytest.raises(ClientError):
            await session.ws_connect(server.make_url("/signal"))
        await left.wait()
        await edge.clock.settle()
    assert edge.signalling.connections == 0
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
