"""`midcall doctor`: what is wrong with this installation, with a token, with a signature, and the fix."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from midcall.cli.asking import Asking, sid
from midcall.cli.failure import ExitCode, Failure
from midcall.cli.findings import Format, Shape, report
from midcall.cli.help import Command, Program
from midcall.cli.options import DataDir, folder_of, running_server, settings_from

group = typer.Typer(cls=Program, invoke_without_command=True)


@group.callback()
def doctor(
    context: typer.Context,
    chromium: Annotated[
        bool, typer.Option("--chromium", help="Print the flags with which Chromium finds and trusts this server.")
    ] = False,
    format: Shape = Format.TEXT,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    data_dir: DataDir = None,
) -> None:
    """
    Say what is wrong with this installation, and how to put it right.

    Checks Python, the data folder, certificates, ports or the running server, TLS
    under the vendor's names, UDP, disk, clock, your app's URLs and recent alerts.
    The exit code is 1 when something is wrong.

    \b
    [bold]Examples[/bold]
      midcall doctor
      midcall doctor --format json
      midcall doctor token "$TOKEN"
      midcall doctor signature --url https://app.test/voice --request request.txt
      eval "chromium $(midcall doctor --chromium) http://localhost:3000"
    """
    if context.invoked_subcommand is not None:
        return
    shape = Format.JSON if json else format
    if chromium:
        _print_flags(data_dir, shape)
        return
    from midcall.cli.installation import examine

    report(examine(folder_of(data_dir), data_dir, settings_from({"data_dir": data_dir}), os.environ), shape)


def _print_flags(data_dir: str | None, format: Format) -> None:
    """Quoted for a shell, on one line; JSON for Playwright, Puppeteer and the like."""
    from msgspec.json import encode

    from midcall.cli.chromium import flags

    folder = folder_of(data_dir)
    server = running_server(folder, data_dir)
    try:
        made = flags(server, folder.path / "chromium")
    except (OSError, ValueError) as error:
        raise Failure(
            f"the server's certificate cannot be read: {error}; restart the server to make a new one"
        ) from None
    print(encode(made).decode() if format is Format.JSON else shlex.join(made))


@group.command("token", cls=Command)
def token(
    shown: Annotated[str, typer.Argument(metavar="TOKEN", help="An access token; - reads it from standard input.")],
    format: Shape = Format.TEXT,
    data_dir: DataDir = None,
) -> None:
    """
    Say which check an access token fails: time, key, signature, grants.

    Nothing secret is printed, and nothing is registered.

    \b
    [bold]Examples[/bold]
      midcall doctor token "$TOKEN"
      pbpaste | midcall doctor token -
    """
    import datetime as dt

    from midcall.cli.token_checks import examine

    text = (sys.stdin.read(64 * 1024) if shown == "-" else shown).strip()
    report(examine(text, Asking.of(data_dir), dt.datetime.now(dt.UTC)), format)


@group.command("signature", cls=Command)
def signature(
    url: Annotated[str | None, typer.Option(help="The URL as your app sees it.", show_default=False)] = None,
    given: Annotated[
        str | None, typer.Option("--signature", help="The value of X-Twilio-Signature.", show_default=False)
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="A header of the request. Repeatable.", show_default=False),
    ] = None,
    body: Annotated[str | None, typer.Option(help="The raw body.", show_default=False)] = None,
    body_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The raw body; - is standard input.", show_default=False)
    ] = None,
    request: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The whole request, head and body, as HTTP; - is standard input.", show_default=False
        ),
    ] = None,
    call: Annotated[
        str | None, typer.Option(metavar="CA…", help="With --message: a recorded delivery.", show_default=False)
    ] = None,
    message: Annotated[
        str | None, typer.Option(metavar="KX…", help="With --call: a recorded delivery.", show_default=False)
    ] = None,
    format: Shape = Format.TEXT,
    data_dir: DataDir = None,
) -> None:
    """
    Say which variant of a request would have validated, and what to change.

    Tries scheme, host, port, slash, query, what of the body is signed, and the
    tokens of all accounts here. TWILIO_AUTH_TOKEN, when it is set, is taken for
    what your app validates with. No token is printed.

    \b
    [bold]Examples[/bold]
      midcall doctor signature --url http://app:3000/voice --signature 'zJPEr1h…' --body 'CallSid=CA…&To=…'
      midcall doctor signature --request request.txt
      midcall doctor signature --call CA… --message KX… --url http://app:3000/messages
    """
    from midcall.cli.signature_checks import Given, body_of, content_of, examine, recorded, seen_from

    asking = Asking.of(data_dir)
    if (call is None) != (message is None):
        raise Failure("a recorded delivery takes both --call CA… and --message KX…", ExitCode.USAGE)
    options = Given(
        url=url,
        signature=given,
        headers=header or (),
        body=body_of(body, body_file),
        request=None if request is None else content_of(request),
    )
    known = recorded(asking, sid(call, "CA"), sid(message, "KX")) if call is not None and message is not None else None
    report(examine(seen_from(options, known), asking, os.environ.get("TWILIO_AUTH_TOKEN")), format)
