"""Servers and commands in processes of their own, started and stopped as a user would, and the program in this one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from midcall.cli import main
from support.processes import ENVIRONMENT, MIDCALL, Done, Folder, Midcall, Run, Serve, Served, serve_in_background


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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """One server for all tests of a file that only ask it something."""
    with serve_in_background(tmp_path_factory.mktemp("served") / "data") as folder:
        yield folder


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The program in this process, in an empty folder: as fast as a function, with the exit code of the real one."""

    def run(*arguments: object, **environment: str) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["midcall", *(str(argument) for argument in arguments)])
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        shown = capsys.readouterr()
        return Done(code, shown.out, shown.err)

    return run


@pytest.fixture
def run(program: Run, served: Folder) -> Run:
    """The program with the data folder of the server that runs, or with another."""

    def run(*arguments: object, data_dir: object = served.path) -> Done:
        return program(*arguments, MIDCALL_DATA_DIR=str(data_dir))

    return run
