"""Which connection carries which leg: the Devices port, and what connections ask when a frame is about a leg.

The hub decides who may speak for a leg, keeps what a client has not receipted, and lets a leg move to another socket.
It never waits for a client; reading a leg's log is the flusher's work.
"""

from __future__ import annotations

import base64
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from midcall.core import errors, sids
from midcall.core.errors import Refused
from midcall.core.messages import Log
from midcall.core.sdp import Kinship, can_be_answer, compare, peer_of
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import Bus, Clock, DeviceId, Entropy, Invite, Nudge, Trace, TraceEvent
from midcall.signalling.carriage import Carriage, Line, ReconnectTokens, Role, Tracked
from midcall.signalling.counters import Counters
from midcall.signalling.flush import Flusher
from midcall.signalling.held import HeldInvites, is_placing
from midcall.signalling.limits import Place, SignallingLimits
from midcall.signalling.registrations import Registrations
from midcall.signalling.tracing import describe, leg_of
from midcall.switch.calls import Calls
from midcall.switch.messages import Messages
from midcall.wire import signal

_log = logging.getLogger(__name__)

TOKEN_BYTES: Final = 24


@dataclass(slots=True)
class _Carried:
    """A leg's carriages: its holder's, and those of devices that were offered it.

    Attributes:
        withdrawn: tokens of offers that are over. A client that lost its socket is offered the leg a second time, and
            may answer that offer and resume the first one.
    """

    holder: Carriage | None = None
    offers: dict[DeviceId, Carriage] = field(default_factory=dict)
    withdrawn: list[ReconnectTokens] = field(default_factory=list)

    def all(self) -> list[Carriage]:
        return [*([self.holder] if self.holder else []), *self.offers.values()]


