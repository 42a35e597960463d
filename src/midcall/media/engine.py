"""The aiortc engine: media commands become peers, joins and sounds; what happens to them becomes events.

Runs on any asyncio loop: in a worker process, or in the control process when there are no workers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from midcall.core.sids import CallSid
from midcall.media import sounds
from midcall.media.bridge import Leg
from midcall.media.codecs import FRAME_S, Codec
from midcall.media.description import Unusable, read_answer, read_offer
from midcall.media.hooks import NoPort, PortRange
from midcall.media.options import EngineOptions
from midcall.media.peer import Identity, Peer
from midcall.ports import (
    AnswerReady,
    ApplyAnswer,
    CloseMedia,
    Couple,
    DigitHeard,
    Join,
    Link,
    MakeOffer,
    MediaCommand,
    MediaConnected,
    MediaEvent,
    MediaFailed,
    MediaLost,
    OfferReady,
    Part,
    PlayRingback,
    SendDigits,
    StopSound,
    Terminate,
)
from midcall.wire import rtp
from midcall.wire.telephone_event import Event

_log = logging.getLogger(__name__)

_MAX_WAITING: Final = 16
"""Descriptions of one leg that wait for the one before; a client that sends more is not negotiating."""

_STALLED_S: Final = 0.1
_IDLE_S: Final = 0.1
"""How often to look whether a leg needs a sound, while all hear their partners."""

Negotiation = Terminate | MakeOffer | ApplyAnswer | Couple


class _Leg(Leg):
    """A leg with its negotiation: descriptions one after the other, and peers that are not in place yet.

    Attributes:
        offered: waits for the client's answer.
        fresh: negotiated, connecting; takes the place of `peer` when it is connected.
        answer_held: our answer to a coupled caller, until the child has answered.
        coupled_to: the caller whose offer made this leg.
        model: of a linked leg, the one that it speaks for.
    """

    def __init__(self, sid: CallSid) -> None:
        super().__init__(sid)
        self.offered: Peer | None = None
        self.fresh: Peer | None = None
        self.answer_held: str | None = None
        self.coupled_to: CallSid | None = None
        self.model: _Leg | None = None
        self.waiting: deque[Negotiation] = deque()
        self.negotiating: asyncio.Task[None] | None = None
        self.identity = Identity()

    def peers(self) -> list[Peer]:
        return [peer for peer in (self.peer, self.fresh, self.offered) if peer is not None]

    @property
    def codec(self) -> Codec | None:
        """Its first choice, once negotiated; of a linked leg, that of the leg that it speaks for."""
        if self.model is not None:
            return self.model.codec
        peer = self.peer or self.fresh
        return None if peer is None else peer.payloads.preferred


class AiortcEngine:
    """Implements `ports.Media`."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._ports = PortRange(*options.ports)
        self._legs: dict[CallSid, _Leg] = {}
        self._owners: dict[Peer, _Leg] = {}
        self._emit: Callable[[MediaEvent], None] = lambda event: None
        self._pacer: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Future[None]] = set()
        self._closed = False

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        self._emit = on_event
        if not self._options.silent:
            self._hold(asyncio.get_running_loop().run_in_executor(None, sounds.warm))

    async def close(self) -> None:
        self._closed = True
        for sid in list(self._legs):
            self._end(sid)
        if self._pacer is not None:
            self._pacer.cancel()
            self._hold(self._pacer)
        while self._ending:
            await asyncio.wait(self._ending)

    def do(self, command: MediaCommand) -> None:
        if self._closed:
            return
        match command:
            case Terminate() | MakeOffer() | Couple():
                self._negotiate(self._legs.setdefault(command.leg, _Leg(command.leg)), command)
            case ApplyAnswer(leg=sid):
                leg = self._legs.get(sid)
                if leg is None:
                    self._emit_soon(MediaFailed(leg=sid, reason="There is no offer to answer."))
                else:
                    self._negotiate(leg, command)
            case Link(leg=sid, other=other, like=like):
                ends = [self._legs.setdefault(end, _Leg(end)) for end in (sid, other)]
                ends[0].link(ends[1])
                ends[0].model = None if like is None else self._legs.get(like)
            case CloseMedia(leg=sid):
                self._end(sid)
            case _:
                self._arrange(command)

    def _arrange(self, command: Join | Part | PlayRingback | StopSound | SendDigits) -> None:
        """Commands that take effect at once. Legs without media here are ignored."""
        leg = self._legs.get(command.leg)
        match command:
            case Join(other=other_sid):
                other = self._legs.get(other_sid)
                for known in (leg, other):
                    if known is not None:
                        known.stop_sound()
                if leg is not None and other is not None and not self._options.silent:
                    leg.join(other)
            case Part(other=other_sid):
                if leg is not None and leg.partner is not None and leg.partner.sid == other_sid:
                    leg.part()
            case PlayRingback() if leg is not None and not self._options.silent:
                leg.play_ringback()
            case StopSound() if leg is not None:
                leg.stop_sound()
            case SendDigits(digits=digits) if leg is not None:
                leg.send_digits(digits)

    # --------------------------------------------------------------------------------------------------- negotiation

    def _negotiate(self, leg: _Leg, command: Negotiation) -> None:
        if len(leg.waiting) >= _MAX_WAITING:
            reason = "Too many session descriptions at once."
            self._emit_soon(MediaFailed(leg=leg.sid, reason=reason, peers_fault=True))
            return
        leg.waiting.append(command)
        if leg.negotiating is None:
            leg.negotiating = asyncio.get_running_loop().create_task(self._work(leg))

    async def _work(self, leg: _Leg) -> None:
        while leg.waiting:
            try:
                await self._describe(leg, leg.waiting.popleft())
            except Unusable as error:
                self._emit(MediaFailed(leg=leg.sid, reason=str(error), peers_fault=True))
            except NoPort as error:
                self._emit(MediaFailed(leg=leg.sid, reason=str(error)))
            except Exception:
                _log.exception("%s: negotiating media failed", leg.sid)
                self._emit(MediaFailed(leg=leg.sid, reason="The media engine failed."))
        leg.negotiating = None

    async def _describe(self, leg: _Leg, command: Negotiation) -> None:
        match command:
            case Terminate(offer=offer):
                self._emit(AnswerReady(leg=leg.sid, sdp=await self._answer(leg, offer)))
            case MakeOffer(like=like):
                self._emit(OfferReady(leg=leg.sid, sdp=await self._offer(leg, like)))
            case ApplyAnswer(answer=answer):
                self._accept(leg, answer)
            case Couple(offer=offer, child=child_sid):
                leg.answer_held = await self._answer(leg, offer)
                child = self._legs.setdefault(child_sid, _Leg(child_sid))
                child.coupled_to = leg.sid
                self._negotiate(child, MakeOffer(leg=child_sid, like=leg.sid))

    async def _answer(self, leg: _Leg, offer: str) -> str:
        remote = read_offer(offer)
        peer = self._peer(leg)
        try:
            answer = await peer.answer(remote)
        except BaseException:
            self._close_peer(peer)
            raise
        if leg.fresh is not None:
            self._close_peer(leg.fresh, farewell=False)
        if leg.offered is not None:  # a device with an offer of its own took the ringing leg over
            self._close_peer(leg.offered)
            leg.offered = None
        leg.fresh = peer
        return answer

    async def _offer(self, leg: _Leg, like: CallSid | None) -> str:
        model = None if like is None else self._legs.get(like)
        first = (None if model is None else model.codec) or Codec.PCMU
        peer = self._peer(leg)
        try:
            offer = await peer.offer(first)
        except BaseException:
            self._close_peer(peer)
            raise
        if leg.offered is not None:
            self._close_peer(leg.offered)
        leg.offered = peer
        return offer

    def _accept(self, leg: _Leg, answer: str) -> None:
        remote = read_answer(answer)
        if leg.offered is None:
            raise Unusable("There is no offer to answer.")
        leg.offered.accept(remote)
        if leg.fresh is not None:
            self._close_peer(leg.fresh, farewell=False)
        leg.fresh, leg.offered = leg.offered, None
        caller = None if leg.coupled_to is None else self._legs.get(leg.coupled_to)
        leg.coupled_to = None
        if caller is not None and caller.answer_held is not None:
            self._emit(AnswerReady(leg=caller.sid, sdp=caller.answer_held))
            caller.answer_held = None
            self._arrange(Join(leg=caller.sid, other=leg.sid))

    def _peer(self, leg: _Leg) -> Peer:
        peer = Peer(self, leg.identity, addresses=self._options.addresses, ports=self._ports)
        self._owners[peer] = leg
        return peer

    # ------------------------------------------------------------------------------------- what peers say (Listener)

    def connected(self, peer: Peer) -> None:
        leg = self._owners.get(peer)
        if leg is None or leg.fresh is not peer:
            return
        if leg.peer is not None:
            self._close_peer(leg.peer, farewell=False)
        leg.peer, leg.fresh = peer, None
        leg.dial()
        self._pace()
        self._emit(MediaConnected(leg=leg.sid))

    def lost(self, peer: Peer) -> None:
        leg = self._owners.get(peer)
        if leg is None:
            return
        self._close_peer(peer)
        if leg.fresh is peer:
            leg.fresh = None
        elif leg.peer is peer:
            leg.peer = None
        if leg.peer is None and leg.fresh is None:
            self._emit(MediaLost(leg=leg.sid))

    def audio(self, peer: Peer, codec: Codec, packet: rtp.Packet) -> None:
        leg = self._owners.get(peer)
        if leg is not None:
            leg.say_audio(peer, codec, packet)

    def event(self, peer: Peer, packet: rtp.Packet, event: Event, rate: int, digit: str | None) -> None:
        leg = self._owners.get(peer)
        if leg is None:
            return
        leg.say_event(peer, packet, event, rate, digit)
        if digit is not None:
            self._emit(DigitHeard(leg=leg.sid, digit=digit))

    # --------------------------------------------------------------------------------------------------------- sounds

    def _pace(self) -> None:
        if self._pacer is None:
            self._pacer = asyncio.get_running_loop().create_task(self._play())

    async def _play(self) -> None:
        """Send a frame to each leg that has to hear something of ours, every 20 ms while there is a connected leg."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while any(leg.peer is not None for leg in self._legs.values()):
            now = time.monotonic()
            hungry = [leg for leg in self._legs.values() if leg.needs_sound]
            for leg in hungry:
                leg.tick(now)
            due += FRAME_S if hungry else _IDLE_S
            wait = due - loop.time()
            if wait < -_STALLED_S:
                due = loop.time()
            await asyncio.sleep(max(0.0, wait))
        self._pacer = None

    # ------------------------------------------------------------------------------------------------------------ end

    def _end(self, sid: CallSid) -> None:
        leg = self._legs.pop(sid, None)
        if leg is None:
            return
        leg.waiting.clear()
        for task in (leg.close(), leg.negotiating):
            if task is not None:
                task.cancel()
                self._hold(task)
        for peer in leg.peers():
            self._close_peer(peer)

    def _close_peer(self, peer: Peer, *, farewell: bool = True) -> None:
        self._owners.pop(peer, None)
        self._hold(peer.close(farewell=farewell))

    def _hold(self, task: asyncio.Future[None]) -> None:
        self._ending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._ending.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a media task failed", exc_info=task.exception())

    def _emit_soon(self, event: MediaEvent) -> None:
        asyncio.get_running_loop().call_soon(self._emit, event)
