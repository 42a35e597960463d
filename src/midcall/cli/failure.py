"""How commands fail: one sentence on standard error, with the fix, and an exit code that scripts can tell apart."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """2 is the command line's own: an unknown option, a missing argument."""

    FAILED = 1
    USAGE = 2
    NO_SERVER = 3
    CANNOT_START = 4


class Failure(Exception):
    """Ends the command. The text is one sentence for the user."""

    def __init__(self, sentence: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
