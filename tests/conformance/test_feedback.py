"""What people thought of a call."""

from __future__ import annotations

import pytest

from conformance.driver import Call, Kind, Thrown
from conformance.rows import row
from conformance.stage import Stage, sid_of

FEEDBACK = "Feedback"
ISSUES = ["dropped-call", "audio-latency", "one-way-audio", "choppy-audio", "noisy-call", "echo"]


async def shown(stage: Stage, leg: str) -> tuple[int, list[str]]:
    """Score and issues of a leg's Feedback resource; an error when there is none."""
    feedback = await stage.customer.rest(lambda rest: rest.request("GET", stage.url(f"/Calls/{leg}/Feedback.json")))
    assert feedback.status_code == 200, feedback.text
    fields = stage.read(feedback)
    return fields["quality_score"], fields["issues"]


async def posted(stage: Stage, call: Call, score: int | None, issue: str | None) -> tuple[int, list[str]]:
    await call.post_feedback(score, issue)
    return await shown(stage, await sid_of(call))


@row(FEEDBACK, "each score from 1 to 5 is shown by REST, and the last one counts")
async def test_all_scores(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    for score in range(1, 6):
        assert await posted(stage, talk.mine, score, None) == (score, [])


@row(FEEDBACK, "each of the six issues is shown by REST")
async def test_all_issues(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client)
    for issue in ISSUES:
        assert await posted(stage, talk.mine, 2, issue) == (2, [issue])


@row(FEEDBACK, "a score or an issue that does not exist throws InvalidArgumentError, and nothing is told")
async def test_feedback_that_is_none(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.post_feedback(4)
    for score in (0, 6, -1, 2.5, "5"):
        with pytest.raises(Thrown, match="Feedback score must be one of") as thrown:
            await talk.mine.post_feedback(score)
        assert thrown.value.name == "InvalidArgumentError", score
    for issue in ("odd", "", "Echo", 1):
        with pytest.raises(Thrown, match="Feedback issue must be one of") as thrown:
            await talk.mine.post_feedback(1, issue)
        assert thrown.value.name == "InvalidArgumentError", issue
    assert await shown(stage, await sid_of(talk.mine)) == (4, [])


@row(FEEDBACK, "without a score the person gave none: no feedback comes of it, and the issue is not looked at")
async def test_no_score(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.post_feedback()
    await talk.mine.post_feedback(None, "odd")
    path = stage.url(f"/Calls/{await sid_of(talk.mine)}/Feedback.json")
    assert (await stage.customer.rest(lambda rest: rest.request("GET", path))).status_code == 404


@row(FEEDBACK, "works after the call has ended")
async def test_feedback_after_the_end(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.disconnect()
    await talk.theirs.wait_for("disconnect")
    assert await posted(stage, talk.mine, 1, "dropped-call") == (1, ["dropped-call"])
