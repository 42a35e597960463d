"""Whether a thread that works for a virtual loop does nothing but wait, so that the clock may go on without it.

Python cannot be asked why a thread stands still. But it tells where each thread is, and what is waited for there can be
asked whether it has come: a thread that has been woken and only lacks a processor is at work.
"""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final


def only_waits(ident: int, doors: frozenset[int]) -> bool:
    """Whether a thread waits for a lock, a queue, a future, another thread, or an answer of the virtual network.

    Args:
        ident: of the thread.
        doors: ports of the real loopback at which threads reach that network.
    """
    frame = sys._current_frames().get(ident)
    if frame is None:
        return False
    name, function = frame.f_code.co_filename, frame.f_code.co_name
    for file, functions in _WAITS.items():
        if name.endswith(file) and (check := functions.get(function)) is not None:
            return check(frame.f_locals)
    return name.endswith(_READERS) and _waits_for_answer(frame, doors)


def _is_not_notified(found: Mapping[str, Any]) -> bool:
    """In `Condition.wait`, on which events, queues and futures stand: who notifies takes the waiter off the list."""
    condition, waiter = found.get("self"), found.get("waiter")
    return waiter is not None and waiter in getattr(condition, "_waiters", ())


def _is_not_over(found: Mapping[str, Any]) -> bool:
    """In `Thread.join`, which is another function below since Python 3.13."""
    thread = found.get("self")
    return isinstance(thread, threading.Thread) and thread.is_alive()


_WAITS: Final[Mapping[str, Mapping[str, Callable[[Mapping[str, Any]], bool]]]] = {
    "/threading.py": {"wait": _is_not_notified, "_wait_for_tstate_lock": _is_not_over, "join": _is_not_over},
}
_READERS: Final = ("/socket.py", "/httpcore/_backends/sync.py")
"""Where requests, urllib3, urllib and httpx read from a socket."""


def _waits_for_answer(frame: FrameType, doors: frozenset[int]) -> bool:
    """Whether a frame reads from a socket that leads to the virtual network, and nothing has come."""
    sock = getattr(frame.f_locals.get("self"), "_sock", None)
    try:
        if sock is None or sock.getpeername()[1] not in doors:
            return False
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return not poll.poll(0)
    except (OSError, ValueError, TypeError, IndexError):
        return False
