"""`midcall account`: who this server works for. Tokens and secrets are shown by `midcall credentials` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from midcall.cli import rest, tables
from midcall.cli.asking import Asking, Json
from midcall.cli.help import Command, Program
from midcall.cli.options import DataDir

if TYPE_CHECKING:
    from midcall.wire.resources import AccountResource

group = typer.Typer(
    cls=Program, no_args_is_help=True, help="Accounts of the server. Secrets are with midcall credentials."
)


@group.command("list", cls=Command)
def list_(json: Json = False, data_dir: DataDir = None) -> None:
    """
    List the accounts that the server's own credentials reach.

    \b
    [bold]Examples[/bold]
      midcall account list
    """
    from midcall.wire.resources import AccountPage

    asking = Asking.of(data_dir)
    pages = rest.pages(asking.server, asking.credentials, "/2010-04-01/Accounts.json", {}, AccountPage)
    rows = [row for page in pages for row in page.accounts]
    if json:
        for row in rows:
            print(_as_json(row))
        return
    cells = [(row.sid, row.status, tables.clock(row.date_created), row.friendly_name) for row in rows]
    tables.show(("account", "status", "made", "name"), cells, nothing="no accounts")


@group.command(cls=Command)
def show(json: Json = False, data_dir: DataDir = None) -> None:
    """
    Show the account that the server made for itself, without its token.

    \b
    [bold]Examples[/bold]
      midcall account show
    """
    from midcall.wire.resources import AccountResource

    asking = Asking.of(data_dir)
    row = rest.read(rest.get(asking.server, asking.credentials, f"{asking.account}.json", {}), AccountResource)
    if json:
        print(_as_json(row))
        return
    details = (
        ("account", row.sid),
        ("name", row.friendly_name),
        ("status", row.status),
        ("made", tables.clock(row.date_created)),
        ("changed", tables.clock(row.date_updated)),
        ("parent", None if row.owner_account_sid == row.sid else row.owner_account_sid),
    )
    tables.details(details)


def _as_json(row: AccountResource) -> str:
    """As the server says it, but for the token: what is listed gets pasted into tickets."""
    from msgspec import to_builtins
    from msgspec.json import encode

    shown = to_builtins(row)
    del shown["auth_token"]
    return encode(shown).decode()
