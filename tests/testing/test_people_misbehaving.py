"""What bad clients do really goes over the wire, and the server lives through it."""

from __future__ import annotations

from typing import Any

from support.control import Kit


async def frames(kit: Kit, call: str, type_: str) -> int:
    """How many frames of a type came from the call's client."""
    sid = (await kit.ask("GET", call))["sid"]
    told = await kit.ask("GET", f"/timeline?call={sid}")
    details: list[Any] = [
        entry["detail"] for entry in told["entries"] if entry["what"] == "signalling.frame" and entry["call"] == sid
    ]
    return sum(detail["direction"] == "in" and detail["type"] == type_ for detail in details)


async def people(kit: Kit, **options: Any) -> None:
    await kit.person("alice")
    await kit.person("bob", **options)


async def test_a_call_that_is_not_answered_rings_until_its_time_is_over(kit: Kit) -> None:
    await people(kit, on_call=[{"ring": "1h"}, {"answer": {}}])
    placed = await kit.call("alice", "bob", params={"ring_s": "1"})
    came = await kit.incoming("bob")
    await kit.post(f"{came}/misbehave", {"how": "no_answer"})
    await kit.post(f"{placed}/expect_end")
    ended = await kit.post(f"{came}/expect_end")
    assert (ended["ended_by"], ended["script_error"]) == ("cancel", None)


async def test_a_broken_frame_is_refused_and_the_call_goes_on(kit: Kit) -> None:
    await people(kit)
    placed, came = await kit.talk("alice", "bob")
    await kit.post(f"{came}/misbehave", {"how": "malformed_frame"})
    await kit.post(f"{came}/send_message", {"content": "still here"})
    told = (await kit.ask("GET", "/timeline"))["text"]
    assert "bob     error code=31100" in told
    await kit.post(f"{placed}/speak", {"label": "hello"})
    await kit.post(f"{came}/expect_sound", {"label": "hello"})


async def test_a_second_answer_changes_nothing(kit: Kit) -> None:
    await people(kit)
    placed = await kit.call("alice", "bob")
    came = await kit.incoming("bob")
    await kit.post(f"{came}/misbehave", {"how": "double_answer"})
    await kit.post(f"{placed}/expect", {"status": "open"})
    await kit.post(f"{came}/send_message", {"content": "after it"})
    assert await frames(kit, came, "answer") == 2
    assert (await kit.ask("GET", came))["status"] == "open"


async def test_a_late_hang_up_is_sent_after_the_end(kit: Kit) -> None:
    await people(kit)
    placed, came = await kit.talk("alice", "bob")
    await kit.post(f"{placed}/hang_up")
    await kit.post(f"{came}/expect_end")
    assert await frames(kit, came, "hangup") == 0
    await kit.post(f"{came}/misbehave", {"how": "late_hang_up", "by": "10ms"})
    await kit.talk("alice", "bob")  # what bob said before has been read
    assert await frames(kit, came, "hangup") == 1


async def test_nobody_answers_what_does_not_ring(kit: Kit) -> None:
    await people(kit)
    _, came = await kit.talk("alice", "bob")
    for how in ("no_answer", "double_answer"):
        await kit.post(f"{came}/misbehave", {"how": how}, status=409)
    await kit.post(f"{came}/misbehave", {"how": "vanish"}, status=400)
