"""Lanes, entries and turns with values that do not matter, for tests that care about one or two of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from midcall.core.lanes import Lane, LaneKind, LaneState
from midcall.core.messages import Entry, Log
from midcall.core.sids import AccountSid, CallSid

ACCOUNT = AccountSid("AC" + "a" * 32)
LEG = CallSid("CA" + "c" * 32)
AUTH_TOKEN = "b" * 32
AT = 1_700_000_000.0


def a_lane(**changes: Any) -> Lane:
    lane = Lane(
        id="ZY" + "2" * 32,
        account_sid=ACCOUNT,
        leg_sid=LEG,
        kind=LaneKind.MESSAGES,
        url="https://app.example/messages",
        method="POST",
        encoding=None,
        cursor=0,
        attempts=0,
        due_at=AT,
        state=LaneState.OPEN,
        closing=False,
    )
    return replace(lane, **changes)


def an_entry(**changes: Any) -> Entry:
    entry = Entry(
        account_sid=ACCOUNT,
        leg_sid=LEG,
        log=Log.FROM_CLIENT,
        seq=1,
        sid="KX" + "1" * 32,
        content=b'{"text":"hello"}',
        content_type="application/json",
        at=AT,
    )
    return replace(entry, **changes)
