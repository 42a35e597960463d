"""The legs of one conversation, found from any of them: parents, children, and the other end of a phone line."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from midcall.core.calls import Call, CallFilter
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import PageRequest, Store

MAX_LEGS: Final = 100
"""Legs that are looked at; a conversation that has more is not searched to its end."""


class _End(msgspec.Struct):
    other: CallSid


class _OnLine(msgspec.Struct):
    """As much of a saved leg as says what it is connected to."""

    line: _End | None = None


_saved: Final = msgspec.json.Decoder(_OnLine)


async def clients(store: Store, call: Call) -> Sequence[Call]:
    """Legs of the conversation with a Voice SDK client at their end, live or over; oldest, then parents, first."""
    legs = [leg async for leg in _legs(store, call) if leg.sdk_leg]
    return sorted(legs, key=lambda leg: (leg.created_at, leg.parent_sid is not None))


async def _legs(store: Store, call: Call) -> AsyncIterator[Call]:
    waiting, seen = deque([call]), {call.sid}
    while waiting:
        leg = waiting.popleft()
        yield leg
        for relative in await _relatives(store, leg):
            if relative.sid not in seen and len(seen) < MAX_LEGS:
                seen.add(relative.sid)
                waiting.append(relative)


async def _relatives(store: Store, leg: Call) -> Sequence[Call]:
    children = await store.calls(leg.account_sid, CallFilter(parent_sid=leg.sid), PageRequest(size=MAX_LEGS))
    found = [await _known(store, leg.account_sid, sid) for sid in (leg.parent_sid, await _across(store, leg))]
    return [*(relative for relative in found if relative is not None), *children.rows]


async def _known(store: Store, account: AccountSid, sid: CallSid | None) -> Call | None:
    return None if sid is None else await store.call(account, sid)


async def _across(store: Store, leg: Call) -> CallSid | None:
    """The other end of a live leg's phone line; a leg with a client has none."""
    saved = None if leg.sdk_leg or leg.status.is_final else await store.load(leg.sid)
    line = None if saved is None else _saved.decode(saved.state).line
    return None if line is None else line.other
