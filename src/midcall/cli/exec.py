"""`midcall exec`: a program whose calls to the vendor's hosts come here, with no line of it changed."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from midcall.cli import chromium
from midcall.cli.failure import ExitCode, Failure
from midcall.cli.options import DataDir, credentials_of, folder_of, running_server
from midcall.folder import Credentials, Folder, FolderUnusable, ServerInfo

if TYPE_CHECKING:
    from midcall.redirect.environment import Variables
    from midcall.redirect.proxy import Home


class Format(StrEnum):
    ENV = "env"
    JSON = "json"


def exec_(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND…", help="The program and its arguments, after --.", show_default=False),
    ] = None,
    print_env: Annotated[
        bool, typer.Option("--print-env", help="Start nothing; print the variables for a shell.")
    ] = False,
    format: Annotated[
        Format, typer.Option(help="For --print-env: env for shells, json for programs (null: unset it).")
    ] = Format.ENV,
    data_dir: DataDir = None,
) -> None:
    """
    Run a program unchanged; what it sends to the vendor's hosts comes to this server.

    The program and all that it starts get a proxy for those hosts, the local
    certificate authority besides those they trusted before, and this server's
    credentials, all in environment variables. Other hosts are reached as before,
    also through a proxy that HTTPS_PROXY names. Terminal, signals and the exit
    status are the program's own, and nothing is left behind. Chromium and Chrome
    get flags and an empty profile besides, so that pages need no options either.

    \b
    [bold]Examples[/bold]
      midcall exec -- python app.py
      midcall exec -- npm start
      midcall exec -- chromium http://localhost:3000
      eval "$(midcall exec --print-env)"   # for this shell; it reaches no other hosts

    [bold]Exit status[/bold]: the program's; 128 + n when signal n ended it; 127 not found, 126 not executable.
    """
    folder = folder_of(data_dir)
    server, credentials = running_server(folder, data_dir), credentials_of(folder, data_dir)
    if print_env:
        _print(_served(folder, server, credentials), format)
    elif not command:
        raise Failure("say what to run, such as: midcall exec -- python app.py", ExitCode.USAGE)
    else:
        sys.exit(_run(command, folder, server, credentials))


def _run(command: list[str], folder: Folder, server: ServerInfo, credentials: Credentials) -> int:
    """The program beside a proxy of its own; its exit status."""
    from midcall.redirect import child, files
    from midcall.redirect.environment import variables
    from midcall.redirect.proxy import LOOPBACK, serving
    from midcall.redirect.upstream import UnusableProxy, Upstreams

    try:
        upstreams = Upstreams.of(os.environ)
    except UnusableProxy as error:
        raise Failure(str(error)) from None
    with (
        child.signals_kept() as mask,
        tempfile.TemporaryDirectory(prefix="midcall-exec-", ignore_cleanup_errors=True) as own,
        child.beside(serving(lambda: _home(folder), upstreams)) as port,
    ):
        try:
            made = files.write(Path(own), Path(server.ca_file), os.environ)
            if chromium.is_chromium(command[0]):
                command = [command[0], *chromium.flags(server, Path(own) / "chromium"), *command[1:]]
        except (OSError, ValueError) as error:
            raise Failure(f"what {command[0]} needs cannot be prepared in {own}: {error}") from None
        told = variables(host=LOOPBACK, port=port, credentials=credentials, files=made, environment=os.environ)
        try:
            return child.run(command, _applied(told), mask)
        except OSError as error:
            print(f"midcall: {command[0]} cannot be started: {error.strerror}", file=sys.stderr)
            return child.NOT_FOUND if isinstance(error, FileNotFoundError) else child.NOT_EXECUTABLE


def _home(folder: Folder) -> Home | None:
    """Where the server is now: it may have restarted since the program began."""
    from midcall.redirect.proxy import Home

    try:
        server = folder.server()
    except FolderUnusable:
        return None
    return None if server is None else Home(server.address, server.port, server.http_port)


def _served(folder: Folder, server: ServerInfo, credentials: Credentials) -> Variables:
    """What leads to the proxy that the server itself has; the files stay in its folder."""
    from midcall.redirect import files
    from midcall.redirect.environment import variables
    from midcall.redirect.proxy import LOOPBACK

    try:
        made = files.write(folder.path / "exec", Path(server.ca_file), os.environ)
    except OSError as error:
        raise Failure(f"{folder.path / 'exec'} cannot be written: {error.strerror}") from None
    return variables(host=LOOPBACK, port=server.http_port, credentials=credentials, files=made, environment=os.environ)


def _applied(told: Variables) -> dict[str, str]:
    environment = {**os.environ, **{name: value for name, value in told.items() if value is not None}}
    for name, value in told.items():
        if value is None:
            environment.pop(name, None)
    return environment


def _print(told: Mapping[str, str | None], format: Format) -> None:
    if format is Format.JSON:
        print(msgspec.json.format(msgspec.json.encode(told)).decode())
        return
    for name, value in told.items():
        print(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
