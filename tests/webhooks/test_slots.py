"""Shares of slots: never more than there are, none lost, hosts in turn."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter

import pytest

from midcall.testing.clock import ManualClock
from midcall.webhooks.slots import LONGEST_DETOUR_S, PROMPT_S, SLUGGISH_AFTER, WAITING_PER_SLOT, Slots


def made(total: int = 8, per_host: int = 2, prompt: str = "abcx") -> tuple[Slots, ManualClock]:
    """Slots, and hosts (named by letters) that are known to answer promptly."""
    clock = ManualClock()
    slots = Slots(clock, total=total, per_host=per_host)
    for name in prompt:
        know(slots, name, prompt=True)
    return slots, clock


def know(slots: Slots, name: str, *, prompt: bool) -> None:
    """Let a host be known for its answers."""
    assert not slots.running
    with pytest.raises(StopIteration):
        slots.enter(name, patience_s=1.0).send(None)
    for _ in range(1 if prompt else SLUGGISH_AFTER):
        slots.note(name, prompt=prompt, took_s=0.0 if prompt else 15.0)
    slots.leave(name)


async def arrive(slots: Slots, clock: ManualClock, *names: str) -> Counter[str]:
    """One lane after the other wants a slot; how many of each host have one."""
    tasks = [asyncio.create_task(slots.enter(name, patience_s=99.0), name=name) for name in names]
    await clock.settle()
    return Counter(task.get_name() for task in tasks if task.done() and task.result())


async def take(slots: Slots, *names: str) -> None:
    for name in names:
        assert await slots.enter(name, patience_s=1.0)


async def test_a_host_gets_its_share_and_then_waits_for_its_own() -> None:
    slots, clock = made()
    await take(slots, "a", "a", "b")
    third = asyncio.create_task(slots.enter("a", patience_s=9.0))
    await clock.settle()
    slots.leave("b")
    await clock.settle()
    assert not third.done()
    slots.leave("a")
    assert await third
    assert slots.running == 2


async def test_who_waits_in_vain_is_told() -> None:
    slots, clock = made()
    await take(slots, "a", "a")
    third = asyncio.create_task(slots.enter("a", patience_s=5.0))
    await clock.settle()
    clock.advance(5.0)
    assert not await third
    slots.leave("a")
    await take(slots, "a")


async def test_a_line_is_only_so_long() -> None:
    slots, clock = made(total=4, per_host=1)
    await take(slots, "a")
    line = [asyncio.create_task(slots.enter("a", patience_s=5.0)) for _ in range(WAITING_PER_SLOT * 4)]
    await clock.settle()
    assert not await slots.enter("a", patience_s=5.0)
    for task in line:
        task.cancel()
    await asyncio.gather(*line, return_exceptions=True)


async def test_waiting_hosts_are_served_in_turn() -> None:
    slots, clock = made(total=1, per_host=1)
    await take(slots, "x")
    served: list[str] = []

    async def visit(name: str) -> None:
        assert await slots.enter(name, patience_s=9.0)
        served.append(name)
        slots.leave(name)

    tasks = [asyncio.create_task(visit(name)) for name in ("a", "a", "b", "c")]
    await clock.settle()
    slots.leave("x")
    await asyncio.gather(*tasks)
    assert served == ["a", "b", "c", "a"]


async def test_a_slot_that_comes_together_with_a_cancellation_is_not_lost() -> None:
    slots, clock = made(total=1, per_host=1)
    await take(slots, "a")
    waiting = asyncio.create_task(slots.enter("b", patience_s=9.0))
    await clock.settle()
    slots.leave("a")  # gives the slot to b
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert slots.running == 0
    await take(slots, "c")


async def test_a_sluggish_host_keeps_a_small_share_only_while_slots_are_scarce() -> None:
    slots, clock = made(total=32, per_host=8)
    know(slots, "slow", prompt=False)
    assert await arrive(slots, clock, *["slow"] * 8) == {"slow": 8}
    for _ in range(8):
        slots.leave("slow")
    await take(slots, *["a"] * 8)
    again = asyncio.create_task(slots.enter("slow", patience_s=9.0))
    second = asyncio.create_task(slots.enter("slow", patience_s=9.0))
    await clock.settle()
    assert again.done()
    assert not second.done()
    slots.note("slow", prompt=True, took_s=0.1)  # it is back
    assert await second


async def test_sluggish_hosts_together_get_half_of_all_slots() -> None:
    slots, clock = made(total=32, per_host=8, prompt="")
    dead = [f"dead {number}" for number in range(40)]
    for name in dead:
        know(slots, name, prompt=False)
    assert sum((await arrive(slots, clock, *dead * 3)).values()) == 16
    await take(slots, "new", "newer")
    assert slots.running == 18


async def test_a_host_that_has_not_answered_yet_is_asked_by_one_at_a_time_while_slots_are_scarce() -> None:
    slots, clock = made(total=32, per_host=8)
    await take(slots, *["a"] * 8)
    assert await arrive(slots, clock, *["new"] * 5) == {"new": 1}
    slots.note("new", prompt=True, took_s=0.1)
    await clock.settle()
    assert slots.running == 8 + 5


async def test_a_quarter_of_all_slots_is_kept_for_hosts_that_answer() -> None:
    slots, clock = made(total=32, per_host=8, prompt="abcd")
    for name in (sluggish := [f"dead {number}" for number in range(16)]):
        know(slots, name, prompt=False)
    await arrive(slots, clock, *sluggish)
    assert sum((await arrive(slots, clock, *(f"new {number}" for number in range(30)))).values()) == 8
    assert slots.running == 24
    await take(slots, "a", "b", "c", "d")


async def test_a_host_that_stops_answering_gets_less_before_its_attempts_have_failed() -> None:
    slots, clock = made(total=32, per_host=8)
    await take(slots, *["a"] * 7, *["b"] * 4)
    await take(slots, "a")
    slots.leave("a")
    clock.advance(PROMPT_S * 2)
    assert not await arrive(slots, clock, "a")
    slots.note("a", prompt=True, took_s=2.0)
    await clock.settle()
    assert slots.running == 12


async def test_who_waits_for_a_host_that_turns_out_to_be_dead_is_turned_away() -> None:
    slots, clock = made(total=32, per_host=8)
    await take(slots, *["b"] * 8, "new")
    line = [asyncio.create_task(slots.enter("new", patience_s=99.0)) for _ in range(8)]
    await clock.settle()
    assert not any(task.done() for task in line)
    clock.advance(PROMPT_S * 2)
    await clock.settle()
    assert [task.done() for task in line] == [False] + [True] * 7
    assert not any(task.result() for task in line[1:])


async def test_a_host_whose_lane_has_failed_before_is_not_taken_for_a_new_one() -> None:
    slots, clock = made(total=32, per_host=8, prompt="")
    tasks = [asyncio.create_task(slots.enter(f"dead {number}", patience_s=99.0, suspect=True)) for number in range(40)]
    await clock.settle()
    assert [task.done() for task in tasks] == [True] * 16 + [False] * 24


async def test_who_is_turned_away_comes_back_at_the_hosts_pace_and_within_half_a_minute() -> None:
    slots, _ = made(total=8, per_host=2)
    await take(slots, "a", "a")
    for _ in range(50):
        slots.note("a", prompt=True, took_s=1.0)
    detours = [slots.detour_s("a") for _ in range(5)]
    assert [round(later - earlier, 1) for earlier, later in itertools.pairwise(detours)] == [0.5] * 4
    assert max(slots.detour_s("a") for _ in range(500)) == LONGEST_DETOUR_S


async def test_in_a_crowd_no_limit_is_broken_and_no_slot_lost() -> None:
    chance = random.Random(5)
    slots, clock = made(total=8, per_host=3)
    running = dict.fromkeys("abcdef", 0)

    async def visit(name: str) -> None:
        if not await slots.enter(name, patience_s=chance.choice([0.5, 5.0])):
            return
        running[name] += 1
        assert running[name] <= 3
        assert sum(running.values()) <= 8
        try:
            for _ in range(chance.randrange(20)):
                await asyncio.sleep(0)
            slots.note(name, prompt=chance.random() < 0.5, took_s=chance.random())
        finally:
            running[name] -= 1
            slots.leave(name)

    tasks = [asyncio.create_task(visit(chance.choice("abcdef"))) for _ in range(300)]
    for step in range(200):
        await asyncio.sleep(0)
        if step % 10 == 0:
            chance.choice(tasks).cancel()
            clock.advance(0.2)
    clock.advance(10)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
    assert slots.running == 0
