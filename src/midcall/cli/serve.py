"""`midcall serve`: settings from flags, then the server until a signal ends it."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

from midcall.cli.failure import ExitCode, Failure
from midcall.cli.options import Config, pairs, settings_from
from midcall.settings import unknown_variables


def serve(
    mode: Annotated[
        str | None, typer.Option(metavar="dev|production", help="What is allowed (default: dev).", show_default=False)
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where to listen (default: 127.0.0.1).", show_default=False)
    ] = None,
    port: Annotated[
        str | None, typer.Option(metavar="PORT", help="TLS port, 0 picks one (default: 8443).", show_default=False)
    ] = None,
    http_port: Annotated[
        str | None,
        typer.Option(
            metavar="PORT", help="Loopback port without TLS, 0 picks one (default: 8080).", show_default=False
        ),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to keep things; :memory: keeps nothing (default: ./.midcall).",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting; see: midcall settings. Repeatable.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """
    Run the server until Ctrl-C or SIGTERM.

    The first start makes a data folder with a certificate authority, an account,
    an API key and a TwiML application; `midcall credentials` prints them.

    \b
    [bold]Examples[/bold]
      midcall serve
      midcall serve --port 0 --http-port 0 --data-dir :memory:
      midcall serve --set media_engine=none --set log_level=debug
      midcall serve --mode production --config midcall.toml

    The first signal ends calls after the setting drain_s and exits with 0;
    a second one ends at once.
    """
    flags: dict[str, object] = _named(set_ or [])
    flags |= {"mode": mode, "host": host, "port": port, "http_port": http_port, "data_dir": data_dir}
    settings = settings_from(flags, config)

    gc.disable()  # imports make little garbage, and walking it costs a tenth of the start; `run` enables it again
    from midcall.app.listening import PortBusy
    from midcall.app.process import Extension, run
    from midcall.cli.banner import banner
    from midcall.folder import FolderBusy, FolderUnusable
    from midcall.settings import SettingsError

    extensions: tuple[Extension, ...] = ()
    if not settings.is_production:
        from midcall.testing.control import extension as control_api

        extensions = (control_api,)
    try:
        run(settings, on_ready=banner if sys.stderr.isatty() else None, notes=_notes(), extensions=extensions)
    except (FolderBusy, FolderUnusable, PortBusy, SettingsError) as error:
        raise Failure(str(error), ExitCode.CANNOT_START) from None


def _named(texts: list[str]) -> dict[str, object]:
    named = pairs("--set", texts, form="NAME=VALUE, such as --set drain_s=5")
    return {name.strip().replace("-", "_"): value for name, value in named.items()}


def _notes() -> list[str]:
    return [f"the variable {name} is no setting and is not read" for name in unknown_variables(os.environ)]
