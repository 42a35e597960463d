"""What `/metrics` shows of the switch and the signalling edge; both keep plain numbers and know no metrics."""

from __future__ import annotations

from dataclasses import fields

from midcall.signalling.counters import Counters
from midcall.signalling.hub import Hub
from midcall.switch.calls import Calls
from midcall.telemetry import Metrics

_HELP = {
    "connections": "Signalling connections that were opened.",
    "frames_in": "Signalling frames from clients.",
    "frames_out": "Signalling frames to clients.",
    "malformed": "Frames that could not be read.",
    "oversized": "Connections that ended with a frame over the limit.",
    "slow_readers": "Connections that ended because the client did not read.",
    "dead_peers": "Connections that ended because heartbeats had no echo.",
    "receipts": "Receipts of frames to clients.",
    "resent": "Frames sent again because they had no receipt.",
    "resumes": "Calls that moved to another connection.",
    "refused_resumes": "Calls that could not be resumed.",
    "takeovers": "Ringing calls that another device took over.",
}


def measure(metrics: Metrics, calls: Calls, hub: Hub) -> None:
    """Name the numbers."""
    metrics.gauge("midcall_legs_live", "Legs that are up.", lambda: calls.live)
    metrics.gauge("midcall_signalling_lines", "Signalling connections that are open.", lambda: len(hub.lines))
    metrics.gauge("midcall_registrations", "Devices that are registered for calls.", lambda: hub.registrations)
    for counter in fields(Counters):
        metrics.total(
            f"midcall_signalling_{counter.name}_total",
            _HELP.get(counter.name, "Signalling events since the start."),
            lambda name=counter.name: getattr(hub.counters, name),  # type: ignore[misc]
        )
