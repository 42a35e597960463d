"""`midcall doctor`: what a client of this installation needs, and the flags for a browser."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer
from msgspec import json as msgspec_json

from midcall.cli import chromium
from midcall.cli.failure import Failure
from midcall.cli.help import Program
from midcall.cli.options import DataDir, folder_of, running_server

HELP = """
Print the flags with which Chromium finds this server where a page looks for the vendor.

With them, a page that says `new Device(token)` and nothing else works, for the
browser that was started with them and for no other program.

\b
[bold]Examples[/bold]
  eval "chromium $(midcall doctor --chromium) http://localhost:3000"
  midcall doctor --chromium --json   # for Playwright, Puppeteer and the like
"""

group = typer.Typer(cls=Program)


@group.callback(invoke_without_command=True, no_args_is_help=True, help=HELP)
def doctor(
    for_chromium: Annotated[
        bool, typer.Option("--chromium", help="Print the flags, quoted for a shell, on one line.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As a JSON array, for programs.")] = False,
    data_dir: DataDir = None,
) -> None:
    if for_chromium:
        _print_flags(data_dir, json=json)


def _print_flags(data_dir: str | None, *, json: bool) -> None:
    folder = folder_of(data_dir)
    server = running_server(folder, data_dir)
    try:
        flags = chromium.flags(server, folder.path / "chromium")
    except (OSError, ValueError) as error:
        raise Failure(
            f"the server's certificate cannot be read: {error}; restart the server to make a new one"
        ) from None
    print(msgspec_json.encode(flags).decode() if json else shlex.join(flags))
