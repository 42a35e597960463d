"""Drains lanes: claims what is due, has its head delivered, settles, and goes on while there is more.

Woken by nudges, by the next due time and by a sweep; in between it costs nothing. The store's lease keeps one request
in flight per lane, so order needs no further code here.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from midcall.core.delivery import RetryAt, Verdict
from midcall.core.errors import STORE_UNAVAILABLE, Refused
from midcall.core.lanes import Attempt, Encoding, LaneState, Turn
from midcall.core.messages import Log
from midcall.ports import Bus, Clock, Entropy, Nudge, Sender, Store, Timer, Trace, pause
from midcall.webhooks.attempts import TOTAL_S, Attempts
from midcall.webhooks.slots import PROMPT_S, Slots
from midcall.wire import urls

_log = logging.getLogger(__name__)

CONCURRENCY: Final = 256
PER_HOST: Final = 64
BURST: Final = 32
SWEEP_S: Final = 5.0

PATIENCE_S: Final = 5.0
"""How long a claimed lane waits for a slot before it is given back."""

STORE_RETRY_S: Final = 0.5
"""Pause before an outcome is offered again to a store that could not take it."""

MARGIN_S: Final = 10.0
LEASE_S: Final = PATIENCE_S + TOTAL_S + MARGIN_S

_BATCH: Final = 256
_LANES_PER_SLOT: Final = 16
_LOOK_AGAIN_S: Final = 0.05


@dataclass(slots=True)
class _Held:
    """A turn, and until when (monotonic) its lease surely lasts."""

    turn: Turn
    until: float


class Dispatcher:
    """Feeds the lanes of one node.

    Args:
        encoding: of message callbacks; None finds out what each endpoint takes.
        concurrency: requests in flight at the same time.
        per_host: the most of them to one host.
        burst: messages of one lane before others of its host have their turn.
        sweep_s: how soon a lane is found whose nudge was lost.
    """

    def __init__(
        self,
        store: Store,
        sender: Sender,
        bus: Bus,
        clock: Clock,
        trace: Trace,
        entropy: Entropy,
        *,
        encoding: Encoding | None = None,
        concurrency: int = CONCURRENCY,
        per_host: int = PER_HOST,
        burst: int = BURST,
        sweep_s: float = SWEEP_S,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._attempts = Attempts(store, sender, clock, trace, entropy, encoding=encoding)
        self._slots = Slots(clock, total=concurrency, per_host=per_host)
        self._most_lanes = concurrency * _LANES_PER_SLOT
        self._burst = burst
        self._sweep_s = sweep_s
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._look_ahead = False
        self._may_be_more = False
        self._closing = False
        self._pump: asyncio.Task[None] | None = None
        self._sweep_timer: Timer | None = None
        self._due_timer: Timer | None = None
        self._due_at = float("inf")

    async def start(self) -> None:
        """Begin with whatever is due."""
        self._bus.listen(self._on_nudge)
        self._pump = asyncio.create_task(self._run(), name="webhook dispatcher")
        self._sweep()

    async def close(self, grace_s: float = 5.0) -> None:
        """Claim nothing more, let turns in flight finish for so many seconds, then cancel them.

        A cancelled turn leaves its lease to run out: its message is sent again, with the same ids.
        """
        self._closing = True
        for timer in (self._sweep_timer, self._due_timer):
            if timer is not None:
                timer.cancel()
        self._wake.set()
        pump = [self._pump] if self._pump else []
        if pump and grace_s > 0:  # what it is claiming is given back below
            await asyncio.wait(pump, timeout=grace_s)
        if self._lanes and grace_s > 0:
            await asyncio.wait(self._lanes.values(), timeout=grace_s)
        left = [*self._lanes.values(), *pump]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # waking up

    def _on_nudge(self, nudge: Nudge) -> None:
        if nudge.log is not Log.TO_CLIENT:
            self._wake.set()

    def _sweep(self) -> None:
        self._look_ahead = True
        self._wake.set()
        self._sweep_timer = self._clock.call_later(self._sweep_s, self._sweep)

    def _wake_at(self, due_at: float) -> None:
        if self._closing or due_at >= self._due_at:
            return
        if self._due_timer is not None:
            self._due_timer.cancel()
        self._due_at = due_at
        self._due_timer = self._clock.call_later(due_at - self._clock.now(), self._on_due)

    def _on_due(self) -> None:
        self._due_at = float("inf")
        self._look_ahead = True
        self._wake.set()

    # claiming

    async def _run(self) -> None:
        while not self._closing:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._start_due_lanes()
            except Refused as refused:
                _log.warning("lanes cannot be read: %s", refused.detail)  # the sweep tries again
            except Exception:
                _log.exception("looking for due lanes failed")

    async def _start_due_lanes(self) -> None:
        room = self._most_lanes - len(self._lanes)
        if room > 0:
            claimed = await self._store.claim_due(
                now=self._clock.now(),
                lease_until=self._lease_until(),
                limit=min(room, _BATCH),
                but=frozenset(self._lanes),
            )
            for turn in claimed.turns:
                self._start(turn)
            # A lane that is due and at work here was settled a moment ago, before its last message came.
            self._may_be_more = claimed.more
        else:
            self._may_be_more = True
        if self._look_ahead:
            self._look_ahead = False
            next_due = await self._store.next_due()
            if next_due is not None:
                self._wake_at(max(next_due, self._clock.now() + _LOOK_AGAIN_S))

    def _start(self, turn: Turn) -> None:
        lane_id = turn.lane.id
        task = asyncio.create_task(self._drain(self._held(turn)), name=f"lane {lane_id}")
        self._lanes[lane_id] = task
        task.add_done_callback(lambda _: self._on_drained(lane_id))

    def _on_drained(self, lane_id: str) -> None:
        del self._lanes[lane_id]
        if self._may_be_more:
            self._may_be_more = False
            self._wake.set()

    # draining

    async def _drain(self, held: _Held) -> None:
        """Deliver a lane's messages until nothing is left or one has to wait."""
        lane_id = held.turn.lane.id
        try:
            following: _Held | None = held
            while following is not None:
                following = await self._stay(following)
        except Refused as refused:
            _log.warning("a lane waits: %s", refused.detail, extra={"lane": lane_id})
        except Exception:
            _log.exception("a lane failed; its lease will run out", extra={"lane": lane_id})

    async def _stay(self, held: _Held) -> _Held | None:
        """Send as many of a lane's messages as one stay in a slot allows; the turn that is left, if any."""
        host = urls.host_key(held.turn.lane.url)
        failed = held.turn.lane.attempts > 0
        if self._closing or not await self._slots.enter(host, patience_s=PATIENCE_S, suspect=failed):
            await self._give_back(held, host)
            return None
        try:
            return await self._burst_of(held, host)
        finally:
            self._slots.leave(host)

    async def _burst_of(self, held: _Held, host: str) -> _Held | None:
        following: _Held | None = held
        for _ in range(self._burst):
            if following is None or self._closing or urls.host_key(following.turn.lane.url) != host:
                break
            if self._clock.monotonic() + TOTAL_S > following.until:
                return None  # waited too long: somebody else may have the lease before an answer comes
            judged = await self._attempts.deliver_head(following.turn)
            if judged.answered is not None:
                is_prompt = judged.answered and judged.took_s < PROMPT_S
                self._slots.note(host, prompt=is_prompt, took_s=judged.took_s)
            following = await self._settle(following.turn, judged.verdict, judged.attempt)
        return following

    async def _settle(self, turn: Turn, verdict: Verdict, attempt: Attempt | None = None) -> _Held | None:
        """Write down what became of a turn, and get the next one.

        While the disk is full the outcome waits here: sending the message again would not make more room. A lease that
        has meanwhile gone to another node makes this one stale, so waiting long harms nobody.
        """
        while True:
            try:
                following = await self._store.settle(
                    turn, verdict, now=self._clock.now(), lease_until=self._lease_until(), attempt=attempt
                )
                break
            except Refused as refused:
                if self._closing or refused.rule is not STORE_UNAVAILABLE:
                    raise
                await pause(self._clock, STORE_RETRY_S)
        if isinstance(verdict, RetryAt):
            self._wake_at(verdict.due_at)
        return None if following is None else self._held(following)

    async def _give_back(self, held: _Held, host: str) -> None:
        """Nothing was sent: the lane comes back when its host may have room."""
        wait_s = 0.0 if self._closing else self._slots.detour_s(host)
        is_down = held.turn.lane.state is LaneState.DOWN
        await self._settle(held.turn, RetryAt(self._clock.now() + wait_s, down=is_down, counted=False))

    def _held(self, turn: Turn) -> _Held:
        # Later than the claim by one trip to the store, which the margin covers.
        return _Held(turn, self._clock.monotonic() + LEASE_S - MARGIN_S / 2)

    def _lease_until(self) -> float:
        return self._clock.now() + LEASE_S
