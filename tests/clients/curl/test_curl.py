"""curl, as the system has it: the one client without a library."""

from __future__ import annotations

from clients.catalog import CURL
from clients.client import check
from clients.stage import Stage


async def test_curl_does_all_that_the_table_says(stage: Stage) -> None:
    await check(CURL, stage)
