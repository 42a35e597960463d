"""`midcall` in processes of its own: commands that end, and servers that run until a signal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIDCALL = (sys.executable, "-m", "midcall")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MIDCALL_", "TWILIO_"))}


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Served:
    """A running `midcall serve`."""

    process: asyncio.subprocess.Process
    data_dir: Path
    lines: list[dict[str, str]]

    @property
    def info(self) -> dict[str, object]:
        """What server.json says."""
        loaded: dict[str, object] = json.loads((self.data_dir / "server.json").read_text())
        return loaded

    async def line_with(self, text: str) -> dict[str, str]:
        """Read the log until a line has this text."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.lines.append(json.loads(line))
            if text in self.lines[-1]["text"]:
                return self.lines[-1]
        raise AssertionError(f"the server ended with {await self.process.wait()} before {text!r}: {self.lines}")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and return its exit code."""
        self.process.send_signal(number)
        assert self.process.stderr is not None
        self.lines += [json.loads(line) for line in (await self.process.stderr.read()).splitlines()]
        return await self.process.wait()


Serve = Callable[..., Awaitable[Served]]
Midcall = Callable[..., Awaitable[Done]]
Run = Callable[..., Done]


@dataclass(frozen=True, slots=True)
class Folder:
    """A running server's data folder, as it was when the server became ready."""

    path: Path
    info: dict[str, object]
    credentials: dict[str, str]


@contextmanager
def serve_in_background(data_dir: Path, *arguments: str) -> Iterator[Folder]:
    """A server for tests that need no event loop: ready inside the block, stopped after it."""
    command = [*MIDCALL, "serve", "--port", "0", "--http-port", "0", "--data-dir", str(data_dir)]
    with subprocess.Popen(
        [*command, "--set", "media_engine=none", *arguments], stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
    ) as process:
        assert process.stderr is not None
        try:
            seen = []
            for line in process.stderr:
                seen.append(line)
                if "ready at" in line:
                    break
            assert process.poll() is None, seen
            info = json.loads((data_dir / "server.json").read_text())
            credentials = json.loads((data_dir / "credentials.json").read_text())
            yield Folder(data_dir, info, credentials)
        finally:
            process.terminate()
            process.communicate(timeout=20)
