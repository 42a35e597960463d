"""Virtual people call, answer, speak and write, driven over the control API."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.control import Kit


async def test_a_person_calls_another_who_answers(kit: Kit) -> None:
    alice, bob = await kit.person("alice"), await kit.person("bob")
    assert (alice["status"], bob["identity"]) == ("registered", "bob")
    placed = await kit.call("alice", "bob")
    came = await kit.incoming("bob")
    ringing = await kit.ask("GET", came)
    assert (ringing["status"], ringing["from"], ringing["to"]) == ("pending", "client:alice", "client:bob")

    assert (await kit.post(f"{came}/accept"))["status"] == "open"
    opened = await kit.post(f"{placed}/expect", {"event": "accept"})
    assert (opened["status"], opened["direction"]) == ("open", "outgoing")
    assert opened["sid"].startswith("CA")

    await kit.post(f"{placed}/hang_up")
    assert (await kit.post(f"{came}/expect_end"))["ended_by"] == "disconnect"
    assert (await kit.post(f"{placed}/expect_end"))["ended_by"] == "hang_up"


async def test_a_label_is_heard_by_who_is_bridged(kit: Kit) -> None:
    for name in ("alice", "bob", "carol"):
        await kit.person(name)
    placed, came = await kit.talk("alice", "bob")
    await kit.post(f"{placed}/speak", {"label": "hello"})
    assert await kit.post(f"{came}/expect_sound", {"label": "hello"}) == {"label": "hello"}
    await kit.post(f"{placed}/send_digits", {"digits": "12#"})
    assert await kit.post(f"{came}/expect_digits", {"digits": "12#"}) == {"digits": "12#"}


@pytest.mark.parametrize(
    "action, arguments, said, heard",
    [
        ("speak", {"label": "psst"}, "speaks", "sound psst"),
        ("send_digits", {"digits": "1"}, "presses digits", "digit 1"),
        ("send_message", {"content": "x", "wait": False}, "sends a message", None),
    ],
)
async def test_who_shall_be_silent_and_is_not_is_told_at_once(
    kit: Kit, action: str, arguments: Any, said: str, heard: str | None
) -> None:
    for name in ("alice", "bob"):
        await kit.person(name)
    placed, came = await kit.talk("alice", "bob")
    silent = asyncio.create_task(kit.post(f"{placed}/says_nothing_for", {"for": "10m"}, status=422))
    deaf = asyncio.create_task(kit.post(f"{came}/hears_nothing_for", {"for": "10m"}, status=422))
    other = asyncio.create_task(kit.post(f"{came}/says_nothing_for", {"for": "1s"}))
    while not (silent.done() and (deaf.done() or heard is None)):  # also when the waits begin after it
        await kit.post(f"{placed}/{action}", arguments)
    assert (await silent)["message"] == f"alice said something within 600 s: {said}"
    await other
    sid = (await kit.ask("GET", came))["sid"]
    while not deaf.done():
        await kit.rest("POST", f"/Calls/{sid}/UserDefinedMessages.json", {"Content": "1"})
    assert (await deaf)["seen"] == [heard or "message"]


async def test_messages_of_people_are_matched_by_their_parts(kit: Kit) -> None:
    for name in ("alice", "bob"):
        await kit.person(name)
    placed, _ = await kit.talk("alice", "bob")
    sid = (await kit.ask("GET", placed))["sid"]
    for content in ('{"n":1,"of":"x"}', '{"n":2,"of":"y"}'):
        await kit.rest("POST", f"/Calls/{sid}/UserDefinedMessages.json", {"Content": content})
    message = await kit.post(f"{placed}/expect_message", {"content": {"n": 2}})
    assert message["content"] == {"n": 2, "of": "y"}
    assert (await kit.post(f"{placed}/expect_message"))["content"]["n"] == 1
    refused = await kit.post(f"{placed}/expect_message", {"content": {"n": 3}, "timeout": "20ms"}, status=422)
    assert refused["expected"] == {"n": 3}
    assert "alice" in refused["timeline"]
    sent = await kit.post(f"{placed}/send_message", {"content": {"hello": "there"}})
    assert sent["sid"].startswith("KX")


async def test_a_script_answers_incoming_calls(kit: Kit) -> None:
    await kit.person("alice")
    await kit.person("bob", on_call=[{"ring": "10ms"}, {"answer": {}}, {"speak": {"label": "hi"}}, {"hang_up": {}}])
    placed = await kit.call("alice", "bob")
    await kit.post(f"{placed}/expect_sound", {"label": "hi"})
    assert (await kit.post(f"{placed}/expect_end"))["status"] == "closed"
