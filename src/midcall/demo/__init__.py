"""`midcall demo`: a real server, a real webhook application, two Python clients and a call between them, as it happens.

Nothing is simulated: what the demo prints, it saw; what it claims, it checked, and its exit code says so.
"""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console

from midcall.demo.story import Options

INTERRUPTED = 130


def main(options: Options | None = None) -> int:
    """Run the demo on standard output and return the exit code: 0, or 1 after saying what failed."""
    from midcall.demo.scenario import run

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    try:
        return asyncio.run(run(console, options or Options()))
    except KeyboardInterrupt:
        console.print("interrupted; the server was stopped")
        return INTERRUPTED


__all__ = ["Options", "main"]
