"""The time of day, for stamps. Waits and measured durations use the event loop's clock instead."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The system's time of day."""
    return datetime.now(UTC)
