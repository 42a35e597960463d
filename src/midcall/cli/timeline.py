"""`midcall timeline`: all that happened on one call, in order."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from midcall.cli import rest, tables
from midcall.cli.asking import sid
from midcall.cli.options import DataDir, credentials_of, folder_of, running_server

AT_WIDTH = len("2026-01-31T12:00:00.000Z  ")


class EventRow(msgspec.Struct):
    """One line of a timeline."""

    at: str
    kind: str
    detail: dict[str, object]


class Timeline(msgspec.Struct):
    events: list[EventRow]


def timeline(
    call: Annotated[str, typer.Argument(metavar="CA…", help="Sid of the call.", show_default=False)],
    data_dir: DataDir = None,
    json: Annotated[bool, typer.Option("--json", help="As the server says it.")] = False,
) -> None:
    """
    Tell one call from start to end: statuses, messages, webhooks, digits.

    \b
    [bold]Examples[/bold]
      midcall timeline CA0123456789abcdef0123456789abcdef
      midcall timeline CA0123456789abcdef0123456789abcdef --json
    """
    leg = sid(call, "CA")
    folder = folder_of(data_dir)
    server, credentials = running_server(folder, data_dir), credentials_of(folder, data_dir)
    path = f"/midcall/v1/Accounts/{credentials.account_sid}/Calls/{leg}/Timeline.json"
    body = rest.get(server, credentials, path, {}, missing=f"no call {leg} is known here; old ones are forgotten")
    if json:
        print(body.decode())
        return
    for row in rest.read(body, Timeline).events:
        print(tables.hanging(rest.printable(line(row, leg)), AT_WIDTH))


def line(row: EventRow, sid: str) -> str:
    """One event for a person, who knows which call it is about, and to whom nothing says nothing."""
    told = {name: value for name, value in row.detail.items() if value not in (sid, None, "")}
    detail = " ".join(f"{name}={_short(value)}" for name, value in told.items())
    return f"{row.at}  {row.kind:20} {detail}".rstrip()


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 100 else text[:97] + "…"
