"""Starts and stops the servers that are measured: Midcall and its references, each as a program of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCES = ROOT / "benchmarks" / "references"
FASTAPI_PYTHON = ROOT / "build" / "bench" / "fastapi" / "bin" / "python"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
READY_S = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers.

    Attributes:
        port: plain HTTP on loopback.
        tls_port: the same with TLS; 0 where there is none.
        credentials: what `midcall credentials` prints; empty for references.
    """

    name: str
    pid: int
    port: int
    tls_port: int
    credentials: dict[str, str]


@asynccontextmanager
async def midcall(folder: Path, **settings: object) -> AsyncIterator[Running]:
    """`midcall serve` as anybody starts it, with durability and timelines on, only the limits of one call raised."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MIDCALL_", "TWILIO_"))}
    chosen = {"media_engine": "none", "messages_per_second": 1_000_000, "log_level": "warning", **settings}
    environ |= {f"MIDCALL_{name.upper()}": str(value) for name, value in chosen.items()}
    command = [sys.executable, "-m", "midcall", "serve", "--port", "0", "--http-port", "0", "--data-dir", str(folder)]
    (folder / "server.json").unlink(missing_ok=True)
    async with _program("midcall", command, environ) as process:
        info = await _server_file(folder, process)
        shown = await asyncio.to_thread(_credentials, folder, environ)
        yield Running("midcall", process.pid, int(info["http_port"]), int(info["port"]), shown)


def _credentials(folder: Path, environ: dict[str, str]) -> dict[str, str]:
    command = [sys.executable, "-m", "midcall", "credentials", "--format", "json", "--data-dir", str(folder)]
    shown: dict[str, str] = json.loads(subprocess.run(command, check=True, capture_output=True, env=environ).stdout)
    return shown


async def _server_file(folder: Path, process: asyncio.subprocess.Process) -> dict[str, str]:
    async with asyncio.timeout(READY_S):
        while process.returncode is None:
            try:
                found: dict[str, str] = json.loads((folder / "server.json").read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                await asyncio.sleep(0.02)
                continue
            return found
    raise RuntimeError(f"midcall ended with {process.returncode}")


@asynccontextmanager
async def nchan(folder: Path) -> AsyncIterator[Running]:
    port = _free_port()
    config = _nginx_config(folder, port)
    command = [NGINX, "-p", str(folder), "-c", str(config), "-e", str(folder / "start.log")]
    async with _program("nginx", command) as process:
        await _listening(port, process)
        yield Running("nchan", process.pid, port, 0, {})


def _nginx_config(folder: Path, port: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = (REFERENCES / "nchan" / "nginx.conf").read_text()
    config = folder / "nginx.conf"
    config.write_text(text.replace("PORT", str(port)).replace("FOLDER", str(folder)))
    return config


def fastify(webhook: str) -> AbstractAsyncContextManager[Running]:
    return _reference("fastify", ["node", str(REFERENCES / "fastify" / "server.js"), webhook])


def fastapi(webhook: str) -> AbstractAsyncContextManager[Running]:
    return _reference("fastapi", [str(FASTAPI_PYTHON), str(REFERENCES / "fastapi" / "server.py"), webhook])


@asynccontextmanager
async def _reference(name: str, command: Sequence[str]) -> AsyncIterator[Running]:
    async with _program(name, command, stdout=True) as process:
        assert process.stdout is not None
        async with asyncio.timeout(READY_S):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} did not start")
        port = int(line)
        await _listening(port, process)
        yield Running(name, process.pid, port, 0, {})


@asynccontextmanager
async def _program(
    name: str, command: Sequence[str], environ: dict[str, str] | None = None, *, stdout: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environ, stdout=asyncio.subprocess.PIPE if stdout else None
        )
    except FileNotFoundError:
        raise RuntimeError(f"{name} is not installed: run make bench, which installs the references") from None
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(READY_S):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
    raise RuntimeError(f"the program ended with {process.returncode}")
