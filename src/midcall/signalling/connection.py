"""One WebSocket of one client: reads its frames in order, checks what it may do, and answers.

Frames are handled one after the other, so what arrives while a token is being checked simply waits in the socket.
Messages are the exception: several may be with the store at once, in order, up to a limit that stops the reading.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Final, Protocol

from midcall.core import errors
from midcall.core.errors import Refused, Rule
from midcall.core.sids import AccountSid, CallSid, KeySid
from midcall.ports import Timer
from midcall.signalling.carriage import Carriage, Role, Tracked
from midcall.signalling.hub import Hub
from midcall.signalling.outlet import Outlet, Sink
from midcall.switch.accounts import Accounts, Grant
from midcall.switch.calls import Placed
from midcall.switch.messages import ClientMessage
from midcall.wire import signal

_log = logging.getLogger(__name__)

SWEEP_EVERY: Final = 4
"""Heartbeats between two looks for messages whose nudge was lost."""

CLOSE_S: Final = 5.0
"""What waits for a closing socket has so long to go out."""

GOING_AWAY: Final = 1001
TRY_AGAIN_LATER: Final = 1013

_DIGITS: Final = re.compile(r"[0-9*#A-Dw]{1,256}", re.ASCII)

NOBODY: Final = AccountSid("")
"""The account of a connection that has not shown a good token yet."""


class Socket(Sink, Protocol):
    """What a connection needs of its WebSocket."""

    async def receive(self) -> str | None:
        """The next text frame; "" for anything that is not text; None at the end."""

    async def close(self, code: int) -> None: ...

    def abort(self) -> None:
        """Drop the socket without a word."""


class Connection:
    """Implements `Line` for the hub.

    Args:
        socket: an open WebSocket.
        welcome: called once the first good token has been shown.
        host: the host name by which the client came; it may ask for an edge.
    """

    def __init__(
        self, socket: Socket, hub: Hub, accounts: Accounts, *, welcome: Callable[[], None], host: str = ""
    ) -> None:
        self.device = hub.new_device()
        self.account = NOBODY
        self.identity: str | None = None
        self.declares_no_media = False
        self.carriages: dict[CallSid, Carriage] = {}
        self.aliases: dict[str, Carriage] = {}
        self._socket = socket
        self._hub = hub
        self._accounts = accounts
        self._welcome = welcome
        self._place = hub.place_shown.asked_by(host)
        self._limits = hub.limits
        self._outlet = Outlet(socket, limit_bytes=hub.limits.queued_bytes, fail=self.abort)
        self._grant: Grant | None = None
        self._reconnect_timeout_s = 0.0
        self._accepting: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._reading_stopped = False
        self._dismissed = False
        self._ended = False
        self._beats = 0
        self._allowance = float(self._limits.frames_per_second)
        self._paced_at = hub.clock.monotonic()
        self._heartbeat: Timer = hub.clock.call_later(self._limits.heartbeat_s, self._on_heartbeat_due)
        self._deadline: Timer | None = hub.clock.call_later(
            self._limits.listen_timeout_s, lambda: self.close(TRY_AGAIN_LATER)
        )

    async def run(self) -> None:
        """Serve the client until its socket ends."""
        self._hub.counters.connections += 1
        try:
            while (text := await self._socket.receive()) is not None:
                if text == signal.HEARTBEAT and self._outlet.awaits_echo:
                    self._hub.receipted(self._outlet.echo())
                    continue
                await self._pace()
                if text != signal.HEARTBEAT and not self._dismissed:
                    await self._on_text(text)
        finally:
            await self._end()

    # ------------------------------------------------------------------------------------------------- for the hub

    def send(self, frame: signal.Frame, tracked: Tracked | None = None) -> None:
        if self._ended:
            return
        self._hub.counters.frames_out += 1
        self._hub.record(self, frame, "out")
        self._outlet.send(signal.encode(frame), tracked)

    def abort(self, reason: str) -> None:
        """Drop a socket that cannot be served any more; its legs wait for a resume."""
        if reason == SLOW:
            self._hub.counters.slow_readers += 1
        _log.info("signalling socket dropped: %s", reason, extra={"account_sid": self.account or None})
        self._socket.abort()

    # ------------------------------------------------------------------------------------------- for the hub's owner

    @property
    def key_sid(self) -> KeySid | None:
        return self._grant.key_sid if self._grant is not None else None

    def take_offline(self, rule: Rule) -> None:
        """Tell a client in a call that it gets no others; this one goes on."""
        if self._hub.unregister(self):
            self.send(_error(rule, rule.text))
            self.send(signal.Offline())

    def dismiss(self, rule: Rule) -> None:
        """Tell an idle client that it is not welcome any more, and not to come back on its own."""
        self._hub.unregister(self)
        self.send(_error(rule, rule.text))
        self.send(signal.Close())
        self._leave_soon()

    def close(self, code: int = GOING_AWAY) -> None:
        """End the socket after what waits has gone out."""
        if self._closing is None and not self._ended:
            self._closing = asyncio.create_task(self._close(code))

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._outlet.drain()
                await self._socket.close(code)
        except TimeoutError:
            self.abort("does not close")

    async def _end(self) -> None:
        self._ended = True
        self._heartbeat.cancel()
        if self._deadline is not None:
            self._deadline.cancel()
        self._hub.leave(self)
        # Messages that are with the store are not called back; their acks wait for the resume.
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await self._outlet.close()
        if self._closing is not None:
            await asyncio.wait([self._closing])

    # ------------------------------------------------------------------------------------------------- time and pace

    def _on_heartbeat_due(self) -> None:
        if self._ended:
            return
        if self._reading_stopped:
            self._outlet.excuse()
        if self._outlet.beat() >= self._limits.missed_heartbeats:
            self._hub.counters.dead_peers += 1
            self.abort("heartbeats are not echoed")
            return
        self._beats += 1
        if self._beats % SWEEP_EVERY == 0:
            self._hub.sweep(self)
        self._heartbeat = self._hub.clock.call_later(self._limits.heartbeat_s, self._on_heartbeat_due)

    async def _pace(self) -> None:
        """Read a client that is too fast more slowly."""
        now, rate = self._hub.clock.monotonic(), self._limits.frames_per_second
        self._allowance = min(float(rate), self._allowance + (now - self._paced_at) * rate)
        self._paced_at = now
        self._allowance -= 1
        if self._allowance < 0:
            waited = asyncio.get_running_loop().create_future()
            timer = self._hub.clock.call_later(-self._allowance / rate, lambda: _wake(waited))
            try:
                await self._while_not_reading(waited)
            finally:
                timer.cancel()

    async def _while_not_reading(self, waited: asyncio.Future[None]) -> None:
        self._reading_stopped = True
        try:
            await waited
        finally:
            self._reading_stopped = False
            self._outlet.excuse()

    # ------------------------------------------------------------------------------------------------------- frames

    async def _on_text(self, text: str) -> None:
        self._hub.counters.frames_in += 1
        try:
            frame = signal.decode_client(text)
        except signal.Malformed as malformed:
            self._on_malformed(malformed)
            return
        self._hub.record(self, frame, "in")
        call_sid: str | None = getattr(frame, "call_sid", None)
        try:
            await self._on_frame(frame)
            return
        except Refused as refused:
            problem = refused
        except Exception:
            _log.exception("a frame of type %s failed", frame.TYPE, extra={"call_sid": call_sid})
            problem = Refused(errors.INTERNAL)
        if isinstance(frame, signal.ClientInvite):
            self._refuse_call(frame.call_sid, problem)
        else:
            self._refuse(problem, call_sid=call_sid)

    def _on_malformed(self, malformed: signal.Malformed) -> None:
        self._hub.counters.malformed += 1
        _log.info("malformed frame: %s", malformed.reason, extra={"call_sid": malformed.call_sid})
        refused = Refused(errors.FRAME_MALFORMED, f"{errors.FRAME_MALFORMED.text}: {malformed.reason}")
        if malformed.type == signal.ClientInvite.TYPE and malformed.call_sid is not None:
            self._refuse_call(malformed.call_sid, refused)
            return
        frame = signal.Error(
            error=_fault(refused.rule, refused.detail),
            call_sid=malformed.call_sid,
            message_sid=malformed.message_sid,
        )
        carriage = self._hub.find(self, malformed.call_sid or "") if malformed.message_sid else None
        if carriage is not None:
            self._hub.reply(self, carriage, frame)
        else:
            self.send(frame)

    def _refuse(self, refused: Refused, *, call_sid: str | None = None) -> None:
        self.send(_error(refused.rule, refused.detail, call_sid=call_sid, retry_after=refused.retry_after))

    async def _on_frame(self, frame: signal.ClientFrame) -> None:
        if isinstance(frame, signal.Listen):
            await self._on_listen(frame)
            return
        if self._grant is None:
            raise Refused(errors.TOKEN_MISSING, "The first frame has to be `listen` with an access token")
        match frame:
            case signal.Message():
                await self._on_message(self._grant, frame)
            case signal.Register():
                await self._on_register(self._grant, frame)
            case signal.ClientInvite(reconnect=None):
                await self._on_invite(self._grant, frame)
            case signal.ClientInvite(reconnect=str() as token):
                self._hub.resume(self, frame.call_sid, token, frame.sdp, resume_window_s=self._resume_window_s)
            case signal.ClientAnswer():
                self._on_answer(frame)
            case signal.Reject():
                await self._on_reject(frame)
            case signal.Hangup():
                await self._on_hangup(frame)
            case signal.Reinvite():
                if (carriage := self._held(frame.call_sid)) is not None:
                    self._hub.reinvited(carriage, frame.sdp)
            case signal.Dtmf():
                self._on_dtmf(frame)

    # ------------------------------------------------------------------------------------------ token, registration

    async def _on_listen(self, frame: signal.Listen) -> None:
        try:
            grant = await self._accounts.grant(frame.token or "")
            self._admit(frame, grant)
        except Refused as refused:
            self._refuse_listen(refused)
            return
        place = self._place
        self.send(
            signal.Connected(
                edge=place.edge,
                region=place.region,
                home=grant.home or place.home,
                gateway=place.gateway,
                token=signal.TokenView(
                    ttl=max(0, round(grant.expires_at - self._hub.clock.now())), identity=grant.identity
                ),
            )
        )

    def _admit(self, frame: signal.Listen, grant: Grant) -> None:
        if self._grant is None:
            self.account, self.identity = grant.account_sid, grant.identity
            self.declares_no_media = frame.media == signal.NO_MEDIA
            self._hub.join(self)
            self._stop_deadline()
            self._welcome()
        elif grant.account_sid != self.account:
            raise Refused(errors.TOKEN_INVALID, "The new access token is of another account")
        elif grant.identity != self.identity:
            self._rename(grant)
        self._grant = grant
        self._reconnect_timeout_s = min(30.0, max(0.0, frame.reconnect_timeout))

    def _rename(self, grant: Grant) -> None:
        """A new token may bring another identity; the registration goes over to it, legs stay as they are."""
        was_registered = self._hub.unregister(self)
        self.identity = grant.identity
        if was_registered and grant.incoming and grant.identity is not None:
            self._hub.register(self)
            self._hub.calls.device_registered(self.account, grant.identity, self.device)

    def _refuse_listen(self, refused: Refused) -> None:
        self._refuse(refused)
        if self._grant is not None:
            return  # a `close` would strand its calls; the old token goes on until it expires
        if refused.rule.temporary:
            self.close(TRY_AGAIN_LATER)
        else:
            self.send(signal.Close())
            self._leave_soon()

    def _leave_soon(self) -> None:
        """The client closes after `close`; one that does not is not listened to, nor waited for."""
        self._dismissed = True
        self._stop_deadline()
        self._deadline = self._hub.clock.call_later(self._limits.listen_timeout_s, self.close)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    async def _on_register(self, grant: Grant, frame: signal.Register) -> None:
        if not frame.media.audio:
            self._hub.unregister(self)
            self.send(signal.Offline())
            return
        try:
            await self._accounts.check(grant)
            if not grant.incoming or self.identity is None:
                raise Refused(errors.INCOMING_NOT_ALLOWED)
            is_new = self._hub.register(self)
        except Refused as refused:
            if refused.rule.temporary:
                raise
            # With the error alone a browser stays `registering`, or takes itself for registered; with `offline` its
            # promise is rejected, and the next good token registers it again.
            self._hub.unregister(self)
            self._refuse(refused)
            self.send(signal.Offline())
            return
        self.send(signal.Ready())
        if is_new:
            self._hub.calls.device_registered(self.account, self.identity, self.device)

    # --------------------------------------------------------------------------------------------------------- legs

    @property
    def _resume_window_s(self) -> float:
        return max(self._reconnect_timeout_s, self._limits.resume_window_s)

    async def _on_invite(self, grant: Grant, frame: signal.ClientInvite) -> None:
        if frame.call_sid in self.aliases:
            return  # sent twice
        await self._accounts.check(grant)
        if grant.application_sid is None:
            raise Refused(errors.OUTGOING_NOT_ALLOWED)
        parameters = (*grant.parameters, *signal.decode_params(frame.twilio.params))
        carriage = self._hub.place(self, frame.call_sid, frame.sdp)
        placed = Placed(
            sid=carriage.leg,
            account_sid=grant.account_sid,
            identity=self.identity,
            application_sid=grant.application_sid,
            device=self.device,
            offer=frame.sdp,
            parameters=parameters,
            resume_window_s=self._resume_window_s,
        )
        try:
            await self._hub.calls.place(placed)
        except Exception:
            self._hub.forget(carriage)
            raise

    def _refuse_call(self, call_sid: str, refused: Refused) -> None:
        """An `error` frame ends no call at the client, and this one will never be, or is not the client's."""
        self.send(signal.Hangup(call_sid=call_sid, error=_fault(refused.rule, refused.detail)))

    def _on_answer(self, frame: signal.ClientAnswer) -> None:
        carriage = self._hub.find(self, frame.call_sid)
        if carriage is None:
            # When it still rings, this is a client whose old socket seems alive to us; its resume will show the token.
            if not self._hub.rings(self, frame.call_sid):
                self.send(signal.Cancel(call_sid=frame.call_sid))
        elif carriage.role is Role.OFFERED:
            self._hub.answered(self, carriage, frame.sdp, resume_window_s=self._resume_window_s)

    async def _on_reject(self, frame: signal.Reject) -> None:
        await self._settled()
        carriage = self._hub.find(self, frame.call_sid)
        if carriage is not None and carriage.role is Role.OFFERED:
            self._hub.rejected(carriage)

    async def _on_hangup(self, frame: signal.Hangup) -> None:
        await self._settled()
        if (carriage := self._hub.find(self, frame.call_sid)) is not None:
            self._hub.hung_up(carriage, frame.message)

    def _on_dtmf(self, frame: signal.Dtmf) -> None:
        if _DIGITS.fullmatch(frame.digits) is None:
            raise Refused(errors.FRAME_MALFORMED, "Digits are 0-9, *, #, A-D and w")
        if (carriage := self._held(frame.call_sid)) is not None:
            self._hub.calls.pressed(carriage.leg, frame.digits)

    def _held(self, call_sid: str) -> Carriage | None:
        carriage = self._hub.find(self, call_sid)
        return carriage if carriage is not None and carriage.role is Role.HOLDER else None

    # ----------------------------------------------------------------------------------------------------- messages

    async def _on_message(self, grant: Grant, frame: signal.Message) -> None:
        carriage = self._hub.find(self, frame.call_sid)
        if carriage is None:
            self.send(_error(errors.CALL_NOT_ACTIVE, None, call_sid=frame.call_sid, message_sid=frame.message_sid))
            return
        while len(self._accepting) >= self._limits.messages_in_flight:
            await self._while_not_reading(_first(self._accepting))
        # Tasks start in the order in which they are made, and the store takes messages in the order of the calls.
        task = asyncio.create_task(self._accept(grant.account_sid, carriage, frame))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _accept(self, account: AccountSid, carriage: Carriage, frame: signal.Message) -> None:
        """Store one message and answer it: an ack once it is durable, else an error with both ids."""
        reply: signal.Frame
        try:
            content = signal.compact(bytes(frame.content)) or None
            message = ClientMessage(
                sid=frame.message_sid,
                content=content,
                content_type=frame.content_type,
                message_type=frame.message_type,
            )
            await self._hub.messages.accept_from_client(account, carriage.leg, message)
        except Refused as refused:
            reply = _message_error(frame, refused.rule, refused.detail)
        except signal.Malformed as malformed:
            reply = _message_error(frame, errors.FRAME_MALFORMED, malformed.reason)
        except Exception:
            _log.exception(
                "a message could not be accepted", extra={"call_sid": carriage.leg, "message_sid": frame.message_sid}
            )
            reply = _message_error(frame, errors.INTERNAL, None)
        else:
            reply = signal.Ack(call_sid=frame.call_sid, message_sid=frame.message_sid)
        self._hub.reply(self, carriage, reply)

    async def _settled(self) -> None:
        """What was sent before the end of a call still belongs to the call."""
        while self._accepting:
            await self._while_not_reading(_first(self._accepting))


SLOW: Final = "slow reader"


def _first(tasks: set[asyncio.Task[None]]) -> asyncio.Future[None]:
    """Done when one of the tasks is."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    for task in tasks:
        task.add_done_callback(lambda _: _wake(done))
    return done


def _wake(waited: asyncio.Future[None]) -> None:
    if not waited.done():
        waited.set_result(None)


def _fault(rule: Rule, detail: str | None, retry_after: float | None = None) -> signal.Fault:
    code = rule.signalling if rule.signalling is not None else errors.INTERNAL.signalling
    assert code is not None
    return signal.Fault(code=code, message=detail or rule.text, retry_after=retry_after)


def _error(
    rule: Rule,
    detail: str | None,
    *,
    call_sid: str | None = None,
    message_sid: str | None = None,
    retry_after: float | None = None,
) -> signal.Error:
    return signal.Error(error=_fault(rule, detail, retry_after), call_sid=call_sid, message_sid=message_sid)


def _message_error(frame: signal.Message, rule: Rule, detail: str | None) -> signal.Error:
    return _error(rule, detail, call_sid=frame.call_sid, message_sid=frame.message_sid)
