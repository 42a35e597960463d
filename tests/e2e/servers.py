"""A real `midcall serve` process that end-to-end tests start, kill and start again on the same data folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from customers import Credentials

READY_S = 20.0
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MIDCALL_", "TWILIO_"))}


@dataclass(slots=True)
class Server:
    """`midcall serve` on free ports, which it keeps over restarts."""

    data_dir: Path
    options: tuple[str, ...] = ()
    process: asyncio.subprocess.Process | None = None
    ports: tuple[int, int] = (0, 0)
    log: list[str] = field(default_factory=list)
    _reader: asyncio.Task[None] | None = None

    async def start(self) -> Credentials:
        """Start it and wait until it is ready."""
        port, http_port = self.ports
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "midcall", "serve",
            "--port", str(port), "--http-port", str(http_port), "--data-dir", str(self.data_dir), *self.options,
            env=ENVIRONMENT,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read_log(self.process))
        info = await self._ready()
        self.ports = (int(info["port"]), int(info["http_port"]))
        return await self.credentials()

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr
        async for line in process.stderr:
            self.log.append(line.decode(errors="replace").rstrip())

    async def _ready(self) -> dict[str, str]:
        assert self.process
        path = self.data_dir / "server.json"
        try:
            async with asyncio.timeout(READY_S):
                while True:
                    if self.process.returncode is not None:
                        raise AssertionError(f"the server ended with {self.process.returncode}")
                    with contextlib.suppress(FileNotFoundError):  # the next server takes the last one's file away
                        info: dict[str, str] = json.loads(path.read_text())
                        if int(info["pid"]) == self.process.pid:
                            return info
                    await asyncio.sleep(0.02)  # a file has no event to wait for
        except (TimeoutError, AssertionError) as error:
            raise AssertionError("\n".join([str(error) or "the server was not ready in time", *self.log])) from None

    async def credentials(self) -> Credentials:
        shown = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "midcall", "credentials", "--format", "json", "--data-dir", str(self.data_dir),
            env=ENVIRONMENT,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await shown.communicate()
        return Credentials(**json.loads(out))

    async def kill(self) -> None:
        """As a power failure would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """As an operator would; the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process and self._reader
        if self.process.returncode is None:
            self.process.send_signal(number)
        code = await self.process.wait()
        await self._reader
        return code
