"""Dials, with their parent and their children, as a whole."""

from __future__ import annotations

from midcall.core import events
from support.world import World


def test_a_call_between_two_clients_runs_from_the_first_ring_to_the_last_hangup() -> None:
    world = World(devices={"bob": ["phone"]})
    world.web["https://app.test/voice"] = "<Response><Dial answerOnBridge='true'><Client>bob</Client></Dial></Response>"
    alice = world.place()
    (bob,) = world.children
    assert (world.leg(alice).status, world.leg(bob).status) == ("ringing", "ringing")
    world.tell(bob, events.Answered("phone", "answer of bob", 30.0))
    assert world.joined == {(alice, bob)}
    world.advance(12)
    world.tell(bob, events.HungUp())
    assert world.statuses(alice) == ["in-progress", "completed"]
    assert world.statuses(bob) == ["initiated", "ringing", "in-progress", "completed"]
    assert not world.machines and not world.joined
