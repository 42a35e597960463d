"""Lists for people and for pipes: a table on a terminal, blocks on a narrow one, fields apart by tabs elsewhere."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from midcall.cli.rest import printable

if TYPE_CHECKING:
    from rich.console import Console

GAP: Final = "  "
FOLDED_TO: Final = 24
"""How narrow the last column of a table may get."""

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
        _table(*_told(columns, texts))


def details(pairs: Iterable[tuple[str, object]], width: int = 12) -> None:
    """Print one thing's names, as wide as the longest of them, and values, a line each; without what says nothing."""
    for name, value in pairs:
        if value is not None and value != "":
            print(printable(f"{name:{width}} {value}"))


def _told(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Without the columns in which no row says anything: a terminal has no room for them."""
    kept = [place for place, _ in enumerate(columns) if any(row[place] for row in rows)]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    if _least_width(columns, rows) > console.width:
        _blocks(console, columns, rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table, soft_wrap=False)


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Columns that a table needs: only its last column may be folded, since a sid that is cut off is of no use."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    return sum(widths[:-1]) + len(GAP) * (len(widths) - 1) + min(widths[-1], FOLDED_TO)


def _blocks(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A line for each cell that says something: for lists that are wider than the terminal."""
    from rich.text import Text

    widest = max(map(len, columns))
    for row in rows:
        if row is not rows[0]:
            console.print()
        for column, cell in zip(columns, row, strict=True):
            if cell:
                console.print(Text.assemble((column.ljust(widest), "bold"), GAP, cell))


def clock(at: str | None) -> str:
    """The time (UTC) of an ISO 8601 or RFC 2822 stamp, without what a table has no room for."""
    if at is None:
        return ""
    if at[:1].isalpha():
        return f"{parsedate_to_datetime(at):%Y-%m-%d %H:%M:%S}"
    return at.removesuffix("Z").replace("T", " ")


def hanging(line: str, indent: int) -> str:
    """A line that may be long: on a terminal, what does not fit goes on below, so far to the right."""
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return textwrap.fill(
        line, max(width, indent + 20), subsequent_indent=" " * indent, replace_whitespace=False, break_on_hyphens=False
    )
