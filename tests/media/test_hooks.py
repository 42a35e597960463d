"""What media/hooks.py takes for granted of aiortc and aioice. A failure here after an upgrade says where to look."""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import socket
from collections.abc import AsyncIterator

import pylibsrtp
import pytest
from aioice import Connection
from aioice.ice import StunProtocol
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import RTCDtlsTransport

from midcall.core.sids import CallSid
from midcall.media.engine import AiortcEngine
from midcall.media.hooks import Agent, Dtls, NoPort, PortRange
from midcall.media.options import EngineOptions
from midcall.ports import Join, MakeOffer, MediaFailed, OfferReady
from support.media_clients import Studio

A, B = CallSid("CA" + "a" * 32), CallSid("CA" + "b" * 32)


def test_the_releases_are_those_the_hooks_were_written_for() -> None:
    assert importlib.metadata.version("aiortc") == "1.16.0"
    assert importlib.metadata.version("aioice").startswith("0.13.")


def test_gathering_asks_for_the_candidates_of_one_component() -> None:
    parameters = inspect.signature(Connection.get_component_candidates).parameters
    assert list(parameters) == ["self", "component", "addresses", "timeout"]
    assert parameters["timeout"].default == 5
    assert inspect.iscoroutinefunction(Connection.get_component_candidates)


async def test_an_agent_keeps_its_sockets_checks_and_pairs_where_we_look() -> None:
    agent = Connection(ice_controlling=False)
    assert agent._protocols == [] and agent._remote_candidates == [] and not agent._early_checks
    assert agent._nominated == {} and agent._queue.qsize() == 0
    agent.data_received(b"x", 1)
    assert agent._queue.get_nowait() == (b"x", 1)
    protocol = StunProtocol(agent)
    assert protocol.receiver is agent


def test_a_dtls_transport_keeps_its_role_keys_and_task_where_we_look() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    for name in ("self._rx_srtp = Session(", "self._tx_srtp = Session(", "self._task = asyncio.ensure_future("):
        assert name in source
    assert list(inspect.signature(RTCDtlsTransport._set_role).parameters) == ["self", "role"]
    assert list(inspect.signature(RTCDtlsTransport.__init__).parameters) == ["self", "transport", "certificates"]
    assert RTCCertificate.generateCertificate().getFingerprints()[0].algorithm == "sha-256"


def test_srtp_buffers_are_as_long_as_the_longest_datagram_needs() -> None:
    assert len(pylibsrtp.Session()._cdata) == 1500


async def connect(**ports: tuple[int, int]) -> tuple[Agent, Agent]:
    """Two agents of ours that found each other without telling candidates to one side."""
    offering = Agent(controlling=True, addresses=["127.0.0.1"], ports=PortRange(*ports.get("ports", (0, 0))))
    answering = Agent(controlling=False, addresses=["127.0.0.1"], ports=PortRange(0, 0))
    for one, other in ((offering, answering), (answering, offering)):
        await one.gather_candidates()
        one.remote_username, one.remote_password = other.local_username, other.local_password
    await answering.add_remote_candidate(offering.local_candidates[0])
    await asyncio.gather(offering.connect(), answering.connect())
    return offering, answering


async def test_two_agents_with_dtls_carry_packets_and_close_cleanly() -> None:
    offering, answering = await connect()
    closed = asyncio.Event()
    server, client = Dtls(offering, closed.set), Dtls(answering, closed.set)
    await asyncio.gather(
        server.handshake(server=True, fingerprints=[("sha-256", client.fingerprint)]),
        client.handshake(server=False, fingerprints=[("sha-256", server.fingerprint)]),
    )
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    answering.on_srtp = arrived.set_result
    packet = bytes([0x80, 0]) + bytes(10) + b"voice"
    server.send(packet)
    sealed = await asyncio.wait_for(arrived, 5)
    assert sealed != packet
    assert client.open(sealed, rtcp=False) == packet
    assert client.open(sealed, rtcp=False) is None, "a replay"
    assert client.open(b"\x80" + bytes(40), rtcp=False) is None
    server.send(bytes(2000))  # longer than libsrtp's buffer: dropped, not raised
    await server.close()
    await asyncio.wait_for(closed.wait(), 5)
    await client.close()
    await offering.close()
    await answering.close()


