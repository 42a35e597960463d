"""`midcall demo`: a real call, told as it happens."""

from __future__ import annotations

import sys


def demo() -> None:
    """
    Watch a real call between two Python clients, with messages both ways.

    It starts a server of its own on free ports, which keeps nothing, and needs no network and no audio hardware.

    \b
    [bold]Example[/bold]
      midcall demo
    """
    from midcall.demo import main

    sys.exit(main())
