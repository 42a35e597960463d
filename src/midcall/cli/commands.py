"""All commands under one program, with the options and exit codes they share."""

from __future__ import annotations

from typing import Annotated

import typer

import midcall
from midcall.cli import (
    account,
    alerts,
    calls,
    credentials,
    deliveries,
    demo,
    doctor,
    exec,
    messages,
    numbers,
    people,
    serve,
    settings,
    timeline,
    token,
)
from midcall.cli.help import Command, Program

HELP = """
Run Voice SDK calls, and the messages that ride on them, on your own machine.

\b
[bold]Start here[/bold]
  midcall demo          watch a real call between two clients
  midcall serve         start the server, in a terminal of its own
  midcall credentials   what your app needs to use it
  midcall exec          run your app unchanged against it
  midcall doctor        what is wrong, and the fix
"""
EPILOG = """
[bold]Exit codes[/bold]: 0 done, 1 failed, 2 wrong usage, 3 no server runs there, 4 the server cannot start.
"""

program = typer.Typer(
    name="midcall",
    cls=Program,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"midcall {midcall.__version__}")
        raise typer.Exit


@program.callback(help=HELP, epilog=EPILOG)
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version  # its callback has done the work


for _command in (serve.serve, demo.demo, credentials.credentials, token.token, timeline.timeline):
    program.command(cls=Command)(_command)
program.command(cls=Command)(settings.settings)
program.command("exec", cls=Command, context_settings={"allow_interspersed_args": False})(exec.exec_)
for _name, _group in (
    ("account", account.group),
    ("alerts", alerts.group),
    ("numbers", numbers.group),
    ("calls", calls.group),
    ("people", people.group),
    ("doctor", doctor.group),
    ("messages", messages.group),
    ("subscriptions", deliveries.subscriptions),
    ("deliveries", deliveries.group),
):
    program.add_typer(_group, name=_name)
