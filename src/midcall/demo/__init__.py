"""`midcall demo`: a real server, a real webhook application, two Python clients and a call between them, as it happens.

Nothing is simulated: what the demo prints, it saw; what it claims, it checked, and its exit code says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

from rich.console import Console

from midcall.demo.server import running
from midcall.demo.story import Failed, Options, Story

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


def main(options: Options | None = None) -> int:
    """Run the demo on standard output and return the exit code: 0, or 1 after saying what failed."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    try:
        return asyncio.run(_until_signalled(console, options or Options()))
    except KeyboardInterrupt:
        console.print("interrupted; the server was stopped")
        return INTERRUPTED
    except asyncio.CancelledError:
        return TERMINATED


async def _until_signalled(console: Console, options: Options) -> int:
    """SIGTERM stops the demo as Ctrl-C does, so that no server is left behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(console, options)


async def run(console: Console, options: Options) -> int:
    """Tell the demo on the console; 0 when everything that it claims was so, else 1."""
    story = Story(console, options)
    story.tell("demo", "starting a server of its own: free ports, an empty data folder, no network needed")
    with contextlib.suppress(Failed):  # the story has noted it
        async with running(story, meanwhile=_load) as server:
            from midcall.demo import scenario

            await scenario.play(story, server)
    return story.conclude()


def _load() -> None:
    """Import the clients and their media, which takes about as long as the server's start."""
    import midcall.demo.scenario
    import midcall.sdk.media  # noqa: F401


__all__ = ["Options", "main", "run"]
