#!/usr/bin/env python3
"""Print the states of a leg, from the tables that move it, into docs/explanation/life-of-a-call.md."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Final

from midcall.core.calls import Status
from midcall.core.moves import SIP_OF, TRANSITIONS

PAGE: Final = Path(__file__).parents[1] / "docs/explanation/life-of-a-call.md"
BEGIN: Final = "<!-- printed by scripts/print_states.py: begin -->\n"
END: Final = "<!-- printed by scripts/print_states.py: end -->\n"
UNANSWERED_SIP: Final = 487


def printed(page: str) -> str:
    """The page with what is printed into it brought up to date."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{diagram()}\n{sip_codes()}\n{END}{tail}"


def diagram() -> str:
    """All transitions as a mermaid state diagram; an arrow carries every move that takes it."""
    ways = sorted((list(Status).index(old), list(Status).index(new), move) for (old, move), new in TRANSITIONS.items())
    lines = [f'    state "{status}" as {_id(status)}' for status in Status if "-" in status]
    lines += [
        f"    [*] --> {_id(Status.QUEUED)}: created by REST, or dialed",
        f"    [*] --> {_id(Status.RINGING)}: placed by a client",
    ]
    for (old, new), group in groupby(ways, key=lambda way: way[:2]):
        moves = ", ".join(str(move) for *_, move in group)
        lines.append(f"    {_id(list(Status)[old])} --> {_id(list(Status)[new])}: {moves}")
    lines += [f"    {_id(status)} --> [*]" for status in Status if status.is_final]
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(lines) + "\n```\n"


def sip_codes() -> str:
    """What a status callback says of a leg that was never answered, by what ended it."""
    ends: dict[str, list[str]] = {}
    for (old, move), new in TRANSITIONS.items():
        if new.is_final and old is not Status.IN_PROGRESS and str(new) not in ends.setdefault(move, []):
            ends[move].append(str(new))
    rows = [
        f"| {move} | {', '.join(f'`{status}`' for status in ends[move])} | {SIP_OF.get(move, UNANSWERED_SIP)} |"
        for move in sorted(ends)
    ]
    return "\n".join(["| what ended it | status | `SipResponseCode` |", "|---|---|---|", *rows]) + "\n"


def _id(status: Status) -> str:
    return str(status).replace("-", "_")


if __name__ == "__main__":
    PAGE.write_text(printed(PAGE.read_text()))
