"""What a bad client does, really on the wire."""

from __future__ import annotations

import asyncio
from typing import Final

from midcall.testing.people.call import PersonCall
from midcall.testing.people.problems import Unfulfilled, WrongState
from midcall.wire import signal

BROKEN_FRAME: Final = b'{"type":"message","version":"1.6","payload":{"callsid":'
SETTLED_S: Final = 10.0


async def misbehave(call: PersonCall, how: str, by_s: float) -> None:
    """Do it.

    Raises:
        WrongState: the call is not in a state in which it can be done.
    """
    call.note("misbehaves", how=how)
    match how:
        case "no_answer":
            _do_not_answer(call)
        case "malformed_frame":
            if not call.sdk._link.transmit_encoded(BROKEN_FRAME):
                raise WrongState(f"{call.person} has no connection to send a broken frame on")
        case "double_answer":
            await _answer_twice(call)
        case _:
            await _hang_up_late(call, by_s)


def _do_not_answer(call: PersonCall) -> None:
    if call.status != "pending":
        raise WrongState(f"{call.id} is {call.status}: only a pending call can stay unanswered")
    if call.script is not None and call.script is not asyncio.current_task():
        call.script.cancel()


async def _answer_twice(call: PersonCall) -> None:
    if call.status != "pending" or call.sid is None:
        raise WrongState(f"{call.id} is {call.status}: only a pending call can be answered")
    call.sdk.accept()
    await call.bell.until(lambda: call.status == "open" or call.is_closed or None, SETTLED_S)
    sdp = call.sdk._media.current()
    call.sdk._link.transmit(signal.ClientAnswer(call_sid=call.sid, sdp=sdp), keep=False)


async def _hang_up_late(call: PersonCall, by_s: float) -> None:
    """Say `hangup` about a call that has been over for a while."""
    sid = call.sid
    if sid is None:
        raise WrongState(f"{call.id} has no sid yet")
    if call.status in ("open", "ringing", "connecting", "reconnecting"):
        call.ended_by = "hang_up"
        call.sdk.disconnect()
    if not await call.bell.until(lambda: call.is_closed or None, SETTLED_S):
        raise Unfulfilled(f"{call.id} did not end, so nothing can be hung up late", call_sid=sid)
    await asyncio.sleep(by_s)
    call.sdk._link.transmit(signal.Hangup(call_sid=sid), keep=False)
