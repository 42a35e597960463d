"""What to say when a virtual world cannot go on: who waits for what, and where."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from collections.abc import Iterable
from types import FrameType
from typing import Any, Final

_NUMBERED: Final = re.compile(r"Task-\d+")
_INSTALLED: Final = re.compile(r".*/(site-packages|lib/python3\.\d+)/")
SHOWN_TASKS: Final = 20
SHOWN_FRAMES: Final = 3


class EverybodyWaits(AssertionError):
    """The virtual world cannot go on. The text says why, and which tasks and threads wait where."""


def describe_tasks(tasks: Iterable[asyncio.Task[Any]], main: object) -> str:
    """The tasks that wait, the main one first, each with the innermost lines of its stack."""
    ordered = sorted(tasks, key=lambda task: (task is not main, task.get_name()))
    alike = Counter(_task_line(task, "the test" if task is main else _name(task)) for task in ordered)
    lines = [line + (f" ({count} such tasks)" if count > 1 else "") for line, count in alike.items()]
    if len(lines) > SHOWN_TASKS:
        lines[SHOWN_TASKS:] = [f"  … and {len(lines) - SHOWN_TASKS} more"]
    return "\n".join(lines)


def _name(task: asyncio.Task[Any]) -> str:
    """What its maker called it; tasks that asyncio has numbered are all alike."""
    name = task.get_name()
    return "a task" if _NUMBERED.fullmatch(name) else name


def _task_line(task: asyncio.Task[Any], name: str) -> str:
    frames = _frames(task)
    places = " < ".join(_place(frame) for frame in reversed(frames[-SHOWN_FRAMES:]))
    return f"  {name} waits in {places or 'no frame'}"


def _frames(task: asyncio.Task[Any]) -> list[FrameType]:
    """The stack of a suspended task, outermost first; `Task.get_stack` shows only the outermost coroutine."""
    frames: list[FrameType] = []
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None) or _ag_frame(awaited)
        if frame is not None:
            frames.append(frame)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None) or _ag_await(awaited)
    return frames


def _ag_frame(awaited: Any) -> FrameType | None:
    return getattr(awaited, "ag_frame", None)


def _ag_await(awaited: Any) -> Any:
    return getattr(awaited, "ag_await", None)


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({_INSTALLED.sub('', code.co_filename)}:{frame.f_lineno})"


def awaited(main: asyncio.Future[Any]) -> tuple[object, ...]:
    """What a task waits for, through the tasks that it waits for: while this changes, somebody gets on.

    Looks through `await task`, `gather`, `wait` and task groups.
    """
    found: list[object] = []
    seen: set[int] = set()
    todo: list[Any] = [main]
    while todo:
        future = todo.pop()
        if id(future) in seen:
            continue
        seen.add(id(future))
        if isinstance(future, asyncio.Task):
            todo += [getattr(future, "_fut_waiter", None), *_joined(future)]
        elif children := getattr(future, "_children", ()):
            todo += children
        elif future is not None:
            found.append(future)
    return tuple(found)


def _joined(task: asyncio.Task[Any]) -> Iterable[asyncio.Future[Any]]:
    """The tasks that a task waits for in a way that its future does not show."""
    for frame in _frames(task):
        name = frame.f_code.co_qualname
        if name == "TaskGroup.__aexit__":
            yield from _in_order(getattr(frame.f_locals.get("self"), "_tasks", ()))
        elif name == "_wait" and frame.f_code.co_filename.endswith("asyncio/tasks.py"):
            yield from _in_order(frame.f_locals.get("fs", ()))


def _in_order(tasks: Iterable[asyncio.Future[Any]]) -> list[asyncio.Future[Any]]:
    """One order for what asyncio keeps in sets."""
    return sorted(tasks, key=id)


def describe_threads(idents: Iterable[int]) -> str:
    """Where threads are."""
    current = sys._current_frames()
    return "\n".join(f"  a thread is in {_stack(current[ident])}" for ident in idents if ident in current)


def _stack(frame: FrameType | None) -> str:
    places: list[str] = []
    while frame is not None and len(places) < SHOWN_FRAMES:
        places.append(_place(frame))
        frame = frame.f_back
    return " < ".join(places)
