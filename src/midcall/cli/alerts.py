"""`midcall alerts`: what went wrong lately, and where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from midcall.cli import rest
from midcall.cli.failure import ExitCode, Failure
from midcall.cli.options import DataDir, credentials_of, folder_of, running_server

if TYPE_CHECKING:
    from midcall.wire.resources import AlertResource


def alerts(
    data_dir: DataDir = None,
    call: Annotated[
        str | None, typer.Option(metavar="CA…", help="Only what concerns this call.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="As the server says it.")] = False,
) -> None:
    """
    List what went wrong lately: failed webhooks, bad TwiML, messages nobody took.

    \b
    [bold]Examples[/bold]
      midcall alerts
      midcall alerts --call CA0123456789abcdef0123456789abcdef
      midcall alerts --json
    """
    from midcall.wire.resources import AlertPage

    folder = folder_of(data_dir)
    server, credentials = running_server(folder, data_dir), credentials_of(folder, data_dir)
    query = {} if call is None else {"CallSid": call_sid(call)}
    path = f"/midcall/v1/Accounts/{credentials.account_sid}/Alerts.json"
    body = rest.get(server, credentials, path, query)
    if json:
        print(body.decode())
        return
    page = rest.read(body, AlertPage)
    if not page.alerts:
        print("no alerts")
    for row in page.alerts:
        print(rest.printable(line(row)))


def line(row: AlertResource) -> str:
    """One alert for a person."""
    about = "".join(f"  {part}" for part in (row.call_sid, row.request_url) if part)
    return f"{row.date_created}  {row.level:7}  {row.code}  {row.reason}{about}"


def call_sid(text: str) -> str:
    """The argument, when it is a call's sid.

    Raises:
        Failure: it is not.
    """
    if re.fullmatch(r"CA[0-9a-f]{32}", text) is None:
        raise Failure(
            f"{text} is no call: a call's sid is CA and 32 hex digits, as the server prints it", ExitCode.USAGE
        )
    return text
