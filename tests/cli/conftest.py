"""Servers and commands in processes of their own, started and stopped as a user would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.processes import ENVIRONMENT, MIDCALL, Done, Midcall, Serve, Served


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts servers on free ports; those still there are killed in the end."""
    started: list[Served] = []

    async def start(*arguments: str, data_dir: Path | None = None, **environment: str) -> Served:
        data_dir = data_dir or tmp_path / "data"
        process = await asyncio.create_subprocess_exec(
            *MIDCALL,
            *("serve", "--port", "0", "--http-port", "0", "--data-dir", str(data_dir)),
            *("--set", "media_engine=none", *arguments),
            stderr=asyncio.subprocess.PIPE,
            env=ENVIRONMENT | environment,
            cwd=tmp_path,
        )
        served = Served(process, data_dir, [])
        started.append(served)
        await served.line_with("ready at")
        return served

    yield start
    for served in started:
        if served.process.returncode is None:
            served.process.kill()
        await served.process.communicate()


@pytest.fixture
def midcall(tmp_path: Path) -> Midcall:
    """Runs a command to its end."""

    async def run(*arguments: str, **environment: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *MIDCALL,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=ENVIRONMENT | environment,
            cwd=tmp_path,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    return run
