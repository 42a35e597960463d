"""`midcall token`: an access token for a Voice SDK client, signed with the installation's API key."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from midcall.cli.failure import ExitCode, Failure
from midcall.cli.options import DataDir, credentials_of, folder_of
from midcall.core import sids
from midcall.core.sids import AccountSid, ApplicationSid, KeySid
from midcall.folder import Credentials


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
    no_incoming: Annotated[bool, typer.Option("--no-incoming", help="Nobody may call the client.")] = False,
    no_outgoing: Annotated[bool, typer.Option("--no-outgoing", help="The client may call nobody.")] = False,
    data_dir: DataDir = None,
) -> None:
    """
    Print an access token for a Voice SDK client.

    It is for trying things out: your app makes its own with a helper library.

    \b
    [bold]Examples[/bold]
      midcall token --identity alice
      midcall token --identity bob --ttl 60 --no-outgoing
      TOKEN=$(midcall token --identity alice)
    """
    if identity is None and not no_incoming:
        raise Failure("a client that may be called needs a name: add --identity NAME, or --no-incoming", ExitCode.USAGE)
    if application_sid is not None and sids.parse(application_sid, "AP") is None:
        raise Failure(f"{application_sid} is no application: its sid is AP and 32 hex digits", ExitCode.USAGE)
    made = credentials_of(folder_of(data_dir), data_dir)
    application = None if no_outgoing else application_sid or made.application_sid
    print(signed(made, identity, ttl, application, incoming=not no_incoming))


def signed(made: Credentials, identity: str | None, ttl: int, application_sid: str | None, *, incoming: bool) -> str:
    """The token, checked as the server will check it.

    Raises:
        Failure: the server would refuse it.
    """
    from midcall.core import tokens
    from midcall.core.errors import Refused

    now = time.time()
    token = tokens.mint(
        key_sid=KeySid(made.api_key_sid),
        secret=made.api_key_secret,
        account_sid=AccountSid(made.account_sid),
        now=now,
        token_id=f"{made.api_key_sid}-{now:.0f}",
        identity=identity,
        ttl_s=ttl,
        incoming=incoming,
        application_sid=ApplicationSid(application_sid) if application_sid else None,
    )
    try:
        tokens.check_life(tokens.verify(token, made.api_key_secret), now)
    except Refused as refused:
        raise Failure(f"the server would refuse this token: {refused.detail}", ExitCode.USAGE) from None
    return token