async def test_a_wrong_fingerprint_ends_the_handshake() -> None:
    offering, answering = await connect()
    server, client = Dtls(offering, lambda: None), Dtls(answering, lambda: None)
    wrong = client.fingerprint[:-2] + ("00" if client.fingerprint[-2:] != "00" else "11")
    results = await asyncio.gather(
        server.handshake(server=True, fingerprints=[("sha-256", wrong)]),
        client.handshake(server=False, fingerprints=[("sha-256", server.fingerprint)]),
        return_exceptions=True,
    )
    assert isinstance(results[0], ConnectionError)
    for end in (server, client, offering, answering):
        await end.close()


@pytest.fixture
def two_free_ports() -> tuple[int, int]:
    """Two neighbouring UDP ports that were free a moment ago."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port, port + 1


async def test_ports_come_from_the_range_and_run_out(two_free_ports: tuple[int, int]) -> None:
    ports = PortRange(*two_free_ports)
    agents = [Agent(controlling=True, addresses=["127.0.0.1"], ports=ports) for _ in range(3)]
    for agent in agents[:2]:
        await agent.gather_candidates()
    assert {agent.local_candidates[0].port for agent in agents[:2]} == {*two_free_ports}
    with pytest.raises(NoPort):
        await agents[2].gather_candidates()
    await agents[0].close()
    again = Agent(controlling=True, addresses=["127.0.0.1"], ports=ports)
    await again.gather_candidates()
    for agent in (*agents[1:], again):
        await agent.close()


async def test_an_address_in_front_of_the_machine_is_offered_all_the_same() -> None:
    agent = Agent(controlling=True, addresses=["203.0.113.7"], ports=PortRange(0, 0))
    await agent.gather_candidates()
    (candidate,) = agent.local_candidates
    assert candidate.host == "203.0.113.7"
    assert agent._protocols[0].transport.get_extra_info("sockname") == ("0.0.0.0", candidate.port)  # noqa: S104
    await agent.close()


async def test_by_default_every_address_is_offered_and_loopback_last() -> None:
    agent = Agent(controlling=True, addresses=[], ports=PortRange(0, 0))
    await agent.gather_candidates()
    candidates = agent.local_candidates
    assert candidates[-1].host == "127.0.0.1"
    priorities = [candidate.priority for candidate in candidates]
    assert priorities == sorted(set(priorities), reverse=True)
    await agent.close()


# ------------------------------------------------------------------------------------------------ strangers' datagrams


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    studio = Studio(AiortcEngine(EngineOptions(addresses=("127.0.0.1",))))
    await studio.media.start(studio.ledger.record)
    yield studio
    await studio.close()


HOSTILE = [
    b"",
    b"\x80",
    b"\x80" * 1399,
    b"\x80" * 4000,
    b"\x80\xc8" + bytes(40),
    b"\x16\xfe\xff" + bytes(30),
    b"\x14" * 1500,
    bytes(5),
    b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
    b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12) + b"\x00\x20\x00\x01\x01\x00\x00\x00",  # a cut address attribute
    b"\x00\x01\x00\x04\x21\x12\xa4\x42" + bytes(12) + b"\x00\x24\x00\x00",  # an empty priority
    b"\xff" * 100,
]


async def test_datagrams_of_strangers_harm_no_leg(studio: Studio) -> None:
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    await studio.called_by(caller, A)
    await studio.call(callee, B)
    studio.do(Join(leg=A, other=B))
    await callee.until(lambda: callee.hears(1000))
    engine = studio.media
    assert isinstance(engine, AiortcEngine)
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unhandled.append(context))
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        for leg in engine._legs.values():
            assert leg.peer is not None and leg.peer._agent is not None
            for candidate in leg.peer._agent.local_candidates:
                for datagram in HOSTILE:
                    stranger.sendto(datagram, (candidate.host, candidate.port))
    await asyncio.gather(caller.more(), callee.more())
    assert callee.hears(1000) and caller.hears(1500)
    assert not unhandled and not studio.ledger.events


async def test_a_leg_without_a_free_port_fails_and_is_not_the_clients_fault(two_free_ports: tuple[int, int]) -> None:
    engine = AiortcEngine(EngineOptions(addresses=("127.0.0.1",), ports=(two_free_ports[0], two_free_ports[0])))
    studio = Studio(engine)
    await engine.start(studio.ledger.record)
    studio.do(MakeOffer(leg=A), MakeOffer(leg=B))
    await studio.ledger.take(OfferReady, A)
    failed = await studio.ledger.take(MediaFailed, B)
    assert not failed.peers_fault and "port" in failed.reason
    await studio.close()
