"""Expectations in one call: wait until they come true, or tell what there was instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from midcall.sdk.audio import LevelMeter
from midcall.testing.people.actions import Expect, ExpectDigits, ExpectEnd, ExpectMessage, ExpectSound, Quiet
from midcall.testing.people.call import RECORDED, CallView, MessageView, PersonCall, Received
from midcall.testing.people.ears import is_noise, sound_wish
from midcall.testing.people.problems import Unfulfilled, Unusable, WrongState
from midcall.testing.people.rules import fits, spoken

T = TypeVar("T")


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a sound expectation found."""

    label: str | None = None
    level_dbfs: float | None = None


class Digits(msgspec.Struct, frozen=True):
    digits: str


async def expect(call: PersonCall, wanted: Expect, timeout_s: float) -> CallView:
    """An event that came before or comes now, or a status."""
    if (wanted.event is None) == (wanted.status is None):
        raise Unusable("expect takes an event or a status")
    if wanted.event is not None and wanted.event not in RECORDED:
        raise Unusable(f"a call has no event {wanted.event!r}; it has {', '.join(RECORDED)}")

    def found() -> bool | None:
        there = wanted.event in call.events if wanted.event is not None else call.status == wanted.status
        return there or None

    what = f"event {wanted.event!r}" if wanted.event is not None else f"status {wanted.status!r}"
    await _until(call, found, timeout_s, what, expected=_asked(wanted), seen=lambda: _story(call))
    return call.view()


def _asked(wanted: Expect | ExpectSound) -> dict[str, Any]:
    """What somebody asked for, without what was left out."""
    return {
        name: value for name, value in msgspec.to_builtins(wanted).items() if value is not None and name != "timeout"
    }


async def expect_end(call: PersonCall, wanted: ExpectEnd, timeout_s: float) -> CallView:
    """The end of the call, however it comes."""
    await _until(
        call,
        lambda: call.status == "closed" or None,
        timeout_s,
        "the end of the call",
        expected="closed",
        seen=lambda: _story(call),
    )
    return call.view()


async def expect_message(call: PersonCall, wanted: ExpectMessage, timeout_s: float) -> MessageView:
    """The first message that fits; it is taken, the others stay for later expectations."""

    def found() -> Received | None:
        for message in call.inbox:
            if wanted.content is msgspec.UNSET or fits(wanted.content, message.content):
                call.inbox.remove(message)
                return message
        return None

    what = "a message" if wanted.content is msgspec.UNSET else f"a message {_short(wanted.content)}"
    message = await _until(
        call,
        found,
        timeout_s,
        what,
        expected=None if wanted.content is msgspec.UNSET else wanted.content,
        seen=lambda: [message.content for message in call.inbox],
    )
    return MessageView(message.sid, message.content, message.content_type, message.message_type)


async def expect_digits(call: PersonCall, wanted: ExpectDigits, timeout_s: float) -> Digits:
    """Digits next to each other; they are taken with all that came before them."""
    await _until(
        call,
        lambda: call.ears.take_digits(wanted.digits) or None,
        timeout_s,
        f"the digits {wanted.digits}",
        expected=wanted.digits,
        seen=lambda: [call.ears.digits] if call.ears.digits else [],
    )
    return Digits(wanted.digits)


async def expect_sound(call: PersonCall, wanted: ExpectSound, timeout_s: float) -> Heard:
    """A label that was heard before or is heard now; with real media a tone or a level from now on."""
    if wanted.label is None and wanted.tone_hz is None and wanted.level_above_dbfs is None:
        raise Unusable("expect_sound takes a label, a tone_hz or a level_above_dbfs")
    expected = _asked(wanted)
    if not call.ears.real:
        label = await _until(
            call,
            lambda: call.ears.take_label(wanted),
            timeout_s,
            f"the sound {_what(wanted)}",
            expected=expected,
            seen=lambda: list(call.ears.labels),
        )
        return Heard(label=label)
    wish = sound_wish(wanted)
    deadline = asyncio.get_running_loop().time() + timeout_s
    what = f"the sound {_what(wanted)}"
    meter = await _until(call, lambda: call.ears.meter, timeout_s, what, expected=expected, seen=list)
    hearing = asyncio.ensure_future(meter.until(wish))
    hearing.add_done_callback(lambda _: call.bell.ring())
    try:
        await _until(
            call,
            lambda: hearing.done() or None,
            deadline - asyncio.get_running_loop().time(),
            what,
            expected=expected,
            seen=lambda: [_level(call, wanted)],
        )
    finally:
        hearing.cancel()
    return Heard(level_dbfs=round(meter.level_dbfs(), 1))


