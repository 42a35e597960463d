"""Options that many commands share, and the folder they lead to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from midcall.cli.failure import ExitCode, Failure
from midcall.folder import Credentials, Folder, FolderUnusable, ServerInfo
from midcall.settings import Settings, SettingsError, load

DataDir = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Data folder of the server, also MIDCALL_DATA_DIR (default: ./.midcall).",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="TOML file with settings, also MIDCALL_CONFIG.", show_default=False),
]


def settings_from(flags: Mapping[str, object], config: Path | None = None) -> Settings:
    """Flags, environment and file, put together.

    Raises:
        Failure: a setting cannot be used.
    """
    named = os.environ.get("MIDCALL_CONFIG")
    try:
        return load(flags, os.environ, config or (Path(named) if named else None))
    except SettingsError as error:
        raise Failure(str(error), ExitCode.CANNOT_START) from None


def folder_of(data_dir: str | None) -> Folder:
    """The data folder that a command means."""
    settings = settings_from({"data_dir": data_dir})
    if settings.keeps_nothing:
        raise Failure("a server with --data-dir :memory: has a folder for its lifetime; give the one it printed")
    return Folder(Path(settings.data_dir))


def pairs(flag: str, texts: Iterable[str], *, form: str) -> dict[str, str]:
    """What a repeatable option says, split at the first `=`; the last of each name.

    Raises:
        Failure: one has no `=`; the text shows the form.
    """
    named: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise Failure(f"{flag} {text} cannot be used: it takes {form}", ExitCode.USAGE)
        named[name] = value
    return named


def running_server(folder: Folder, data_dir: str | None) -> ServerInfo:
    """Where the folder's server is.

    Raises:
        Failure: none runs there.
    """
    with readable():
        server = folder.server()
    if server is None:
        raise Failure(f"no server runs on {shown(folder, data_dir)}; {how_to_start(data_dir)}", ExitCode.NO_SERVER)
    return server


def credentials_of(folder: Folder, data_dir: str | None) -> Credentials:
    """What the folder's first start made.

    Raises:
        Failure: no server was ever started there.
    """
    with readable():
        credentials = folder.credentials()
    if credentials is None:
        raise Failure(
            f"{shown(folder, data_dir)} has no credentials yet, the first start makes them; {how_to_start(data_dir)}",
            ExitCode.NO_SERVER,
        )
    return credentials


@contextmanager
def readable() -> Iterator[None]:
    """Turn a damaged folder into a failure."""
    try:
        yield
    except FolderUnusable as error:
        raise Failure(str(error)) from None


def shown(folder: Folder, data_dir: str | None) -> str:
    """The folder as the user would write it."""
    return data_dir or os.environ.get("MIDCALL_DATA_DIR") or f"./{folder.path.name}"


def how_to_start(data_dir: str | None) -> str:
    return "start one with: midcall serve" + (f" --data-dir {data_dir}" if data_dir else "")
