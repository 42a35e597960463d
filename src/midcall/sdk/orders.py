"""What a call's machine orders, as frames for the server and as events for the application."""

from __future__ import annotations

from typing import Any

from midcall.core import client as core
from midcall.sdk.errors import VoiceError
from midcall.wire import signal

ForOneSocket = core.SendResume | core.SendReinvite
"""Made anew for the next socket, which a resume shows the newest description."""

ToSend = ForOneSocket | core.SendAnswer | core.SendReject | core.SendHangup


def frame_of(order: ToSend, *, call_id: str, description: str) -> signal.Frame:
    """The frame that is ordered; `description` is our newest, for a resume."""
    match order:
        case core.SendAnswer(sdp):
            return signal.ClientAnswer(call_sid=call_id, sdp=sdp)
        case core.SendReject():
            return signal.Reject(call_sid=call_id)
        case core.SendHangup(message):
            return signal.Hangup(call_sid=call_id, message=message)
        case core.SendResume(reconnect):
            return signal.ClientInvite(call_sid=call_id, sdp=description, reconnect=reconnect)
        case core.SendReinvite(sdp):
            return signal.Reinvite(call_sid=call_id, sdp=sdp)


def event_of(order: core.CallEffect, call: object) -> tuple[str, tuple[Any, ...]]:
    """The event that is ordered: its name and its arguments."""
    match order:
        case core.EmitAccept():
            return "accept", (call,)
        case core.EmitRinging(early_media):
            return "ringing", (early_media,)
        case core.EmitCancel():
            return "cancel", ()
        case core.EmitReject():
            return "reject", ()
        case core.EmitDisconnect():
            return "disconnect", (call,)
        case core.EmitReconnecting(fault):
            return "reconnecting", (VoiceError(fault.code, fault.message),)
        case core.EmitReconnected():
            return "reconnected", ()
        case core.EmitWarning(name):
            return "warning", (name, None)
        case core.EmitWarningCleared(name):
            return "warning-cleared", (name,)
        case core.EmitError(fault):
            return "error", (VoiceError(fault.code, fault.message),)
        case _:
            raise AssertionError(order)