async def says_nothing_for(call: PersonCall, wanted: Quiet, lasts_s: float) -> None:
    """Neither sound, label, digits nor message leaves this person."""
    before = call.said_count
    if call.is_audible:
        raise Unfulfilled(f"{call.person} is speaking already", expected="silence", call_sid=call.sid)
    await call.bell.until(lambda: call.said_count > before or call.gone or None, lasts_s)
    _must_be_there(call)
    if call.said_count > before:
        raise Unfulfilled(
            f"{call.person} said something within {spoken(lasts_s)}: {call.said[-1]}",
            expected="silence",
            seen=list(call.said)[-(call.said_count - before) :],
            call_sid=call.sid,
        )


async def hears_nothing_for(call: PersonCall, wanted: Quiet, lasts_s: float) -> None:
    """Neither sound, label, digits nor message reaches this person."""
    before = call.heard_count
    noise: asyncio.Future[None] | None = None
    meter, remote = LevelMeter(), call.sdk.get_remote_stream()
    if remote is not None:
        remote.add(meter)  # a fresh one: what was heard before does not count
        noise = asyncio.ensure_future(meter.until(is_noise))
        noise.add_done_callback(lambda _: call.bell.ring())
    try:
        heard = await call.bell.until(
            lambda: call.heard_count > before or call.gone or (noise is not None and noise.done()) or None, lasts_s
        )
    finally:
        if noise is not None:
            noise.cancel()
        if remote is not None:
            remote.remove(meter)
    _must_be_there(call)
    if heard:
        what = call.last_heard if call.heard_count > before else "sound"
        raise Unfulfilled(
            f"{call.person} heard something within {spoken(lasts_s)}: {what}",
            expected="silence",
            seen=[what],
            call_sid=call.sid,
        )


async def _until(
    call: PersonCall,
    found: Callable[[], T | None],
    timeout_s: float,
    what: str,
    *,
    expected: Any,
    seen: Callable[[], list[Any]],
) -> T:
    """Wait for something in a call that may end meanwhile.

    Raises:
        Unfulfilled: it did not come in time, or cannot come any more.
        WrongState: the person was deleted.
    """

    def look() -> tuple[T | None] | None:
        result = found()
        return (result,) if result is not None or call.is_closed else None

    looked = await call.bell.until(look, timeout_s)
    if looked is not None and looked[0] is not None:
        return looked[0]
    _must_be_there(call)
    why = f"did not come within {spoken(timeout_s)}" if looked is None else "did not come before the call ended"
    raise Unfulfilled(f"{call.person}: {what} {why}", expected=expected, seen=seen(), call_sid=call.sid)


def _must_be_there(call: PersonCall) -> None:
    if call.gone:
        raise WrongState(f"{call.person} was deleted meanwhile")


def _story(call: PersonCall) -> list[str]:
    return [*call.events, f"status {call.status}"]


def _what(wanted: ExpectSound) -> str:
    if wanted.label is not None:
        return repr(wanted.label)
    if wanted.tone_hz is not None:
        return f"of a tone of {wanted.tone_hz} Hz"
    return f"louder than {wanted.level_above_dbfs:g} dBFS"


def _level(call: PersonCall, wanted: ExpectSound) -> str:
    meter = call.ears.meter
    if meter is None:
        return "no sound"
    tone = "" if wanted.tone_hz is None else f", the tone {meter.tone_dbfs(wanted.tone_hz):.0f} dBFS"
    return f"{meter.level_dbfs():.0f} dBFS{tone}"


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 120 else text[:119] + "…"
