"""What a doctor found: lines for people or JSON for programs, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from midcall.cli.failure import ExitCode
from midcall.cli.rest import printable
from midcall.cli.tables import hanging


class State(StrEnum):
    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Finding(msgspec.Struct, frozen=True):
    """One check. A fix is one sentence that says what to do."""

    check: str
    state: State
    detail: str
    fix: str | None = None


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


Shape = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]

_MARKS = {State.OK: "✓", State.NOTE: "!", State.WRONG: "✗"}
_COLOURS = {State.OK: "\x1b[32m", State.NOTE: "\x1b[33m", State.WRONG: "\x1b[31m"}
_PLAIN = "\x1b[0m"


def ok(check: str, detail: str) -> Finding:
    return Finding(check, State.OK, detail)


def note(check: str, detail: str, fix: str | None = None) -> Finding:
    return Finding(check, State.NOTE, detail, fix)


def wrong(check: str, detail: str, fix: str) -> Finding:
    return Finding(check, State.WRONG, detail, fix)


def report(findings: Iterable[Finding], format: Format) -> None:
    """Print them, text as they come; end with exit code 1 when something is wrong."""
    if format is Format.JSON:
        seen = list(findings)
        print(msgspec.json.format(msgspec.json.encode(seen)).decode())
    else:
        seen = []
        for finding in findings:
            seen.append(finding)
            print(text(finding), flush=True)
    if any(finding.state is State.WRONG for finding in seen):
        raise typer.Exit(ExitCode.FAILED)


def text(finding: Finding) -> str:
    """One finding for a person; the fix is on a line of its own."""
    mark = _MARKS[finding.state]
    lines = [hanging(f"{mark} {finding.check:12} {printable(finding.detail)}", 15)]
    if finding.fix is not None:
        lines.append(hanging(f"  {'':12} → {printable(finding.fix)}", 17))
    shown = "\n".join(lines)
    return f"{_COLOURS[finding.state]}{mark}{_PLAIN}{shown[len(mark) :]}" if sys.stdout.isatty() else shown
