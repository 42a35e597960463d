"""The server that is killed: a real `midcall serve`, always on the same data folder and ports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, Final

READY_S: Final = 30.0
ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if not name.startswith(("MIDCALL_", "TWILIO_"))}
DATABASE: Final = "midcall.db"


class NotReady(Exception):
    """The server ended, or was not ready in time."""


@dataclass(slots=True)
class Victim:
    """One server after the other.

    Attributes:
        engine: its media engine.
        run: number of the process that is, or was last, up.
        recoveries: seconds from the start of each process to its being ready.
    """

    data_dir: Path
    log_file: Path
    engine: str = "none"
    run: int = 0
    recoveries: list[float] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    killed_at: float = 0.0
    _log: BinaryIO | None = None

    @property
    def database(self) -> Path:
        return self.data_dir / DATABASE

    @property
    def http_url(self) -> str:
        return str(self.info["http_url"])

    @property
    def signal_url(self) -> str:
        return f"ws://127.0.0.1:{self.info['http_port']}/signal"

    def credentials(self) -> dict[str, str]:
        loaded: dict[str, str] = json.loads((self.data_dir / "credentials.json").read_text())
        return loaded

    async def spawn(self, limits: Callable[[], None] | None = None) -> None:
        """Start the next process, and do not wait for it.

        Args:
            limits: called in the new process before the server is.
        """
        self.run += 1
        if self._log is None:
            self._log = self.log_file.open("wb")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "midcall", "serve", "--data-dir", str(self.data_dir),
            "--port", str(self.info.get("port", 0)), "--http-port", str(self.info.get("http_port", 0)),
            "--set", f"media_engine={self.engine}", "--set", "log_level=warning", "--set", "log_format=json",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            preexec_fn=limits,
        )  # fmt: skip

    async def ready(self) -> None:
        """Wait until it serves.

        Raises:
            NotReady: it ended, or takes too long.
        """
        assert self.process is not None
        began = monotonic()
        path = self.data_dir / "server.json"
        while monotonic() - began < READY_S:
            if self.process.returncode is not None:
                raise NotReady(f"the server ended with {self.process.returncode}: {self.last_words()}")
            with contextlib.suppress(FileNotFoundError):  # the next server takes the last one's file away
                info = json.loads(path.read_text())
                if info["pid"] == self.process.pid:
                    self.info = info
                    self.recoveries.append(monotonic() - began)
                    return
            await asyncio.sleep(0.01)  # a file has no event to wait for
        raise NotReady(f"the server was not ready within {READY_S:g} s: {self.last_words()}")

    async def start(self) -> None:
        await self.spawn()
        await self.ready()

    def kill(self) -> None:
        """SIGKILL, this instant."""
        assert self.process is not None
        if self.process.returncode is None and not self.killed_at:
            self.killed_at = monotonic()
            os.kill(self.process.pid, signal.SIGKILL)

    async def dead(self) -> None:
        """Wait for the end of the process."""
        assert self.process is not None
        await self.process.wait()
        self.killed_at = 0.0

    async def stop(self) -> int:
        """As an operator would; the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    def last_words(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-5:])

    def complaints(self) -> list[str]:
        """Lines of the log that say that something of ours failed."""
        lines = []
        for line in self.log_file.read_bytes().splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # killed while it wrote, or the interpreter's own words
                if b"Traceback" in line:
                    lines.append(line.decode(errors="replace"))
                continue
            if record["level"] == "error":
                lines.append(line.decode(errors="replace"))
        return lines

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
