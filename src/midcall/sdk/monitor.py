"""Watches the media of one call: how loud it is, twenty times a second, and how good it is, once a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from midcall.core.loudness import VOLUME_S
from midcall.core.quality import SAMPLE_S, Counters, Sampler

log = logging.getLogger("midcall.sdk")


class Look(NamedTuple):
    """Loudness of a moment: volumes from 0 to 1, levels from 0 to 32767."""

    input_volume: float
    output_volume: float
    input_level: float
    output_level: float


class Measured(Protocol):
    """What can be watched."""

    def look(self) -> Look:
        """How loud it is right now."""

    async def counters(self) -> Counters:
        """What has been counted so far."""


class Monitor:
    """Tells the events `volume` and `sample`."""

    def __init__(self, media: Measured, tell: Callable[..., None], *, now: float) -> None:
        """Times are seconds of any one clock; `tell` takes an event's name and arguments."""
        self._media = media
        self._tell = tell
        self._sampler = Sampler()
        self._sample_at = now + SAMPLE_S
        self._looks: list[Look] = []

    async def run(self) -> None:
        """Watch until cancelled, or until the media cannot be asked any more. Looks that are too late are left out."""
        clock = asyncio.get_running_loop().time
        due = clock()
        try:
            while True:
                due = max(due + VOLUME_S, clock())
                await asyncio.sleep(due - clock())
                await self.watch(clock())
        except Exception:
            log.debug("the media of a call can be measured no longer", exc_info=True)

    async def watch(self, now: float) -> None:
        """Look once, and take a sample when it is time for one."""
        look = self._media.look()
        self._looks.append(look)
        self._tell("volume", look.input_volume, look.output_volume)
        if now >= self._sample_at:
            self._sample_at += SAMPLE_S
            if self._sample_at <= now:  # the loop stood still: one sample for all of that time
                self._sample_at = now + SAMPLE_S
            await self._take_sample()

    async def _take_sample(self) -> None:
        looks, self._looks = self._looks, []
        sample = self._sampler.sample(
            await self._media.counters(),
            inputs=[look.input_level for look in looks],
            outputs=[look.output_level for look in looks],
        )
        self._tell("sample", sample)
