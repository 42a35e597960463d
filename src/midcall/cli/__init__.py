"""The `midcall` program: one file a command group, each importing what it needs when it runs."""

from __future__ import annotations

import sys

from midcall.cli.failure import Failure


def main() -> None:
    """Entry point of the console script: run a command, turn what fails into a sentence and an exit code."""
    from midcall.cli.commands import program

    try:
        program()
    except Failure as failure:
        print(f"midcall: {failure}", file=sys.stderr)
        sys.exit(failure.exit_code)
    except BrokenPipeError:  # the reader of our output has seen enough, such as `midcall timeline … | head`
        sys.stderr.close()
        sys.exit(0)
