"""Scripts: what a person does by itself in each call."""

from __future__ import annotations

from typing import Any

import pytest

from midcall.testing.people.actions import MAX_STEPS, script_of
from midcall.testing.people.problems import Unusable
from support.control import Kit


async def test_a_script_plays_a_whole_call(kit: Kit) -> None:
    await kit.person("alice")
    script = [
        {"ring": "10ms"},
        {"answer": {}},
        {"listen": {"digits": "1"}},
        {"speak": {"label": "sales"}},
        {"expect_message": {"content": {"bye": True}}},
        {"send_message": {"content": "bye"}},
        {"listen": "10ms"},
        {"hang_up": {}},
    ]
    await kit.person("bob", on_call=script)
    placed = await kit.call("alice", "bob", script=[{"expect": {"status": "open"}}, {"send_digits": {"digits": "1"}}])
    await kit.post(f"{placed}/expect_sound", {"label": "sales"})
    came = await kit.incoming("bob")
    sid = (await kit.ask("GET", came))["sid"]
    await kit.rest("POST", f"/Calls/{sid}/UserDefinedMessages.json", {"Content": '{"bye":true,"n":1}'})
    await kit.post(f"{placed}/expect_end")
    assert (await kit.post(f"{came}/expect_end"))["ended_by"] == "hang_up"


async def test_what_incoming_calls_do_can_be_changed(kit: Kit) -> None:
    for name in ("alice", "bob"):
        await kit.person(name)
    await kit.ask("PUT", "/people/bob/on_call", [{"reject": {}}])
    placed = await kit.call("alice", "bob")
    await kit.post(f"{placed}/expect_end")
    assert (await kit.ask("GET", "/people/bob/calls/current"))["ended_by"] == "reject"


async def test_a_step_that_fails_is_told_once_and_shown(kit: Kit) -> None:
    await kit.person("alice")
    await kit.person("bob", on_call=[{"wait": "1ms"}, {"send_digits": {"digits": "1"}}, {"answer": {}}])
    await kit.call("alice", "bob")
    came = await kit.incoming("bob")
    while (shown := await kit.ask("GET", came))["script_error"] is None:
        assert shown["status"] == "pending"
    assert shown["script_error"].startswith("step 2, send_digits: bob-1 is pending")
    refused = await kit.post(f"{came}/accept", status=422)
    assert refused["message"].startswith("the script of bob-1 failed: step 2, send_digits")
    assert (await kit.post(f"{came}/accept"))["status"] == "open"


async def test_a_script_ends_quietly_with_its_call(kit: Kit) -> None:
    await kit.person("alice")
    await kit.person("bob", on_call=[{"answer": {}}, {"wait": "1h"}, {"hang_up": {}}])
    placed = await kit.call("alice", "bob")
    await kit.post(f"{placed}/expect", {"status": "open"})
    await kit.post(f"{placed}/hang_up")
    ended = await kit.post("/people/bob/calls/current/expect_end")
    assert (ended["ended_by"], ended["script_error"]) == ("disconnect", None)


def test_to_listen_for_something_is_to_expect_it() -> None:
    steps = script_of([{"listen": "1s"}, {"listen": {"tone_hz": 440}}, {"listen": {"digits": "12"}}])
    assert [step.name for step in steps] == ["listen", "expect_sound", "expect_digits"]
    assert [step.wait_s for step in steps] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "script, reason",
    [
        ({}, "a script is a list"),
        (["answer"], "step 1 is no object with one key"),
        ([{"answer": {}, "speak": {}}], "step 1 is no object with one key"),
        (
            [{"ring": "1s"}, {"dance": {}}],
            "step 2: there is no step 'dance'; there are listen, ring, wait, answer, accept",
        ),
        ([{"ring": {}}], "step 1: ring takes a duration"),
        ([{"ring": "soon"}], "step 1: 'soon' is no duration"),
        ([{"ring": -1}], "step 1: -1 is no duration: it is not negative"),
        ([{"speak": {"lable": "x"}}], "step 1: speak cannot be used like this: Object contains unknown field `lable`"),
        ([{"expect_message": {"timeout": "x"}}], "step 1: 'x' is no duration"),
        ([{"answer": {}}] * (MAX_STEPS + 1), "a script is a list of at most"),
    ],
)
def test_what_is_no_script_is_refused_with_its_step(script: Any, reason: str) -> None:
    with pytest.raises(Unusable, match=reason.replace("'", ".")):
        script_of(script)
