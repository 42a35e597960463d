"""`midcall token`: an access token for a Voice SDK client, signed with the installation's API key."""

from __future__ import annotations

import re
import time
from typing import Annotated

import typer

from midcall.cli.failure import ExitCode, Failure
from midcall.cli.options import DataDir, credentials_of, folder_of
from midcall.core import sids


def token(
    identity: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who the client is; others call client:NAME.", show_default=False)
    ] = None,
    ttl: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, max=86_400, help="How long the token works, at most a day.")
    ] = 3600,
    application_sid: Annotated[
        str | None,
        typer.Option(
            metavar="AP…", help="Application for outgoing calls (default: the installation's own).", show_default=False
        ),
    ] = None,
    incoming: Annotated[bool, typer.Option(help="May the client be called?")] = True,
    outgoing: Annotated[bool, typer.Option(help="May the client place calls?")] = True,
    data_dir: DataDir = None,
) -> None:
    """
    Print an access token for the Voice SDK, for trying things out; your app makes its own with a helper library.

    \b
    [bold]Examples[/bold]
      midcall token --identity alice
      midcall token --identity bob --ttl 60 --no-outgoing
      TOKEN=$(midcall token --identity alice)
    """
    if identity is None and incoming:
        raise Failure("a client that may be called needs a name: add --identity NAME, or --no-incoming", ExitCode.USAGE)
    print(identity, ttl, application_sid, outgoing, data_dir, time.time(), sids, re, credentials_of, folder_of)
