"""The wall clock of a virtual world: what `time.time()` and `datetime.now()` say while its loop runs.

Applications sign tokens and stamp rows by these, so they have to agree with the loop. The monotonic clocks of the
operating system (`time.monotonic`, `time.perf_counter`) stay real: they are for measuring.
"""

from __future__ import annotations

from typing import Any

MISSING = "virtual time needs the package time-machine: pip install 'midcall[testing]'"


class Wall:
    """Moves the process's wall clock while a loop runs, and gives it back in between.

    Raises:
        ImportError: time-machine is not installed; the text says how to install it.
    """

    def __init__(self, at: float) -> None:
        try:
            import time_machine
        except ImportError:
            raise ImportError(MISSING) from None
        self._at = at
        self._make = time_machine.travel
        self._travel: Any = None
        self._here: Any = None

    def begin(self) -> None:
        """From now on the process has the virtual time."""
        self._travel = self._make(self._at, tick=False)
        self._here = self._travel.start()

    def end(self) -> None:
        """From now on the process has its own time."""
        if self._travel is not None:
            self._travel.stop()
            self._travel = self._here = None

    def move_to(self, at: float) -> None:
        """Let it be `at` epoch seconds."""
        self._at = at
        if self._here is not None:
            self._here.move_to(at)