class Hub:
    """Implements `ports.Devices`.

    Args:
        messages: where the legs' logs are read and receipts go.
        entropy: makes device ids, leg sids and reconnect tokens.
    """

    def __init__(
        self,
        *,
        messages: Messages,
        clock: Clock,
        entropy: Entropy,
        trace: Trace | None = None,
        limits: SignallingLimits | None = None,
        place: Place | None = None,
    ) -> None:
        self.messages = messages
        self.clock = clock
        self.limits = limits or SignallingLimits()
        self.place_shown = place or Place()
        self.counters = Counters()
        self._entropy = entropy
        self._trace = trace
        self._calls: Calls | None = None
        self._flusher = Flusher(messages, clock, self.limits.unreceipted_messages)
        self._lines: dict[DeviceId, Line] = {}
        self._per_account: Counter[AccountSid] = Counter()
        self._registered = Registrations(self.limits.devices_per_identity)
        self._legs: dict[CallSid, _Carried] = {}
        self._no_media: set[DeviceId] = set()
        self._held = HeldInvites()

    def attach(self, calls: Calls, bus: Bus) -> None:
        """Close the circle: the switch knows the hub as its devices, the hub tells it what clients do."""
        self._calls = calls
        bus.listen(self._on_nudge)

    @property
    def calls(self) -> Calls:
        if self._calls is None:
            raise RuntimeError("Hub.attach has not been called")
        return self._calls

    async def close(self) -> None:
        """End what the hub itself runs; connections are ended by their handler's owner."""
        await self._flusher.close()

    # ------------------------------------------------------------------------------------------------- the port

    def registered(self, account: AccountSid, identity: str) -> tuple[DeviceId, ...]:
        return self._registered.of(account, identity)

    def declares_no_media(self, device: DeviceId) -> bool:
        return device in self._no_media

    def invite(self, device: DeviceId, invite: Invite) -> None:
        """Offer a leg to a device, and flush the leg's messages to it. A device that has it already is left alone;
        one that is placing a call is offered it a moment later."""
        line = self._lines.get(device)
        if line is None:
            self._soon(lambda: self.calls.device_gone(invite.leg, device))
            return
        if is_placing(line):
            self._held.hold(device, invite)
            return
        carried = self._legs.setdefault(invite.leg, _Carried())
        if invite.leg in line.carriages or carried.holder is not None:
            return  # also when it came back meanwhile and has just answered
        carriage = self._carriage(invite.leg, line, Role.OFFERED)
        carried.offers[device] = carriage
        carriage.announced = True
        line.send(
            signal.ServerInvite(
                call_sid=invite.leg,
                sdp=invite.sdp,
                parameters=dict(invite.parameters),
                reconnect=carriage.tokens.issue(),
            )
        )
        self._flusher.wake(carriage)

    def ringing(self, leg: CallSid, sdp: str | None) -> None:
        """Tell the holder that the callee is alerted."""
        carriage = self._holder(leg)
        if carriage is None or carriage.line is None:
            return
        carriage.announced = True
        carriage.line.send(signal.Ringing(call_sid=leg, sdp=sdp))
        self._flusher.wake(carriage)
        self._offer_held(carriage.line)

    def answer(self, leg: CallSid, sdp: str | None) -> None:
        """Tell the holder that the leg is up, with a fresh reconnect token. A holder that is away learns it later."""
        carriage = self._holder(leg)
        if carriage is None:
            return
        carriage.answer_sdp = sdp or carriage.answer_sdp
        self._send_answer(carriage, sdp)
        self._flusher.wake(carriage)
        self._offer_held(carriage.line)

    def taken(self, leg: CallSid, winner: DeviceId) -> None:
        """The winner holds the leg from now on, the other devices get `cancel`."""
        carried = self._legs.get(leg)
        carriage = carried.offers.pop(winner, None) if carried else None
        if carried is None or carriage is None:
            return
        carried.holder = carriage
        carriage.role = Role.HOLDER
        self._cancel_offers(carried)
        if carriage.hung_up:
            self._soon(lambda: self.calls.hung_up(leg))
        elif carriage.line is None:
            self._soon(lambda: self._still_away(carriage))
        elif not carriage.taken_over:
            self._send_answer(carriage, None)
            self._flusher.wake(carriage)

    def hangup(self, leg: CallSid, code: int | None = None, message: str | None = None) -> None:
        """End the leg at its holder and forget it; devices that are only offered the leg get `cancel`."""
        self._held.drop(leg)
        carried = self._legs.pop(leg, None)
        if carried is None:
            return
        fault = None if code is None else signal.Fault(code=code, message=message or "")
        for carriage in carried.all():
            if carriage.line is not None and carriage.role is not Role.OFFERED and not carriage.hung_up:
                # A client takes `hangup` for a leg it has answered, and `cancel` for one it was only offered.
                carriage.line.send(signal.Hangup(call_sid=carriage.name, error=fault))
                self._release(carriage)
        self._cancel_offers(carried)
        if carried.holder is not None:
            self._release(carried.holder)

    def reader(self, leg: CallSid) -> str | None:
        carriage = self._holder(leg)
        return carriage.device if carriage is not None else None

    def written_at(self, leg: CallSid, seq: int) -> float | None:
        carried = self._legs.get(leg)
        times = [
            tracked.written_at
            for carriage in (carried.all() if carried else ())
            for tracked in carriage.outbox
            if tracked.seq == seq and tracked.written_at is not None
        ]
        return min(times, default=None)

    # ------------------------------------------------------------------------------------- connections and devices

    def new_device(self) -> DeviceId:
        return DeviceId(self._entropy(sids.ENTROPY_BYTES).hex())

    def join(self, line: Line) -> None:
        """A connection has shown its first good token.

        Raises:
            Refused: RATE_EXCEEDED when the account has too many connections.
        """
        if self._per_account[line.account] >= self.limits.connections_per_account:
            raise Refused(errors.RATE_EXCEEDED, "The account has too many signalling connections")
        self._per_account[line.account] += 1
        self._lines[line.device] = line
        if line.declares_no_media:
            self._no_media.add(line.device)

    def leave(self, line: Line) -> None:
        """A socket has ended: its registration goes, its legs stay until they are resumed or over."""
        if self._lines.pop(line.device, None) is None:
            return
        self._per_account[line.account] -= 1
        if not self._per_account[line.account]:
            del self._per_account[line.account]
        self.unregister(line)
        carriages = list(line.carriages.values())
        line.aliases.clear()
        line.carriages.clear()
        for carriage in carriages:
            carriage.line = None
        for carriage in carriages:
            if carriage.role is Role.HOLDER and not carriage.tokens.issued:
                # Nothing can bring it back: a client without a token closes its call with the socket.
                carriage.hung_up = True
                self.calls.hung_up(carriage.leg)
            elif carriage.role is Role.HOLDER:
                self.messages.client_away(carriage.leg, carriage.device, carriage.position)
                self.calls.away(carriage.leg)
            elif carriage.role is Role.OFFERED:
                self.calls.device_gone(carriage.leg, carriage.device)
        for invite in self._held.take(line.device):
            self.calls.device_gone(invite.leg, line.device)
        if not any(carriage.device == line.device for carriage in carriages):
            self._no_media.discard(line.device)

    def register(self, line: Line) -> bool:
        """Offer incoming calls to a connection; True when it was not registered before.

        Raises:
            Refused: INCOMING_NOT_ALLOWED without identity; RATE_EXCEEDED when the identity has too many devices.
        """
        return self._registered.add(line)

    def unregister(self, line: Line) -> bool:
        """Offer no more calls to a connection; True when it was registered."""
        return self._registered.remove(line)

    @property
    def registrations(self) -> int:
        return len(self._registered)

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(self._lines.values())

    @property
    def legs(self) -> int:
        return len(self._legs)

    # -------------------------------------------------------------------------------------- what clients do to legs

    def place(self, line: Line, temporary_id: str, offer: str) -> Carriage:
        """Let a connection hold a new leg under a new sid, before anything happens to it.

        Raises:
            Refused: RATE_EXCEEDED when the connection carries too many legs.
        """
        if len(line.carriages) >= self.limits.legs_per_connection:
            raise Refused(errors.RATE_EXCEEDED, "The connection carries too many calls")
        leg = CallSid(sids.mint("CA", self._entropy(sids.ENTROPY_BYTES)))
        carriage = self._carriage(leg, line, Role.HOLDER)
        carriage.temporary_id = temporary_id
        carriage.peer = peer_of(offer)
        line.aliases[temporary_id] = carriage
        self._legs[leg] = _Carried(holder=carriage)
        return carriage

    def find(self, line: Line, call_sid: str) -> Carriage | None:
        """The carriage that a connection may speak for, by the leg's sid or the client's temporary id.

        It carries the leg, or the leg's client is away and the connection is of the same account and identity:
        browsers replay what they queued while offline before they resume (reference section 1.7).
        """
        carriage = line.aliases.get(call_sid)
        if carriage is not None:
            return carriage
        sid = sids.parse(call_sid, "CA")
        if sid is None:
            return None
        leg = CallSid(sid)
        if (carriage := line.carriages.get(leg)) is not None:
            return carriage
        carried = self._legs.get(leg)
        return next((c for c in carried.all() if c.line is None and c.belongs_to(line)), None) if carried else None

    def rings(self, line: Line, call_sid: str) -> bool:
        """Whether a leg is offered to any device of the connection's account and identity."""
        sid = sids.parse(call_sid, "CA")
        carried = self._legs.get(CallSid(sid)) if sid is not None else None
        return carried is not None and any(offer.belongs_to(line) for offer in carried.offers.values())

    def answered(self, line: Line, carriage: Carriage, sdp: str, *, resume_window_s: float) -> None:
        """A device takes the leg it was offered; the switch decides whether that counts, and calls `taken`."""
        if carriage.line is not line:
            self._withdraw_second_offer(line, carriage.leg)
            self._move(carriage, line)
            self._send_again(carriage)  # a resume that follows finds nothing moved
        carriage.role = Role.ANSWERED
        carriage.peer = peer_of(sdp)
        self.calls.answered(carriage.leg, carriage.device, sdp, resume_window_s)

    def rejected(self, carriage: Carriage) -> None:
        """A device does not want the leg it was offered."""
        carried = self._legs.get(carriage.leg)
        if carried is not None:
            carried.offers.pop(carriage.device, None)
        self._release(carriage)
        self.calls.rejected(carriage.leg, carriage.device)

    def hung_up(self, carriage: Carriage, message: str | None) -> None:
        """The client has ended the leg."""
        if carriage.role is Role.OFFERED:  # accepting failed at the client, before its answer left
            self.rejected(carriage)
            return
        carriage.hung_up = True
        if carriage.role is Role.HOLDER:
            self.calls.hung_up(carriage.leg, message)

    def reinvited(self, carriage: Carriage, sdp: str) -> None:
        """The holder restarts ICE.

        Raises:
            Refused: SDP_UNUSABLE when the description is another peer's.
        """
        shown = peer_of(sdp)
        if compare(carriage.peer, shown) is Kinship.STRANGER:
            raise Refused(errors.SDP_UNUSABLE, "A re-invite comes from the same peer connection")
        carriage.peer = shown
        carriage.answer_sdp = None
        self.calls.reinvited(carriage.leg, sdp)

    def resume(self, line: Line, call_sid: str, token: str, sdp: str, *, resume_window_s: float) -> None:
        """Bring a leg to this connection: after a lost socket, in an ICE restart, where it already is, or away from
        the device that it rings at.

        A client resumes only what it has placed or accepted, and shows the description it has. So a leg that is still
        ringing for it was accepted, and its `answer` was lost with the socket: the resume is the answer. With an offer
        another device takes the leg over; it shows the first one's connect token.

        Raises:
            Refused: RESUME_REFUSED for an unknown leg, a wrong token, a stranger's token, or another peer of a leg
                that was answered.
        """
        carriage = self._resumable(line, call_sid, token)
        if carriage is not None and carriage.role is Role.OFFERED:
            self._take(line, carriage, token, sdp, resume_window_s)
            return
        shown = peer_of(sdp)
        kinship = compare(carriage.peer, shown) if carriage else Kinship.STRANGER
        if carriage is None or kinship is Kinship.STRANGER:
            self.counters.refused_resumes += 1
            raise Refused(errors.RESUME_REFUSED)
        self.counters.resumes += 1
        if not carriage.tokens.use(token):
            carriage.tokens.inherit(token)
        moved = carriage.line is not line
        if moved:
            self._move(carriage, line)
        if kinship is Kinship.ICE_RESTART:
            carriage.peer = shown
            carriage.answer_sdp = None
        else:
            # The description counts only for a client whose re-invite is still open: its answer was lost.
            self._send_answer(carriage, carriage.answer_sdp)
        if moved:
            self._send_again(carriage)
        self._flusher.wake(carriage)
        if carriage.role is Role.HOLDER and (moved or kinship is Kinship.ICE_RESTART):
            self.calls.back(carriage.leg, sdp if kinship is Kinship.ICE_RESTART else None)

    def _take(self, line: Line, carriage: Carriage, token: str, sdp: str, resume_window_s: float) -> None:
        """A leg that rings is answered by a resume, or taken over."""
        carriage.tokens.use(token)
        # Clients without media show the same description in both cases; where the first device is there it is another.
        elsewhere = carriage.line is not None and carriage.line is not line
        if can_be_answer(sdp) and not (elsewhere and peer_of(sdp).fingerprint is None):
            self.counters.resumes += 1
            self.answered(line, carriage, sdp, resume_window_s=resume_window_s)
        else:
            self._take_over(line, carriage, sdp, resume_window_s)

    def _take_over(self, line: Line, carriage: Carriage, sdp: str, resume_window_s: float) -> None:
        """A device answers for another one. The carriage moves to it, so that messages go on behind the last receipt
        of the first device, and a second use of the token finds the leg answered."""
        self.counters.takeovers += 1
        first = carriage.line
        if first is not line:
            self._withdraw_second_offer(line, carriage.leg)
            self._move(carriage, line)
            self._send_again(carriage)
            if first is not None:
                first.send(signal.Cancel(call_sid=carriage.leg))
        carriage.role = Role.ANSWERED
        carriage.taken_over = True
        carriage.peer = peer_of(sdp)
        self.calls.taken_over(carriage.leg, carriage.device, sdp, resume_window_s)

    def reply(self, line: Line, carriage: Carriage, frame: signal.Frame) -> None:
        """Answer a message: tracked while the leg lives, so that a lost ack comes again on resume."""
        if carriage.closed:
            line.send(frame)
            return
        if len(carriage.outbox) >= self.limits.unreceipted_frames:
            if carriage.line is not None:
                self.counters.dead_peers += 1
                carriage.line.abort("nothing is receipted")
            return
        tracked = carriage.track(frame)
        if carriage.line is not None:
            carriage.line.send(frame, tracked)

    def receipted(self, batch: Sequence[Tracked]) -> None:
        """The client has these frames."""
        for tracked in batch:
            tracked.received = True
        for carriage in dict.fromkeys(tracked.carriage for tracked in batch):
            if carriage.closed:
                continue
            if any(isinstance(t.frame, signal.ServerAnswer) for t in batch if t.carriage is carriage):
                carriage.answer_sdp = None
            if (last := carriage.settle()) is not None and last.seq is not None:
                self.counters.receipts += 1
                self.messages.received(carriage.leg, carriage.device, last.seq, written_at=last.written_at)
                self._flusher.wake_if_full(carriage)

    def sweep(self, line: Line) -> None:
        """Look for messages whose nudge was lost."""
        for carriage in line.carriages.values():
            self._flusher.wake(carriage)

    # ---------------------------------------------------------------------------------------------------- telemetry

    def record(self, line: Line | None, frame: signal.Frame, direction: str) -> None:
        if self._trace is not None:
            self._trace.record(
                TraceEvent(
                    at=self.clock.now(),
                    account_sid=(line.account or None) if line is not None else None,
                    leg_sid=leg_of(frame),
                    kind="signalling.frame",
                    detail=describe(frame, direction),
                )
            )

    # --------------------------------------------------------------------------------------------------- the inside

    def _carriage(self, leg: CallSid, line: Line, role: Role) -> Carriage:
        carriage = Carriage(
            leg=leg,
            account=line.account,
            identity=line.identity,
            device=line.device,
            role=role,
            tokens=ReconnectTokens(self._new_token),
            line=line,
        )
        line.carriages[leg] = carriage
        return carriage

    def _new_token(self) -> str:
        return base64.urlsafe_b64encode(self._entropy(TOKEN_BYTES)).decode()

    def _holder(self, leg: CallSid) -> Carriage | None:
        carried = self._legs.get(leg)
        return carried.holder if carried is not None else None

    def _resumable(self, line: Line, call_sid: str, token: str) -> Carriage | None:
        sid = sids.parse(call_sid, "CA")
        carried = self._legs.get(CallSid(sid)) if sid is not None else None
        if carried is None:
            return None
        found = next((c for c in carried.all() if c.tokens.accepts(token)), None)
        if found is None or found.role is Role.OFFERED:
            found = self._answered_instead(line, carried, token) or found
        if found is None or found.hung_up or (found.line is not line and not found.belongs_to(line)):
            return None
        return found

    def _answered_instead(self, line: Line, carried: _Carried, token: str) -> Carriage | None:
        """What a client has answered, when the token is of another offer of the same leg to it.

        It has answered on this socket, or on one that it has lost as well; that it is the same client, and no other
        device of its identity, its description has to show.
        """
        earlier = [*carried.withdrawn, *(offer.tokens for offer in carried.offers.values())]
        if not any(tokens.accepts(token) for tokens in earlier):
            return None
        answered = (c for c in carried.all() if c.role is not Role.OFFERED and c.line in (line, None))
        return next(answered, None)

    def _withdraw_second_offer(self, line: Line, leg: CallSid) -> None:
        """A client that was offered the leg again on its new socket speaks for the first offer."""
        second = line.carriages.get(leg)
        if second is not None:
            carried = self._legs[leg]
            carried.offers.pop(second.device, None)
            carried.withdrawn.append(second.tokens)
            self._release(second)

    def _send_answer(self, carriage: Carriage, sdp: str | None) -> None:
        if carriage.line is None:
            return
        carriage.announced = True
        frame = signal.ServerAnswer(call_sid=carriage.leg, sdp=sdp, reconnect=carriage.tokens.issue())
        # Its receipt is of interest, a repetition is not: a resume makes an answer of its own.
        carriage.line.send(frame, Tracked(carriage, frame) if sdp is not None else None)

    def _send_again(self, carriage: Carriage) -> None:
        assert carriage.line is not None
        for tracked in carriage.unreceipted():
            self.counters.resent += 1
            carriage.line.send(tracked.frame, tracked)

    def _move(self, carriage: Carriage, line: Line) -> None:
        if carriage.line is not None:
            self._unhook(carriage, carriage.line)
        elif carriage.role is Role.HOLDER:
            carriage.returning = True
            self.messages.client_back(carriage.leg, carriage.device)
        carriage.line = line
        line.carriages[carriage.leg] = carriage
        if carriage.temporary_id is not None:
            line.aliases[carriage.temporary_id] = carriage

    def _unhook(self, carriage: Carriage, line: Line) -> None:
        if line.carriages.get(carriage.leg) is carriage:
            del line.carriages[carriage.leg]
        if carriage.temporary_id is not None:
            line.aliases.pop(carriage.temporary_id, None)

    def _cancel_offers(self, carried: _Carried) -> None:
        winner = carried.holder.line if carried.holder is not None else None
        for carriage in carried.offers.values():
            if carriage.line is not None and carriage.line is not winner and not carriage.hung_up:
                carriage.line.send(signal.Cancel(call_sid=carriage.leg))
            carried.withdrawn.append(carriage.tokens)
            self._release(carriage)
        carried.offers.clear()

    def _release(self, carriage: Carriage) -> None:
        """The leg is over for this device."""
        carriage.closed = True
        line, carriage.line = carriage.line, None
        if line is not None:
            self._unhook(carriage, line)
            self._offer_held(line)
        carriage.outbox.clear()
        if carriage.device not in self._lines and not self._carries_elsewhere(carriage.device):
            self._no_media.discard(carriage.device)

    def _offer_held(self, line: Line | None) -> None:
        """Offer what waited until the client's own call had its sid, or was over."""
        if line is not None and not is_placing(line):
            for invite in self._held.take(line.device):
                self.invite(line.device, invite)

    def _carries_elsewhere(self, device: DeviceId) -> bool:
        if device not in self._no_media:
            return False
        return any(c.device == device and not c.closed for carried in self._legs.values() for c in carried.all())

    def forget(self, carriage: Carriage) -> None:
        """The leg was never placed."""
        self._legs.pop(carriage.leg, None)
        self._release(carriage)

    def _still_away(self, carriage: Carriage) -> None:
        if carriage.line is None and not carriage.closed:
            self.calls.away(carriage.leg)

    def _soon(self, action: Callable[[], None]) -> None:
        """The switch calls us in the middle of a step; what we have to tell it then waits for the next turn."""
        self.clock.call_later(0, action)

    def _on_nudge(self, nudge: Nudge) -> None:
        if nudge.log is Log.TO_CLIENT and (carried := self._legs.get(nudge.leg_sid)) is not None:
            for carriage in carried.all():
                self._flusher.wake(carriage)
