"""`midcall demo`: a real call, told as it happens."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def demo(
    messages: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Messages on each leg in each direction.")
    ] = 20,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data folder and say where it is.")] = False,
    no_media: Annotated[bool, typer.Option("--no-media", help="Messages only: clients without audio.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell of every message.")] = False,
) -> None:
    """
    Watch a real call between two Python clients, with messages both ways.

    It starts a server of its own on free ports, which keeps nothing, and needs no network and no audio hardware.
    It checks what it tells: the exit code is 0 when every message came once, in order and signed.

    \b
    [bold]Examples[/bold]
      midcall demo
      midcall demo --messages 100 --verbose
    """
    from midcall.demo import Options, main

    sys.exit(main(Options(messages=messages, keep=keep, media=not no_media, verbose=verbose)))
