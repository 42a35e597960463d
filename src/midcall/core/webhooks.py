"""Names of a call's webhooks: what its attempts, its alerts and its list of events have in common."""

from __future__ import annotations


def of_delivery(lane_id: str, entry_sid: str) -> str:
    """The callback that brings one entry of a log to one endpoint."""
    return f"{lane_id}/{entry_sid}"


def of_fetch(number: int) -> str:
    """The leg's so-many-th request for TwiML."""
    return f"twiml/{number}"
