"""When a media worker gives back memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

from midcall.media.tidying import EVERY_S, SHARE, Tidier, give_back


class Loop:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.due.append((delay_s, callback))

    def run(self) -> float:
        delay_s, callback = self.due.pop()
        callback()
        return delay_s


def test_many_ended_calls_are_tidied_up_once() -> None:
    loop, tidied = Loop(), list[int]()

    def tidy() -> float:
        tidied.append(1)
        return 0.001

    tidier = Tidier(loop.call_later, tidy)
    for _ in range(5):
        tidier.call_ended()
    assert len(loop.due) == 1
    assert loop.run() == EVERY_S
    assert len(tidied) == 1
    assert loop.due == []  # nothing ends, nothing is done

    tidier.call_ended()
    assert len(loop.due) == 1


def test_a_worker_that_takes_long_over_it_does_it_less_often() -> None:
    loop = Loop()
    tidier = Tidier(loop.call_later, lambda: 0.050)
    tidier.call_ended()
    loop.run()
    tidier.call_ended()
    assert loop.run() == 0.050 / SHARE


class Peer:
    """Holds itself, as peers do."""

    def __init__(self) -> None:
        self.itself = self


def test_what_holds_itself_is_collected() -> None:
    gc.disable()
    try:
        peer = weakref.ref(Peer())
        assert peer() is not None
        assert 0 < give_back() < 30
        assert peer() is None
    finally:
        gc.enable()
