"""An ICE restart of a live aiortc connection: the offer for it, and what the server's answer means for DTLS.

A server may answer with the DTLS identity it had: then the session and its keys stay, only the path changes. Or with
another one, as Midcall's own server does, which lets a fresh peer answer: then a new handshake comes first, and sender
and receiver change over to it (RFC 8842 section 4). They keep their numbers, so that to the far end it is one stream.

aiortc would refuse a second round of its own offers and answers here: it renumbers payload types in them and cannot
change a transport that runs. So the offer is the description that is in force, with what a restart changes. With
`ice.py` this is all that reaches into private parts of aiortc 1.16; `tests/sdk/test_restart.py` notices when they move.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, Final

from aioice import Candidate
from aiortc import RTCPeerConnection, sdp
from aiortc.rtcdtlstransport import RTCDtlsParameters, RTCDtlsTransport, State
from aiortc.rtcicetransport import RTCIceParameters, candidate_to_aioice

from midcall.core.client import IceState
from midcall.sdk.ice import Agent, Path, Patience
from midcall.wire import rtp

log = logging.getLogger("midcall.sdk.media")

_UFRAG: Final = re.compile(r"^a=ice-ufrag:[^\r\n]*", re.MULTILINE)
_PASSWORD: Final = re.compile(r"^a=ice-pwd:[^\r\n]*", re.MULTILINE)
_SETUP: Final = re.compile(r"^a=setup:[^\r\n]*", re.MULTILINE)
_VERSION: Final = re.compile(r"^(o=\S+ \S+) (\d+) ", re.MULTILINE)

Fingerprints = frozenset[tuple[str, str]]


class Restarts:
    """The restarts of one connection with one audio section.

    Attributes:
        packets_sent, bytes_sent: of RTP, payload only. aiortc counts as well what was held back.
    """

    def __init__(
        self,
        connection: RTCPeerConnection,
        *,
        patience: Patience,
        dscp: bool,
        tell: Callable[[IceState], None],
        outgoing: Callable[[bytes], bytes],
    ) -> None:
        """Nothing is opened yet.

        Args:
            connection: has its transceiver and has not begun.
            patience: how long ICE waits.
            dscp: whether packets are marked as voice.
            tell: hears what becomes of ICE.
            outgoing: gets each packet of RTP and RTCP, and says what to send in its place.
        """
        self._connection: Any = connection
        self._outgoing = outgoing
        self.packets_sent = self.bytes_sent = 0
        transport: Any = self._dtls.transport
        self._path = Path(transport.iceGatherer._connection, patience=patience, dscp=dscp, tell=tell)
        self._path.change_over = self._change_over
        transport.iceGatherer._connection = transport._connection = self._path
        transport._recv, transport._send = self._path.recv, self._path.send
        self._adapt(self._dtls)
        self._dtls.on("statechange", lambda: tell(IceState.FAILED) if self._dtls.state == "failed" else None)
        self._wanted: RTCDtlsParameters | None = None
        self._peer: Fingerprints = frozenset()
        self._ended = asyncio.Event()
        self._handshake: asyncio.Task[Any] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether ICE and DTLS are up."""
        return self._path.is_up and self._dtls.state == "connected" and not self._ended.is_set()

    def way(self) -> tuple[Candidate, Candidate] | None:
        """Both ends of the way that is in use."""
        return self._path.way()

    async def until_ended(self) -> None:
        """Wait until the server has closed its end of the DTLS session."""
        await self._ended.wait()

    def expect(self, remote: str) -> None:
        """The server's first description, before aiortc takes it.

        Raises:
            ValueError: it cannot be used; aiortc would notice only when there is a way.
        """
        _, dtls = _parameters(_audio(remote))
        self._peer = _fingerprints(dtls)

    async def offer(self, description: str) -> str:
        """An offer that restarts ICE: our description, with new credentials and a higher version.

        Raises:
            ConnectionError: there is no address to send from.
        """
        username, password = await self._path.prepare()
        text = _UFRAG.sub(f"a=ice-ufrag:{username}", description)
        text = _PASSWORD.sub(f"a=ice-pwd:{password}", text)
        text = _SETUP.sub("a=setup:actpass", text)
        return _VERSION.sub(lambda found: f"{found[1]} {int(found[2]) + 1} ", text)

    async def apply(self, answer: str) -> None:
        """Take the server's answer; the path tells when there is a way.

        Raises:
            ValueError: it cannot be used.
        """
        media = _audio(answer)
        ice, self._wanted = _parameters(media)
        candidates: list[Candidate] = [candidate_to_aioice(candidate) for candidate in media.ice_candidates]
        await self._path.follow(ice.usernameFragment, ice.password, candidates, is_lite=bool(ice.iceLite))

    # ------------------------------------------------------------------------------------------------------------ DTLS

    @property
    def _dtls(self) -> RTCDtlsTransport:
        transport: RTCDtlsTransport = self._connection.getTransceivers()[0].sender.transport
        return transport

    async def _change_over(self, agent: Agent) -> None:
        """There is a way through this agent.

        Raises:
            ConnectionError: the DTLS handshake that it takes fails.
        """
        wanted = self._wanted
        if wanted is None or not self._path.is_next(agent) or self._keeps_session(wanted):
            self._path.use(agent)
        elif self._dtls.state == "new":  # the first handshake has waited for a way; let it know whom to expect now
            (first,) = self._connection._RTCPeerConnection__remoteDtls.values()
            first.fingerprints = wanted.fingerprints
            self._dtls._set_role(_role(wanted))
            self._peer = _fingerprints(wanted)
            self._path.use(agent)
        else:
            await self._renew(agent, wanted)

    def _keeps_session(self, wanted: RTCDtlsParameters) -> bool:
        return _fingerprints(wanted) == self._peer and not self._ended.is_set() and self._dtls.state != "failed"

    async def _renew(self, agent: Agent, wanted: RTCDtlsParameters) -> None:
        if self._handshake is not None:
            self._handshake.cancel()
        self._handshake = asyncio.current_task()
        old = self._dtls
        _retire(old)
        self._ended.set()
        self._path.change_reader()
        self._path.use(agent)
        new = RTCDtlsTransport(old.transport, [self._certificate])
        new._set_role(_role(wanted))
        await new.start(wanted)
        self._handshake = None
        if new.state != "connected":
            raise ConnectionError("the DTLS handshake failed")
        self._ended.clear()
        self._adapt(new)
        self._hand_over(old, new)
        self._peer = _fingerprints(wanted)
        await self._connection._RTCPeerConnection__connect()  # starts sender and receiver, unless they run already

    def _adapt(self, dtls: Any) -> None:
        """Let packets be counted and changed on their way out, where there is consent to send, and the session outlive
        its end."""
        send = dtls._send_rtp

        async def send_or_lose(data: bytes) -> None:
            if not self._path.may_send:
                return
            packet = None if rtp.is_rtcp(data) else rtp.parse(data)
            if packet is not None:
                self.packets_sent += 1
                self.bytes_sent += len(packet.payload)
            await send(self._outgoing(data))

        dtls._send_rtp = send_or_lose
        self._outlive_farewell(dtls)

    def _outlive_farewell(self, dtls: Any) -> None:
        """Let a server that closes its end of a session end nothing: there may be a restart, or its `hangup` is coming.

        aiortc would end the receiver for good and close the whole connection.
        """
        receive = dtls._recv_next

        async def receive_or_wait() -> None:
            try:
                await receive()
            except ConnectionError:
                if dtls.state != "connected" or self._path.closed.is_set():
                    raise
                self._ended.set()
                await self._path.closed.wait()
                raise

        dtls._recv_next = receive_or_wait

    @property
    def _certificate(self) -> Any:
        return self._connection._RTCPeerConnection__certificates[0]

    def _hand_over(self, old: RTCDtlsTransport, new: RTCDtlsTransport) -> None:
        new._rtp_router = old._rtp_router
        new._rtp_header_extensions_map = old._rtp_header_extensions_map
        for transceiver in self._connection.getTransceivers():
            transceiver.sender.setTransport(new)
            transceiver.receiver.setTransport(new)
        transports: set[RTCDtlsTransport] = self._connection._RTCPeerConnection__dtlsTransports
        transports.discard(old)
        transports.add(new)
        new.on("statechange", self._connection._RTCPeerConnection__updateConnectionState)


def _audio(text: str) -> sdp.MediaDescription:
    media = sdp.SessionDescription.parse(text).media
    if not media:
        raise ValueError("the description has no audio")
    return media[0]


def _parameters(media: sdp.MediaDescription) -> tuple[RTCIceParameters, RTCDtlsParameters]:
    if media.dtls is None or not media.dtls.fingerprints:
        raise ValueError("the description has no fingerprint")
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise ValueError("the description has no ICE credentials")
    return media.ice, media.dtls


def _fingerprints(parameters: RTCDtlsParameters) -> Fingerprints:
    return frozenset((one.algorithm.lower(), one.value.upper()) for one in parameters.fingerprints)


def _role(remote: RTCDtlsParameters) -> str:
    return "server" if remote.role == "client" else "client"


def _retire(dtls: Any) -> None:
    """Let it read no more, while sender and receiver still take it for connected: they would end with it."""

    def set_quietly(state: State) -> None:
        if state is not State.CLOSED:
            dtls._state = state

    dtls.remove_all_listeners()
    dtls._set_state = set_quietly
    if dtls._task is not None:
        dtls._task.cancel()
