"""The time of a switchboard: everybody's in virtual time, the machine's in real time."""

from __future__ import annotations

import asyncio
import time

from midcall.testing.kit.call import Duration
from midcall.testing.kit.failures import SwitchboardUnusable
from midcall.testing.people.rules import seconds


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
