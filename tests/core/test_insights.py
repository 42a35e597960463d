"""Whose word counts for which leg."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midcall.core.calls import Direction
from midcall.core.insights import may_tell
from support.records import call

PLACED = replace(call(), direction=Direction.INBOUND, from_="client:alice", to="")
OFFERED = replace(call(), direction=Direction.OUTBOUND_DIAL, from_="client:alice", to="client:bob")
CREATED = replace(call(), direction=Direction.OUTBOUND_API, from_="+15005550006", to="client:bob")


@pytest.mark.parametrize(
    ("leg", "identity", "expected"),
    [
        (PLACED, "alice", True),
        (PLACED, "bob", False),
        (PLACED, None, False),
        (OFFERED, "bob", True),
        (OFFERED, "alice", False),
        (CREATED, "bob", True),
        (replace(PLACED, from_="client:anonymous"), None, True),
        (replace(CREATED, to="+15005550006", sdk_leg=False), "+15005550006", False),
        (replace(OFFERED, sdk_leg=False), "bob", False),
    ],
)
def test_a_client_speaks_for_the_leg_that_ends_at_it(leg, identity: str | None, expected: bool) -> None:
    assert may_tell(leg, identity) is expected
