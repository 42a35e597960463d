"""A switchboard for each test; every test that asks for one also runs with actors that forget everything in between."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.switchboard import Switchboard


@pytest.fixture(params=[False, True], ids=["in-memory", "rebuilt-between-events"])
async def board(request: pytest.FixtureRequest) -> AsyncIterator[Switchboard]:
    board = await Switchboard(forgetful=request.param).up()
    yield board
    await board.calls.close()
