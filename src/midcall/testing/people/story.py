"""Timelines: what people did and saw, merged with what the server traced of their calls, as data and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from midcall.app.assembly import App
from midcall.core.calls import CallFilter
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import PageRequest, TraceEvent
from midcall.testing.people.journal import Entry, Journal

MAX_LEGS: Final = 50
MAX_EVENTS: Final = 1_000
"""Of one leg."""

SERVER: Final = "server"
_OTHER_LEGS: Final = ("by", "leg", "other")
"""Details of trace events that name a related leg."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a timeline.

    Attributes:
        at: epoch seconds.
        call: sid of the call, once it is known; else the person's own name for it.
    """

    at: float
    who: str
    what: str
    detail: Mapping[str, Any]
    call: str | None = None


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    entries: Sequence[Line]
    text: str


async def timeline(app: App, journal: Journal, account: AccountSid, call: CallSid | None) -> Timeline:
    """The story of a call and all legs that belong to it; without a call, of all that people did.

    Args:
        journal: of the account.
    """
    entries = journal.entries
    if call is None:
        roots = [CallSid(sid) for sid in dict.fromkeys(_sid_of(entry) for entry in entries) if sid is not None]
        legs = await _related(app, account, roots[-MAX_LEGS:])
        told = set(map(id, entries))
    else:
        legs = await _related(app, account, [call])
        there = {entry.who for entry in entries if _sid_of(entry) in legs}
        told = {id(entry) for entry in entries if _sid_of(entry) in legs or (entry.call is None and entry.who in there)}
    noted = {leg for leg, events in legs.items() if journal.has_all_of(leg, events)}
    lines = [
        _of_server(line) if isinstance(line, TraceEvent) else _of_person(line)
        for line in journal
        if (line.leg_sid in noted if isinstance(line, TraceEvent) else id(line) in told)
    ]
    lines += [_of_server(event) for leg, events in legs.items() if leg not in noted for event in events]
    lines.sort(key=lambda line: line.at)  # what has the same time keeps its order
    names = {entry.call.sid: entry.call.id for entry in entries if entry.call is not None and entry.call.sid}
    return Timeline(entries=lines, text=text_of(lines, names))


async def _related(app: App, account: AccountSid, roots: Sequence[CallSid]) -> dict[CallSid, list[TraceEvent]]:
    """Traces of legs, of the legs that they dialled or were dialled by, and of those at the other end of a line."""
    found: dict[CallSid, list[TraceEvent]] = {}
    waiting = list(roots)
    while waiting and len(found) < MAX_LEGS:
        leg = waiting.pop(0)
        if leg in found:
            continue
        row = await app.store.call(account, leg)
        if row is None:
            continue
        found[leg] = events = list(await app.trace.timeline(account, leg, MAX_EVENTS))
        if row.parent_sid is not None:
            waiting.append(row.parent_sid)
        children = await app.store.calls(account, CallFilter(parent_sid=leg), PageRequest(size=MAX_LEGS))
        waiting += [child.sid for child in children.rows]
        waiting += [other for event in events for other in _others(event)]
    return found


def _others(event: TraceEvent) -> Iterable[CallSid]:
    if event.kind.startswith("line."):
        for name in _OTHER_LEGS:
            if isinstance(sid := event.detail.get(name), str):
                yield CallSid(sid)


def _sid_of(entry: Entry) -> str | None:
    return None if entry.call is None else entry.call.sid


def _of_person(entry: Entry) -> Line:
    call = None if entry.call is None else entry.call.sid or entry.call.id
    return Line(at=entry.at, who=entry.who, what=entry.what, detail=entry.detail, call=call)


def _of_server(event: TraceEvent) -> Line:
    return Line(at=event.at, who=SERVER, what=event.kind, detail=event.detail, call=event.leg_sid)


# ----------------------------------------------------------------------------------------------------------- as text


def text_of(lines: Sequence[Line], names: Mapping[str, str]) -> str:
    """One line each, with times from the first one on; sids are shown by the names that people have for them."""
    if not lines:
        return ""
    began = lines[0].at
    width = max(len(line.who) for line in lines)
    return "\n".join(_text(line, began, width, names) for line in lines)


def _text(line: Line, began: float, width: int, names: Mapping[str, str]) -> str:
    detail = " ".join(
        f"{name}={_short(value, names)}"
        for name, value in line.detail.items()
        if value not in (None, "") and not (name == "call_sid" and value == line.call)
    )
    call = "" if line.call is None else f"  [{_named(line.call, names)}]"
    return f"+{line.at - began:9.3f} s  {line.who:{width}}  {line.what} {detail}".rstrip() + call


def _short(value: Any, names: Mapping[str, str]) -> str:
    text = _named(value, names) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 100 else text[:99] + "…"


def _named(text: str, names: Mapping[str, str]) -> str:
    if text in names:
        return names[text]
    return f"{text[:8]}…" if len(text) == 34 and text.startswith("CA") else text
