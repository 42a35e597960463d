"""The time of a switchboard: everybody's in virtual time, the machine's in real time."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

from midcall.testing.kit.call import Duration
from midcall.testing.kit.failures import SwitchboardUnusable

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


class Clock:
    """Waits, and in virtual time lets hours pass at once."""

    def __init__(self, *, is_virtual: bool) -> None:
        self.is_virtual = is_virtual

    def now(self) -> float:
        """Epoch seconds, as the server sees them."""
        return time.time()

    async def sleep(self, duration: Duration) -> None:
        """Let time pass; in real time this takes as long as it says.

        Args:
            duration: seconds, or a text such as `"300ms"` or `"2h"`.
        """
        await asyncio.sleep(seconds(duration))

    async def advance(self, duration: Duration) -> None:
        """Let virtual time pass: all that is due meanwhile happens, each at its own time.

        Raises:
            SwitchboardUnusable: time is real.
        """
        __tracebackhide__ = True
        if not self.is_virtual:
            raise SwitchboardUnusable(
                "real time cannot be advanced: mark the test with @pytest.mark.switchboard(time='virtual'), "
                "or wait with switchboard.clock.sleep(…)"
            )
        await asyncio.sleep(seconds(duration))


def seconds(duration: Duration) -> float:
    """How long a duration is.

    Raises:
        ValueError: it is negative, or no number and no text such as `"5s"`.
    """
    if isinstance(duration, str):
        found = _DURATION.fullmatch(duration.strip())
        if found is None:
            raise ValueError(f"{duration!r} is no duration: give seconds, or a text such as '300ms', '5s', '2m', '1h'")
        return float(found[1]) * _UNITS[found[2]]
    if duration < 0:
        raise ValueError(f"{duration!r} is no duration: time does not go back")
    return float(duration)
