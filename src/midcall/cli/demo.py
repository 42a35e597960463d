"""`midcall demo`: a real call, told as it happens."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def demo(
    messages: Annotated[
        int, typer.Option(min=1, max=1000, metavar="COUNT", help="Messages on each leg in each direction.")
    ] = 20,
    no_media: Annotated[bool, typer.Option("--no-media", help="No audio between the clients.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell of every message.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's data folder, and say where it is.")] = False,
) -> None:
    """
    Watch a real call between two Python clients, with messages both ways.

    It starts a server of its own on free ports, and needs no network and no audio
    hardware. It ends with 1 when something was not as it should be.

    \b
    [bold]Examples[/bold]
      midcall demo
      midcall demo --no-media --messages 200
      midcall demo --verbose --keep
    """
    from midcall.demo import Options, main

    sys.exit(main(Options(messages=messages, media=not no_media, verbose=verbose, keep=keep)))
