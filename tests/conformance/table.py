"""The tables of docs/reference/conformance.md, printed from what happened.

`MIDCALL_WRITE_DOCS=1` writes them, of a part of the suite as well; otherwise a run whose results the page does not show
fails.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path

from conformance.driver import Kind
from conformance.rows import Row

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "conformance.md"
BEGIN, END = "<!-- tables: printed by make conformance -->\n", "<!-- end of tables -->\n"
NO = "**no**"
UNKNOWN = "?"
MOST_COMPLAINTS = 20
LAST = "~"
ADVICE = "the page says something else; print it again with MIDCALL_WRITE_DOCS=1, and look at the difference"

HEADS = {
    Kind.BROWSER: "browser SDK 2.18.5",
    Kind.MEDIA: "`midcall.sdk`, real media",
    Kind.NONE: "`midcall.sdk`, no media",
}


def result(row: Row, kind: Kind, *, passed: bool) -> dict[str, str]:
    """One cell on its way from the process that ran the test."""
    difference = row.differences.get(kind)
    return {
        "section": row.section,
        "words": row.words,
        "place": row.place,
        "kind": str(kind),
        "cell": row.cell(kind) if passed else NO,
        "reason": difference.reason.cell if difference else "",
        "why": difference.reason.words if difference else "",
    }


@dataclass(slots=True)
class Line:
    """A row as it was seen."""

    section: str
    words: str
    place: str
    cells: dict[Kind, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return f"| {' | '.join([self.words, *(self.cells.get(kind, UNKNOWN) for kind in Kind)])} |"


@dataclass(slots=True)
class Seen:
    """Everything that a run has seen."""

    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lines)

    def add(self, cell: dict[str, str]) -> None:
        key = cell["section"], cell["words"]
        line = self.lines.setdefault(key, Line(cell["section"], cell["words"], cell["place"]))
        if line.cells.get(Kind(cell["kind"])) != NO:  # a failure after the test counts as well
            line.cells[Kind(cell["kind"])] = cell["cell"]
        if cell["reason"] and self.reasons.setdefault(cell["reason"], cell["why"]) != cell["why"]:
            self.complaints.append(f"two explanations of {cell['reason']!r}")

    def text(self) -> str:
        """The tables, with the list of reasons below."""
        parts = []
        for section, lines in self._sections().items():
            head = f"| {section} | {' | '.join(HEADS.values())} |\n|{'---|' * (len(HEADS) + 1)}"
            parts.append("\n".join([f"## {section}\n", head, *(line.text for line in lines)]))
        used = {cell for line in self.lines.values() for cell in line.cells.values()}
        reasons = [f"| {cell} | {self.reasons[cell]} |" for cell in sorted(self.reasons) if cell in used]
        if reasons:
            parts.append("\n".join(["## Reasons\n", "| cell | why |\n|---|---|", *reasons]))
        return "\n\n".join(parts)

    def _sections(self) -> dict[str, list[Line]]:
        sections: dict[str, list[Line]] = {}
        for line in sorted(self.lines.values(), key=lambda line: line.place):
            sections.setdefault(line.section, []).append(line)
        return sections

    def publish(self, *, whole: bool) -> bool:
        """Write the page, or compare it.

        Args:
            whole: the run was of the whole suite, so what it did not see is not there.

        Returns:
            Whether page and run agree.
        """
        before, printed, after = _parts()
        if os.environ.get("MIDCALL_WRITE_DOCS"):
            shown = self if whole else self._over(printed)
            PAGE.write_text(f"{before}{BEGIN}{shown.text()}\n{END}{after}", encoding="utf-8")
        elif whole:
            self._compare(printed.strip().splitlines(), self.text().splitlines())
        else:
            self._find(printed)
        holes = [line.text for line in self.lines.values() if whole and UNKNOWN in line.cells.values()]
        self.complaints += [f"a hole: {line}" for line in holes]
        return not self.complaints

    def _compare(self, printed: list[str], seen: list[str]) -> None:
        changed = list(difflib.unified_diff(printed, seen, "page", "run", lineterm="", n=0))
        if changed:
            self.complaints += [*changed[:MOST_COMPLAINTS], ADVICE]

    def _find(self, printed: str) -> None:
        """Of a part of the suite, or of some clients, each cell has to be on the page."""
        rows = Seen.printed(printed).lines
        for key, line in self.lines.items():
            shown = rows[key].cells if key in rows else {}
            for kind, cell in line.cells.items():
                if shown.get(kind) != cell:
                    self.complaints.append(f"{line.words!r} is {cell!r} for {kind}, not {shown.get(kind)!r}: {ADVICE}")
        del self.complaints[MOST_COMPLAINTS:]

    def _over(self, printed: str) -> Seen:
        """The page with what a part of the suite has seen over it; new rows come last in their sections."""
        page = Seen.printed(printed)
        last = {line.section: line.place for line in page.lines.values()}
        for key, line in self.lines.items():
            place = f"{last.get(line.section, LAST)}+{line.place}"
            page.lines.setdefault(key, Line(line.section, line.words, place)).cells |= line.cells
        page.reasons |= self.reasons
        return page

    @classmethod
    def printed(cls, page: str) -> Seen:
        """What the page says."""
        seen, section = cls(), ""
        for number, line in enumerate(page.splitlines()):
            words, *cells = line.strip("| ").split(" | ")
            if line.startswith("## "):
                section = line.removeprefix("## ")
            elif line.startswith("| ") and section == "Reasons":
                seen.reasons[words] = cells[0]
            elif line.startswith("| ") and words != section:
                cells_by_kind = dict(zip(Kind, cells, strict=True))
                seen.lines[section, words] = Line(section, words, f"{number:06}", cells_by_kind)
        return seen


def _parts() -> tuple[str, str, str]:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    printed, found, after = rest.partition(END)
    assert found, "the page has lost its markers"
    return before, printed, after
