"""Media of legs: engines behind `ports.Media`, and the one function that sets them up.

Importing this imports neither aiortc nor av.
"""

from __future__ import annotations

from typing import Literal

from midcall.media.none import NoneEngine
from midcall.media.options import EngineOptions
from midcall.media.router import MediaRouter
from midcall.media.workers import WorkerPool
from midcall.ports import Media

__all__ = ["EngineOptions", "make_media"]


def make_media(
    engine: Literal["aiortc", "silent", "none"] = "aiortc",
    *,
    workers: int = 1,
    addresses: tuple[str, ...] = (),
    ports: tuple[int, int] = (0, 0),
) -> Media:
    """The configured media.

    Args:
        workers: processes for media; 0 keeps it in this one.
        addresses: see `EngineOptions`.
        ports: lowest and highest UDP port; (0, 0): any.

    Raises:
        ValueError: unknown engine, negative number of workers, or not a range of ports.
    """
    if engine == "none":
        return NoneEngine()
    if engine not in ("aiortc", "silent"):
        raise ValueError(f"unknown media engine: {engine}")
    options = EngineOptions(silent=engine == "silent", addresses=addresses, ports=ports)
    if workers:
        return MediaRouter(WorkerPool(options, workers=workers))
    from midcall.media.engine import AiortcEngine  # slow to import, and needed here only

    return MediaRouter(AiortcEngine(options))
