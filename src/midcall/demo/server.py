"""A `midcall serve` of the demo's own: a real process on free ports with a data folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from midcall.demo.story import Failed, Story
from midcall.folder import Credentials, Folder, FolderUnusable, ServerInfo

START_S: Final = 30.0
STOP_S: Final = 10.0
LOG_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class Running:
    """The demo's server.

    Attributes:
        info: where it listens.
        credentials: what its first start made.
        folder: its data folder.
    """

    info: ServerInfo
    credentials: Credentials
    folder: Path


@asynccontextmanager
async def running(story: Story, meanwhile: Callable[[], None]) -> AsyncIterator[Running]:
    """Start a server, do something else meanwhile; stop it by SIGTERM afterwards and check that it ended well."""
    folder = Path(tempfile.mkdtemp(prefix="midcall-demo-"))
    log = folder / "server.log"
    process = await _spawn(folder, log, media=story.options.media)
    try:
        meanwhile()
        yield await _ready(process, Folder(folder))
    except Failed as failed:
        story.check(False, str(failed))
        raise
    finally:
        await _stop(process, story)
        if story.failures:
            _show_log(story, log)
        if story.options.keep:
            story.tell("demo", f"the data folder is kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


async def _spawn(folder: Path, log: Path, *, media: bool) -> asyncio.subprocess.Process:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MIDCALL_", "TWILIO_"))}
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "midcall", "serve", "--port", "0", "--http-port", "0"),
            *("--data-dir", str(folder)),
            *(() if media else ("--set", "media_engine=none")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=ours,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops its server in order
        )


async def _ready(process: asyncio.subprocess.Process, folder: Folder) -> Running:
    deadline = asyncio.get_running_loop().time() + START_S
    while asyncio.get_running_loop().time() < deadline:
        if process.returncode is not None:
            raise Failed(f"the server ended with exit code {process.returncode} instead of starting")
        with contextlib.suppress(FolderUnusable):  # half written
            info, credentials = folder.server(), folder.credentials()
            if info is not None and credentials is not None:
                return Running(info, credentials, folder.path)
        await asyncio.sleep(0.02)
    raise Failed(f"the server was not ready within {START_S:g} s")


async def _stop(process: asyncio.subprocess.Process, story: Story) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            # not by send_signal, which would reap a process that has just ended, and asyncio could only guess its code
            os.kill(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            story.check(False, f"the server did not stop within {STOP_S:g} s of SIGTERM and was killed")
            return
        story.tell("server", f"stopped with exit code {process.returncode}")
    story.check(process.returncode == 0, f"the server ended with exit code {process.returncode}")


def _show_log(story: Story, log: Path) -> None:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        story.console.print("\nThe last lines of the server's log:", style="bold")
        for line in lines:
            story.console.print(f"  {line}", markup=False, soft_wrap=True)
