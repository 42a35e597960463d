"""The official Python library, newest (also its asynchronous half) and at the feature's minimum."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients.catalog import BUILD, PYTHON
from clients.client import Client, check
from clients.programs import run_sample
from clients.stage import Stage


@pytest.mark.parametrize("client", PYTHON, ids=str)
async def test_the_library_does_all_that_the_table_says(client: Client, stage: Stage) -> None:
    await check(client, stage)


async def test_the_minimum_which_still_has_feedback_gives_it_and_sums_it_up(stage: Stage) -> None:
    call_sid = stage.listed[0]
    program = (str(BUILD / "python-minimum" / "bin" / "python"), str(Path(__file__).parent / "feedback.py"), call_sid)
    read = json.loads(await run_sample((*stage.exec_command, *program), {}))
    issues = read.pop("issues")
    assert [(issue["description"], issue["count"]) for issue in issues] == [("one-way-audio", 1)]
    assert issues[0]["percentage_of_total_calls"].endswith("%")
    assert read == {
        "made": [call_sid, 3, ["imperfect-audio", "dropped-call"]],
        "changed": [4, ["one-way-audio"]],
        "fetched": [4, ["one-way-audio"], True],
        "summary": ["completed", 1, 4.0],
        "again": True,
        "deleted": True,
        "missing": [404, 20404],
    }
