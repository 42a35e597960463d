"""Lists for people and for pipes: a table on a terminal, fields apart by tabs elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from midcall.cli.rest import printable

Row = Sequence[str | int | None]


def show(columns: Sequence[str], rows: Iterable[Row], *, nothing: str) -> None:
    """Print rows; `nothing` is what a terminal is told when there are none."""
    texts = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in texts:
            print("\t".join(row))
    elif not texts:
        print(nothing)
    else:
        _table(columns, texts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # A sid that is cut off is of no use: the last column gives way instead.
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def clock(at: str | None) -> str:
    """The time of an ISO 8601 stamp, without what a table has no room for."""
    return "" if at is None else at.removesuffix("Z").replace("T", " ")
