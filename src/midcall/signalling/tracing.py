"""Frames as lines of a call's timeline: what kind, about what, how long; never descriptions, content or tokens."""

from __future__ import annotations

from midcall.core.redaction import redact
from midcall.core.sids import CallSid, parse
from midcall.wire import signal

MAX_TEXT: int = 200


def leg_of(frame: signal.Frame) -> CallSid | None:
    """The leg that a frame is about, when it names one by its sid."""
    call_sid = getattr(frame, "call_sid", None)
    sid = parse(call_sid, "CA") if isinstance(call_sid, str) else None
    return CallSid(sid) if sid else None


def describe(frame: signal.Frame, direction: str) -> dict[str, object]:
    """A frame's trace line; texts that came from outside are redacted and cut."""
    detail: dict[str, object] = {"direction": direction, "type": frame.TYPE}
    for field in ("call_sid", "message_sid"):
        if (value := getattr(frame, field, None)) is not None:
            detail[field] = value
    if isinstance(sdp := getattr(frame, "sdp", None), str):
        detail["sdp_chars"] = len(sdp)
    detail.update(_particulars(frame))
    return detail


def _particulars(frame: signal.Frame) -> dict[str, object]:
    match frame:
        case signal.Message():
            return {"content_bytes": len(bytes(frame.content)), "message_type": _cut(frame.message_type)}
        case signal.Error():
            return {"code": frame.error.code, "message": _cut(frame.error.message)}
        case signal.Hangup(error=signal.Fault() as fault):
            return {"code": fault.code, "message": _cut(fault.message)}
        case signal.Hangup(message=str() as message):
            return {"message": _cut(message)}
        case signal.Register():
            return {"audio": frame.media.audio}
        case signal.Connected():
            return {"identity": frame.token.identity, "ttl": frame.token.ttl}
        case signal.ClientInvite():
            return {"resume": frame.reconnect is not None}
        case signal.ServerInvite():
            return {name: _cut(frame.parameters[name]) for name in ("From", "To") if name in frame.parameters}
        case signal.Dtmf():
            return {"digits": len(frame.digits)}
        case _:
            return {}


def _cut(text: str) -> str:
    return redact(text[:MAX_TEXT])
