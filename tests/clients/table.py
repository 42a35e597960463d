"""The table of docs/reference/compatibility.md: a row for each client, printed from what happened in the tests.

`MIDCALL_WRITE_DOCS=1` writes a row, as `make compatibility` does; otherwise a row that differs fails its test.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "compatibility.md"
BEGIN, END = "<!-- table: printed by make compatibility -->\n", "<!-- end of table -->\n"
LOCK = ROOT / "build" / "compatibility.lock"

YES, NO, NOT_APPLICABLE, NOT_AVAILABLE = "yes", "**no**", "n/a", "not available"
REPLAYED, PARSED, NOT_RECORDED = "replayed", "parsed", "–"


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one client.

    Attributes:
        results: a cell for each operation.
        notes: reasons for what is neither yes nor no.
    """

    client: str
    version: str
    results: Mapping[str, str]
    notes: str = ""

    @property
    def text(self) -> str:
        cells = [self.client, self.version, *(self.results[name] for name in OPERATIONS), self.notes]
        return f"| {' | '.join(cells)} |"


def header() -> str:
    columns = ["client", "version", *OPERATIONS, "notes"]
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"


def printed_rows() -> list[str]:
    """The rows of the page as it is."""
    _, table, _ = _parts()
    return table.splitlines()[2:]


def print_or_compare(row: Row, *, any_version: bool = False) -> None:
    """Put the row into the page, or demand that it is there.

    Args:
        any_version: the program is the system's own, so only what it can do is compared.
    """
    if os.environ.get("MIDCALL_WRITE_DOCS"):
        _write(row)
        return
    printed = [line for line in printed_rows() if _same_client(line, row, any_version)]
    assert len(printed) == 1, f"the table has {len(printed)} rows for {row.client} {row.version}: {ADVICE}"
    shown, now = (line.split(" | ") for line in (printed[0], row.text))
    if any_version:
        shown[1] = now[1]
    assert shown == now, f"the table says something else: {ADVICE}\n{printed[0]}\n{row.text}"


ADVICE = "print it again with make compatibility, and look at the difference"


def _same_client(line: str, row: Row, any_version: bool) -> bool:
    client, version, *_ = line.removeprefix("| ").split(" | ")
    return client == row.client and (any_version or version == row.version)


def _parts() -> tuple[str, str, str]:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    table, found, after = rest.partition(END)
    assert found, "the page has lost its markers"
    return before, table, after


def _write(row: Row) -> None:
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as lock:  # the runs of several processes print into one page
        fcntl.flock(lock, fcntl.LOCK_EX)
        before, table, after = _parts()
        others = [line for line in table.splitlines()[2:] if not _same_client(line, row, False)]
        rows = _in_order([*others, row.text])
        PAGE.write_text("".join([before, BEGIN, "\n".join([header(), *rows]), "\n", END, after]), encoding="utf-8")


ORDER = ("Python", "Python, asynchronous", "Node", "Java", "Go", "CLI", "curl", "PHP", "Ruby", "C#")


def _in_order(rows: Sequence[str]) -> list[str]:
    """By client, the newest version first."""

    def key(line: str) -> tuple[int, list[int]]:
        client, version, *_ = line.removeprefix("| ").split(" | ")
        return ORDER.index(client), [-int(part) for part in version.split(".")]

    return sorted(rows, key=key)
