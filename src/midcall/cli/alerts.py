"""`midcall alerts`: what went wrong lately, and where."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from midcall.cli import rest, tables
from midcall.cli.asking import Asking, Call, chosen, sid
from midcall.cli.help import Command, Program
from midcall.cli.options import DataDir

if TYPE_CHECKING:
    from midcall.wire.resources import AlertResource

ROWS = 50
TAIL_S = 0.5
INDENT = len("2026-01-31 12:00:00  ")

group = typer.Typer(cls=Program, invoke_without_command=True)

Json = Annotated[bool, typer.Option("--json", help="As the server says it.")]


@group.callback()
def alerts(context: typer.Context, data_dir: DataDir = None, call: Call = None, json: Json = False) -> None:
    """
    List what went wrong lately: failed webhooks, bad TwiML, messages nobody took.

    \b
    [bold]Examples[/bold]
      midcall alerts
      midcall alerts --call CA0123456789abcdef0123456789abcdef
      midcall alerts --json
      midcall alerts tail
    """
    if context.invoked_subcommand is None:
        list_(data_dir, call, json)


@group.command("list", cls=Command)
def list_(data_dir: DataDir = None, call: Call = None, json: Json = False) -> None:
    """
    List them, newest first; what midcall alerts does by itself.

    \b
    [bold]Examples[/bold]
      midcall alerts list --call CA0123456789abcdef0123456789abcdef
    """
    body = _newest(Asking.of(data_dir), call)
    if json:
        print(body.decode())
        return
    rows = _rows(body)
    if not rows:
        print("no alerts")
    for row in rows:
        _show(row)


@group.command(cls=Command)
def tail(data_dir: DataDir = None, call: Call = None) -> None:
    """
    Print alerts as they come. Ends with Ctrl-C.

    \b
    [bold]Examples[/bold]
      midcall alerts tail
    """
    asking = Asking.of(data_dir)
    seen = {row.sid for row in _rows(_newest(asking, call))}
    try:
        while True:
            time.sleep(TAIL_S)
            fresh = [row for row in _rows(_newest(asking, call)) if row.sid not in seen]
            for row in reversed(fresh):
                _show(row)
            seen.update(row.sid for row in fresh)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _newest(asking: Asking, call: str | None) -> bytes:
    query = chosen(PageSize=ROWS, CallSid=None if call is None else sid(call, "CA"))
    return rest.get(asking.server, asking.credentials, f"{asking.extension}/Alerts.json", query)


def _rows(body: bytes) -> Sequence[AlertResource]:
    from midcall.wire.resources import AlertPage

    return rest.read(body, AlertPage).alerts


def _show(row: AlertResource) -> None:
    print(tables.hanging(rest.printable(line(row)), INDENT))


def line(row: AlertResource) -> str:
    """One alert for a person."""
    about = "".join(f"  {part}" for part in (row.call_sid, row.request_url) if part)
    return f"{tables.clock(row.date_created)}  {row.level:7}  {row.code}  {row.reason}{about}"
