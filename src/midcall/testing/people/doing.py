"""Actions in one call: each waits until it has worked, or says why it cannot."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from midcall.core.sids import CallSid
from midcall.media.labels import Labels
from midcall.sdk import InvalidArgumentError, SdkError, VoiceError
from midcall.testing.people import actions, expecting, misbehaving
from midcall.testing.people.actions import Arguments, seconds_of
from midcall.testing.people.call import CallView, PersonCall
from midcall.testing.people.problems import Unfulfilled, Unusable, WrongState
from midcall.testing.people.rules import spoken
from midcall.testing.people.voice import label_of, silence, voice_of

TIMEOUT_S: Final = 10.0
"""How long a wait lasts when nobody says how long."""

CONFIRMED_S: Final = 2.0
"""How long an accepted call waits for the server's word."""

BRIDGED_S: Final = 1.0
"""A call that has just been answered is bridged within this time, if it is; who speaks before waits for it."""


class Sent(msgspec.Struct, frozen=True):
    """A message that was sent."""

    sid: str


Answer = CallView | msgspec.Struct | None


class Doer:
    """Does what people are asked to, within bounds.

    Args:
        labels: what people say without media; None in a server without them.
        longest_s: how long one wait may last.
    """

    def __init__(self, labels: Labels | None, *, longest_s: float) -> None:
        self._labels = labels
        self._longest_s = longest_s

    async def do(self, call: PersonCall, action: str, arguments: Arguments) -> Answer:
        """Do it; the answer for whoever asked.

        Raises:
            Problem: it cannot be done, or did not come true.
        """
        timeout_s = self.bounded(getattr(arguments, "timeout", None))
        match arguments:
            case actions.Expect():
                return await expecting.expect(call, arguments, timeout_s)
            case actions.ExpectEnd():
                return await expecting.expect_end(call, arguments, timeout_s)
            case actions.ExpectMessage():
                return await expecting.expect_message(call, arguments, timeout_s)
            case actions.ExpectDigits():
                return await expecting.expect_digits(call, arguments, timeout_s)
            case actions.ExpectSound():
                return await expecting.expect_sound(call, arguments, timeout_s)
            case actions.Quiet():
                quiet = expecting.says_nothing_for if action == "says_nothing_for" else expecting.hears_nothing_for
                await quiet(call, arguments, self.bounded(arguments.last))
                return call.view()
            case actions.SendMessage():
                return await self._send_message(call, arguments, timeout_s)
            case actions.SendDigits():
                self._send_digits(call, arguments)
            case actions.Speak():
                await self._speak(call, arguments)
            case actions.Mute():
                call.sdk.mute(arguments.on)
                if call.is_audible:
                    call.say("is not muted any more, and speaks")
            case actions.Feedback():
                await self._feedback(call, arguments)
            case actions.Misbehave():
                await misbehaving.misbehave(call, arguments.how, self.bounded(arguments.by))
            case _:
                await self._control(call, action)
        return call.view()

    def bounded(self, duration: actions.Duration | None) -> float:
        """A wait in seconds.

        Raises:
            Unusable: it is longer than a wait may be.
        """
        lasts_s = TIMEOUT_S if duration is None else seconds_of(duration)
        if lasts_s > self._longest_s:
            raise Unusable(f"a wait lasts at most {spoken(self._longest_s)} here, not {spoken(lasts_s)}")
        return lasts_s

    # call control

    async def _control(self, call: PersonCall, action: str) -> None:
        if action == "stop_speaking":
            self._stop_speaking(call)
            return
        pending = call.status == "pending"
        if action == "hang_up":
            if pending or call.is_closed:
                hint = "a pending call is rejected or ignored" if pending else "there is nothing to hang up"
                raise WrongState(f"{call.id} is {call.status}: {hint}")
            call.ended_by = "hang_up"
            call.note("hangs up")
            call.sdk.disconnect()
        elif not pending:
            raise WrongState(f"{call.id} is {call.status}: only a pending call can be told to {action}")
        elif action == "accept":
            await self._accept(call)
        else:
            call.ended_by = action
            call.note(f"{action}s")
            call.sdk.reject() if action == "reject" else call.sdk.ignore()
        call.bell.ring()

    async def _accept(self, call: PersonCall) -> None:
        """The call is open, and the server knows it, or it is over when this returns."""
        call.note("accepts")
        call.sdk.accept()
        done = await call.bell.until(lambda: call.status == "open" or call.is_closed or None, TIMEOUT_S)
        if done is None:
            raise Unfulfilled(
                f"{call.id} was accepted and was not open within {spoken(TIMEOUT_S)}; it is {call.status}",
                call_sid=call.sid,
            )
        if self._labels is not None:
            await call.bell.until(lambda: call.confirmed or call.is_closed or None, CONFIRMED_S)

    # sound and digits

    async def _speak(self, call: PersonCall, arguments: actions.Speak) -> None:
        if call.status not in ("open", "ringing"):
            raise WrongState(f"{call.id} is {call.status}: nobody can speak in it")
        if not call.ears.real:
            label = label_of(arguments)
            await self._bridged(call)
            if call.sdk.is_muted():
                call.note("speaks, but is muted", label=label)
                return
            call.say("speaks", label=label)
            if self._labels is not None and call.sid is not None:
                self._labels.say(CallSid(call.sid), label)
            return
        voice = voice_of(arguments)
        stream = call.sdk.get_local_stream()
        if stream is None:
            raise WrongState(f"{call.id} has no media yet")
        call.voice = voice
        tell = call.note if call.sdk.is_muted() else call.say
        tell(
            "speaks, but is muted" if call.sdk.is_muted() else "speaks", tone_hz=arguments.tone_hz, file=arguments.file
        )
        stream.play(voice)

    async def _bridged(self, call: PersonCall) -> None:
        """A label takes no time, so one that is said while the server is still bridging would be lost."""
        labels, sid, now = self._labels, call.sid, asyncio.get_running_loop().time()
        if labels is None or sid is None or call.opened_at is None or now - call.opened_at >= BRIDGED_S:
            return
        leg = CallSid(sid)
        await call.bell.until(
            lambda: labels.is_bridged(leg) or call.is_closed or None, call.opened_at + BRIDGED_S - now
        )

    def _stop_speaking(self, call: PersonCall) -> None:
        call.voice = None
        call.note("stops speaking")
        if (stream := call.sdk.get_local_stream()) is not None:
            stream.play(silence())

    def _send_digits(self, call: PersonCall, arguments: actions.SendDigits) -> None:
        try:
            call.sdk.send_digits(arguments.digits)
        except InvalidArgumentError as error:
            raise Unusable(str(error)) from None
        except SdkError as error:
            raise WrongState(f"{call.id} is {call.status}: {error}") from None
        call.say("presses digits", digits=arguments.digits)

    # messages and feedback

    async def _send_message(self, call: PersonCall, arguments: actions.SendMessage, timeout_s: float) -> Sent:
        try:
            sent = call.sdk.send_message(
                arguments.content, message_type=arguments.message_type, content_type=arguments.content_type
            )
        except InvalidArgumentError as error:
            raise Unusable(str(error)) from None
        except SdkError as error:
            raise WrongState(f"{call.id} is {call.status}: {error}") from None
        call.say("sends a message", sid=str(sent), content=arguments.content)
        if not arguments.wait:
            return Sent(str(sent))
        try:
            async with asyncio.timeout(timeout_s):
                await sent
        except TimeoutError:
            raise Unfulfilled(
                f"{call.person}'s message {sent} was neither sent nor refused within {spoken(timeout_s)}",
                expected="messageSent",
                call_sid=call.sid,
            ) from None
        except VoiceError as error:
            raise Unfulfilled(
                f"{call.person}'s message {sent} was refused: {error}",
                expected="messageSent",
                seen=[str(error)],
                call_sid=call.sid,
                code=error.code,
            ) from None
        return Sent(str(sent))

    async def _feedback(self, call: PersonCall, arguments: actions.Feedback) -> None:
        try:
            await call.sdk.post_feedback(arguments.score, arguments.issue)
        except InvalidArgumentError as error:
            raise Unusable(str(error)) from None
        detail: dict[str, Any] = {"score": arguments.score, "issue": arguments.issue}
        call.note("gives feedback", **detail)
