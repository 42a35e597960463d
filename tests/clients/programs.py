"""Programs in other languages: one that does jobs as long as it is asked, and one that ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from support.processes import ENVIRONMENT


class ProgramFailed(AssertionError):
    """What a library raised, or what a program said when it died."""


class Program:
    """A running `operations.*` of some language."""

    def __init__(self, process: asyncio.subprocess.Process, variables: Mapping[str, str]) -> None:
        self._process = process
        self.variables = variables

    async def do(self, operation: str, **arguments: object) -> Mapping[str, Any]:
        """The answer to a job.

        Raises:
            ProgramFailed: the library refused, or the program is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"operation": operation, "arguments": arguments}).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise ProgramFailed(f"the program has ended: {(await self._complaint()).strip()}")
        result: dict[str, Any] = json.loads(line)
        if "answer" not in result:
            raise ProgramFailed(result["failure"])
        answer: Mapping[str, Any] = result["answer"]
        return answer

    async def _complaint(self) -> str:
        assert self._process.stderr is not None
        return (await self._process.stderr.read()).decode(errors="replace")


@asynccontextmanager
async def running(command: tuple[str, ...], variables: Mapping[str, str]) -> AsyncIterator[Program]:
    """The program inside the block; it ends when its input does."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**ENVIRONMENT, **variables},
    )
    assert process.stdin is not None
    try:
        yield Program(process, variables)
    finally:
        process.stdin.close()
        await process.communicate()


async def run_sample(command: tuple[str, ...], variables: Mapping[str, str | None]) -> str:
    """What a program prints that does its work and ends; a variable that is None is unset."""
    environment = {name: value for name, value in {**ENVIRONMENT, **variables}.items() if value is not None}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment
    )
    out, err = await process.communicate()
    if process.returncode:
        raise ProgramFailed(f"{command[-3]} ended with {process.returncode}: {err.decode()[-2000:]}")
    return out.decode()
