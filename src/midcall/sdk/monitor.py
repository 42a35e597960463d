"""Watches the media of one call: how loud it is, twenty times a second; how good it is, and what to warn of, once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from midcall.core.loudness import VOLUME_S
from midcall.core.quality import SAMPLE_S, Counters, Sampler
from midcall.core.quality_warnings import Cleared, QualityWarnings, Raised

log = logging.getLogger("midcall.sdk")


class Look(NamedTuple):
    """Loudness of a moment: volumes from 0 to 1, levels from 0 to 32767; and whether we are muted."""

    input_volume: float
    output_volume: float
    input_level: float
    output_level: float
    is_muted: bool


class Measured(Protocol):
    """What can be watched."""

    def look(self) -> Look:
        """How loud it is right now."""

    async def counters(self) -> Counters:
        """What has been counted so far."""


class Monitor:
    """Tells the events `volume`, `sample`, `warning` and `warning-cleared`."""

    def __init__(self, media: Measured, tell: Callable[..., None], *, call_made_at: float, now: float) -> None:
        """Times are seconds of any one clock; `tell` takes an event's name and arguments."""
        self._media = media
        self._tell = tell
        self._sampler = Sampler()
        self._warnings = QualityWarnings(call_made_at=call_made_at)
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
            await self._take_sample(now)

    async def _take_sample(self, now: float) -> None:
        """Warnings come before the sample that brought them, as in the browser SDK."""
        looks, self._looks = self._looks, []
        inputs = [look.input_level for look in looks]
        sample = self._sampler.sample(
            await self._media.counters(), inputs=inputs, outputs=[look.output_level for look in looks]
        )
        muted = any(look.is_muted for look in looks)
        for verdict in self._warnings.judge(sample, inputs=None if muted else inputs, now=now):
            match verdict:
                case Raised(warning, data):
                    self._tell("warning", warning, data)
                case Cleared(warning):
                    self._tell("warning-cleared", warning)
        self._tell("sample", sample)
