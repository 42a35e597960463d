"""Timelines: what people did and saw, merged with what the server traced of their calls, as data and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from midcall.app.assembly import App
from midcall.core.alerts import Alert, AlertFilter
from midcall.core.calls import CallFilter
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import PageRequest, TraceEvent
from midcall.testing.people.journal import HAS_SID, Entry, Journal

MAX_LEGS: Final = 50
MAX_EVENTS: Final = 1_000
"""Of one leg."""
MAX_ALERTS: Final = 100
MAX_SHOWN: Final = 300
"""Lines of a text; those before are only counted."""

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
    """The story of a call and all legs that belong to it; without a call, of all that happened since there are people.

    Args:
        journal: of the account.
    """
    entries = journal.entries
    if call is None:
        lines = [_line(line) for line in journal]
        lines += [_of_alert(alert) for alert in await _alerts(app, account, journal.began)]
    else:
        lines = await _of_call(app, journal, account, call)
    lines.sort(key=lambda line: line.at)  # what has the same time keeps its order
    names = {entry.call.sid: entry.call.id for entry in entries if entry.call is not None and entry.call.sid}
    return Timeline(entries=lines, text=text_of(lines, names))


async def _of_call(app: App, journal: Journal, account: AccountSid, call: CallSid) -> list[Line]:
    legs = await _related(app, account, [call])
    noted = {leg for leg, events in legs.items() if journal.has_all_of(leg, events)}
    there = {entry.who for entry in journal.entries if _sid_of(entry) in legs}
    lines = []
    for line in journal:
        if isinstance(line, TraceEvent):
            is_told = line.leg_sid in noted
        else:
            is_told = _sid_of(line) in legs or (line.call is None and line.who in there)
        if is_told:
            lines.append(_line(line))
    lines += [_line(event) for leg, events in legs.items() if leg not in noted for event in events]
    return lines + [_of_alert(alert) for alert in await _alerts(app, account, journal.began) if alert.call_sid in legs]


async def _alerts(app: App, account: AccountSid, since: float) -> Sequence[Alert]:
    """Oldest first; they say why the server did not do what somebody expected."""
    found = await app.store.alerts(account, AlertFilter(since=since), PageRequest(size=MAX_ALERTS))
    return list(reversed(found.rows))


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


def _line(line: Entry | TraceEvent) -> Line:
    if isinstance(line, TraceEvent):
        return Line(at=line.at, who=SERVER, what=line.kind, detail=line.detail, call=line.leg_sid)
    call = None if line.call is None else line.call.sid or line.call.id
    return Line(at=line.at, who=line.who, what=line.what, detail=line.detail, call=call)


def _of_alert(alert: Alert) -> Line:
    told = {"code": alert.code, "reason": alert.reason, "line": alert.line, "url": alert.request_url}
    detail = {name: value for name, value in told.items() if value is not None}
    return Line(at=alert.at, who=SERVER, what=f"{alert.level} alert", detail=detail, call=alert.call_sid)


# ----------------------------------------------------------------------------------------------------------- as text


def text_of(lines: Sequence[Line], names: Mapping[str, str]) -> str:
    """One line each, with times from the first one on; sids are shown by the names that people have for them."""
    if not lines:
        return ""
    began = lines[0].at
    shown = lines[-MAX_SHOWN:]
    width = max(len(line.who) for line in shown)
    before = [f"({len(lines) - len(shown)} lines before)"] if len(shown) < len(lines) else []
    return "\n".join([*before, *(_text(line, began, width, names) for line in shown)])


def _text(line: Line, began: float, width: int, names: Mapping[str, str]) -> str:
    if line.what == HAS_SID:  # the one line that says what the name stands for
        names = {}
    detail = " ".join(
        f"{name}={_short(value, names)}"
        for name, value in line.detail.items()
        if value not in (None, "") and not (name == "call_sid" and value == line.call)
    )
    call = "" if line.call is None or line.what == HAS_SID else f"  [{_named(line.call, names)}]"
    return f"+{line.at - began:9.3f} s  {line.who:{width}}  {line.what} {detail}".rstrip() + call


def _short(value: Any, names: Mapping[str, str]) -> str:
    text = _named(value, names) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 100 else text[:99] + "…"


def _named(text: str, names: Mapping[str, str]) -> str:
    if text in names:
        return names[text]
    return f"{text[:8]}…" if names and len(text) == 34 and text.startswith("CA") else text
