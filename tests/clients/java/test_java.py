"""The official Java library, newest and at the feature's minimum."""

from __future__ import annotations

import pytest

from clients.catalog import JAVA
from clients.client import Client, check
from clients.stage import Stage


@pytest.mark.parametrize("client", JAVA, ids=str)
async def test_the_library_does_all_that_the_table_says(client: Client, stage: Stage) -> None:
    await check(client, stage)
