"""Virtual time: what the loop's clock does, with tasks, with threads, and when nothing can happen any more."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import queue
import sys
import threading
import time

import anyio
import pytest

from midcall.testing.loop import START, EverybodyWaits, VirtualLoop, run

DAY_S = 86_400


def test_a_sleep_of_weeks_passes_at_once_and_to_the_second() -> None:
    async def main() -> tuple[float, float, dt.datetime]:
        await asyncio.sleep(21 * DAY_S)
        return asyncio.get_running_loop().time(), time.time(), dt.datetime.now(dt.UTC)

    elapsed, wall, today = run(main())
    assert elapsed == 21 * DAY_S
    assert wall == START + 21 * DAY_S
    assert today == dt.datetime(2026, 1, 22, tzinfo=dt.UTC)


def test_centuries_pass_as_well() -> None:
    async def main() -> float:
        for _ in range(10):
            await asyncio.sleep(3_652 * DAY_S + 0.1)
            await asyncio.sleep(1e-5)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(36_520 * DAY_S + 1)


def test_timers_fire_in_their_order_each_at_its_own_time() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        fired: list[tuple[str, float]] = []

        async def at(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            fired.append((name, loop.time()))

        await asyncio.gather(at("late", 3_600), at("soon", 0.1), at("between", 60), at("soon too", 0.1))
        return fired

    assert run(main()) == [("soon", 0.1), ("soon too", 0.1), ("between", 60), ("late", 3_600)]


def test_the_process_gets_its_own_time_back_when_the_loop_rests() -> None:
    before = time.time()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.sleep(DAY_S))
        between = time.time()
        assert runner.run(_wall_clock()) == START + DAY_S
    assert before <= between <= time.time()


async def _wall_clock() -> float:
    return time.time()


def test_time_stands_while_a_thread_works() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        work_goes_on = threading.Event()
        timer = loop.create_task(asyncio.sleep(5))
        working = loop.create_task(asyncio.to_thread(_work, work_goes_on))
        # Nothing but the thread can end this; were its waiting not real work, five seconds would pass first.
        loop.call_soon(work_goes_on.set)
        seen = await working
        at = loop.time()
        await timer
        return seen, at

    seen, at = run(main())
    assert (seen, at) == (START, 0.0)


def _work(go_on: threading.Event) -> float:
    assert go_on.wait(30)
    for _ in range(200_000):
        pass
    return time.time()


def test_time_stands_while_a_thread_of_anyio_works() -> None:
    def work() -> float:
        sum(range(2_000_000))
        return time.time()

    async def main() -> tuple[float, float]:
        timer = asyncio.ensure_future(asyncio.sleep(5))
        seen = await anyio.to_thread.run_sync(work)
        at = asyncio.get_running_loop().time()
        await timer
        return seen, at

    assert run(main()) == (START, 0.0)


def test_a_thread_that_waits_for_the_loop_does_not_hold_up_the_clock() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()

        async def later() -> float:
            await asyncio.sleep(3_600)
            return loop.time()

        return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(later(), loop).result())

    assert run(main()) == 3_600


@pytest.mark.parametrize("how", ["event", "condition", "queue", "join"])
def test_a_thread_that_waits_in_one_of_these_ways_lets_the_clock_go_on(how: str) -> None:
    def work(go_on: threading.Event) -> None:
        assert go_on.wait(30)
        sum(range(3_000_000))

    def wait(done: threading.Event, answers: queue.Queue[int], worker: threading.Thread) -> None:
        if how == "event":
            assert done.wait(30)
        elif how == "condition":
            with done._cond:
                assert done._cond.wait_for(done.is_set, 30)
        elif how == "queue":
            answers.get(timeout=30)
        else:
            worker.join()

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        go_on, done, answers = threading.Event(), threading.Event(), queue.Queue[int]()
        loop.call_later(3_600, go_on.set)  # virtual time has to pass before anything happens

        def working() -> None:
            work(go_on)
            answers.put(1)
            done.set()

        worker = threading.Thread(target=working)
        worker.start()
        waiting = asyncio.ensure_future(asyncio.to_thread(wait, done, answers, worker))
        await asyncio.sleep(3_600)
        with loop.standing_clock():  # the worker is no thread of the loop's
            await waiting
        worker.join()
        return loop.time(), time.time()

    assert run(main()) == (3_600, START + 3_600)


def test_when_everybody_waits_and_nothing_is_scheduled_the_loop_says_who_waits_where() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        waiting = asyncio.create_task(for_ever(), name="the hopeful")
        await waiting

    with pytest.raises(EverybodyWaits) as caught:
        run(main())
    text = str(caught.value)
    assert "everybody waits and nothing is scheduled" in text
    assert "the hopeful waits in Event.wait" in text
    assert f"for_ever ({__file__}:" in text
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)  # its traceback leads to the line that waited


async def _beat() -> None:
    for _ in itertools.count():
        await asyncio.sleep(100)


def test_a_test_that_waits_in_vain_while_others_do_their_routine_is_ended() -> None:
    async def main() -> None:
        beating = asyncio.create_task(_beat())
        try:
            await asyncio.Event().wait()
        finally:
            beating.cancel()

    with pytest.raises(EverybodyWaits, match="only routine work was done"):
        run(main(), patience_s=3_600)


@pytest.mark.parametrize("how", ["await", "gather", "wait", "group"])
def test_a_test_whose_tasks_get_on_does_not_wait_in_vain(how: str) -> None:
    async def day() -> None:
        for _ in range(24):
            await asyncio.sleep(3_600)

    async def main() -> float:
        if how == "await":
            await asyncio.create_task(day())
        elif how == "gather":
            await asyncio.gather(day(), day())
        elif how == "wait":
            await asyncio.wait([asyncio.create_task(day()), asyncio.create_task(day())])
        else:
            async with asyncio.TaskGroup() as group:
                group.create_task(day())
                group.create_task(day())
        return asyncio.get_running_loop().time()

    assert run(main(), patience_s=4_000) == DAY_S


def test_a_timer_that_was_set_before_is_waited_for_however_long() -> None:
    async def main() -> float:
        beating = asyncio.create_task(_beat())
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(30 * DAY_S, over.set)
        await over.wait()
        beating.cancel()
        return asyncio.get_running_loop().time()

    assert run(main(), patience_s=3_600) == 30 * DAY_S


def test_cleaning_up_after_the_diagnosis_has_its_time() -> None:
    cleaned: list[float] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(60)
            cleaned.append(asyncio.get_running_loop().time())

    with pytest.raises(EverybodyWaits):
        run(main())
    assert cleaned == [60]


def test_a_thread_that_never_ends_is_named() -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            pass

    async def main() -> None:
        try:
            await asyncio.to_thread(busy)
        finally:
            stop.set()

    with pytest.raises(EverybodyWaits, match=r"because a thread works(.|\n)*a thread is in .*busy"):
        run(main(), stuck_s=0.5)


def test_one_virtual_loop_runs_at_a_time() -> None:
    async def main() -> None:
        other = VirtualLoop()
        try:
            await asyncio.to_thread(other.run_forever)
        finally:
            other.close()

    with pytest.raises(RuntimeError, match="only one wall clock"):
        run(main())


def test_a_subprocess_is_waited_for_with_a_standing_clock() -> None:
    async def main() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        timer = asyncio.ensure_future(asyncio.sleep(60))
        with loop.standing_clock():
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "print('hello')", stdout=asyncio.subprocess.PIPE
            )
            output, _ = await process.communicate()
        at = loop.time()
        await timer
        return output, at

    assert run(main()) == (b"hello\n", 0.0)


def test_whoever_waits_for_the_real_world_can_hold_the_clock() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        arrived = asyncio.Event()
        outside = threading.Timer(0.02, lambda: loop.call_soon_threadsafe(arrived.set))
        timer = asyncio.ensure_future(asyncio.sleep(60))
        with loop.standing_clock():
            outside.start()
            await arrived.wait()
        at = loop.time()
        await timer
        return at

    assert run(main()) == 0.0


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "time_machine", None)
    with pytest.raises(ImportError, match=r"pip install 'midcall\[testing\]'"):
        VirtualLoop()
