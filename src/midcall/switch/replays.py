"""Replays: messages that went to callbacks, or should have, are sent once more because somebody asks for it.

A replay is a lane of its own over chosen numbers of a leg's log. It never touches the lane that was first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from midcall.core import errors, sids
from midcall.core.errors import Refused
from midcall.core.lanes import Lane, LaneKind, Replay
from midcall.core.messages import Log
from midcall.core.sids import AccountSid, CallSid, ReplaySid, SubscriptionSid
from midcall.ports import Bus, Clock, Entropy, Nudge, PageRequest, PageResult, Store

MAX_REPLAYS: Final = 1_000
"""Replays that one request may start: one per subscription with something to send."""

MAX_RUNS: Final = 10_000
"""Ranges of numbers in one replay."""

_SUBSCRIPTIONS: Final = 100
_EVERYTHING: Final = range(2**53)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be sent again, and where.

    Attributes:
        leg: one call; None: everything undelivered of the account.
        message: the sid of one message; `first`, `last`: sequence numbers, both included. Without them all of the call.
        undelivered: only what was given up and no replay has delivered since.
        since: (with `undelivered`) only what was given up then or later, in epoch seconds.
        subscription: only what this subscription heard; None: each subscription's.
        url, method: another address; None: the one that each subscription has.
    """

    account_sid: AccountSid
    leg: CallSid | None = None
    message: str | None = None
    first: int | None = None
    last: int | None = None
    undelivered: bool = False
    since: float | None = None
    subscription: SubscriptionSid | None = None
    url: str | None = None
    method: str | None = None


class Replays:
    """Use cases of replays."""

    def __init__(self, *, store: Store, bus: Bus, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._entropy = entropy

    async def start(self, wanted: Wanted) -> Sequence[Lane]:
        """Open the replays that a wish comes to, one per subscription; durable when this returns.

        Without subscription and address of its own nothing can be sent, and nothing undelivered means nothing to do:
        then there are none.

        Raises:
            Refused: NOT_FOUND (call, message, subscription), PARAMETER_INVALID, STORE_UNAVAILABLE.
        """
        _check(wanted)
        if wanted.undelivered:
            replays = await self._of_missed(wanted)
        else:
            replays = await self._of_call(wanted)
        if len(replays) > MAX_REPLAYS or any(len(replay.numbers) > MAX_RUNS for replay in replays):
            raise Refused(errors.PARAMETER_INVALID, "This would be too many replays; ask for less at once")
        if replays:
            await self._store.add_replays(replays)
        for leg in {replay.leg_sid for replay in replays}:
            self._bus.nudge(Nudge(leg, Log.FROM_CLIENT))
        lanes = [await self._store.lane(wanted.account_sid, replay.sid) for replay in replays]
        return [lane for lane in lanes if lane is not None]

    async def fetch(self, account: AccountSid, sid: str) -> Lane:
        """Raises:
        Refused: NOT_FOUND.
        """
        lane = await self._store.lane(account, sid)
        if lane is None or lane.kind is not LaneKind.REPLAY:
            raise Refused(errors.NOT_FOUND)
        return lane

    async def list(self, account: AccountSid, leg: CallSid | None, page: PageRequest) -> PageResult[Lane]:
        """Newest first."""
        return await self._store.lane_page(account, LaneKind.REPLAY, leg, page)

    async def stop(self, account: AccountSid, sid: str) -> None:
        """Send no more of it; what was sent stays sent.

        Raises:
            Refused: NOT_FOUND for an unknown replay and for one that is over.
        """
        if not await self._store.end_replay(account, sid):
            raise Refused(errors.NOT_FOUND)

    async def _of_missed(self, wanted: Wanted) -> Sequence[Replay]:
        numbers = await self._numbers(wanted) if wanted.leg is not None else _EVERYTHING
        missed = await self._store.missed(wanted.account_sid, wanted.leg, wanted.since)
        found = []
        for one in missed:
            chosen = _cut(one.numbers, numbers)
            if not chosen or wanted.subscription not in (None, one.subscription):
                continue
            lane = await self._store.lane(wanted.account_sid, one.subscription)
            found.append(self._replay(wanted, one.leg_sid, chosen, lane))
            if len(found) > MAX_REPLAYS:
                break
        return found

    async def _of_call(self, wanted: Wanted) -> Sequence[Replay]:
        assert wanted.leg is not None
        numbers = await self._numbers(wanted)
        lanes = await self._subscriptions(wanted)
        if wanted.url is not None:
            # To one other address everything goes once, as the first subscription's deliveries.
            chosen = await self._present(wanted.account_sid, wanted.leg, numbers)
            origin = lanes[0] if lanes else None
            return [self._replay(wanted, wanted.leg, chosen, origin)] if chosen else []
        # An address that is the subscription's own gets what that subscription was to hear.
        heard = [(lane, range(max(numbers.start, lane.start + 1), numbers.stop)) for lane in lanes]
        found = [(lane, await self._present(wanted.account_sid, wanted.leg, part)) for lane, part in heard if part]
        return [self._replay(wanted, wanted.leg, chosen, lane) for lane, chosen in found if chosen]

    async def _numbers(self, wanted: Wanted) -> range:
        assert wanted.leg is not None
        if await self._store.call(wanted.account_sid, wanted.leg) is None:
            raise Refused(errors.NOT_FOUND)
        if wanted.message is not None:
            entry = await self._store.entry(wanted.account_sid, wanted.leg, wanted.message)
            if entry is None or entry.log is not Log.FROM_CLIENT:
                raise Refused(errors.NOT_FOUND, "The call's client has sent no such message")
            return range(entry.seq, entry.seq + 1)
        first = _EVERYTHING.start if wanted.first is None else wanted.first
        return range(first, _EVERYTHING.stop if wanted.last is None else wanted.last + 1)

    async def _present(self, account: AccountSid, leg: CallSid, numbers: range) -> tuple[range, ...]:
        """The part of these numbers that the log has, as one range or none."""
        head = await self._store.entries_after(leg, Log.FROM_CLIENT, numbers.start - 1, 1)
        newest = await self._store.entries(account, leg, Log.FROM_CLIENT, PageRequest(size=1))
        if not head or not newest.rows:
            return ()
        return _cut([range(head[0].seq, newest.rows[0].seq + 1)], numbers)

    async def _subscriptions(self, wanted: Wanted) -> Sequence[Lane]:
        """The leg's subscriptions, oldest first; or the one that is asked for, also when it was deleted."""
        assert wanted.leg is not None
        request = PageRequest(size=_SUBSCRIPTIONS)
        page = await self._store.lane_page(wanted.account_sid, LaneKind.MESSAGES, wanted.leg, request)
        if wanted.subscription is None:
            kept = {known.sid for known in await self._store.subscriptions(wanted.account_sid, wanted.leg)}
            return [lane for lane in reversed(page.rows) if lane.id in kept]
        lanes = [lane for lane in page.rows if lane.id == wanted.subscription]
        if not lanes:
            raise Refused(errors.NOT_FOUND, "The call has no such subscription")
        return lanes

    def _replay(self, wanted: Wanted, leg: CallSid, numbers: tuple[range, ...], origin: Lane | None) -> Replay:
        url = wanted.url or (origin.url if origin else "")
        method = wanted.method or (origin.method if origin and wanted.url is None else "POST")
        return Replay(
            sid=ReplaySid(sids.mint("RP", self._entropy(sids.ENTROPY_BYTES))),
            account_sid=wanted.account_sid,
            leg_sid=leg,
            origin=None if origin is None else SubscriptionSid(origin.id),
            url=url,
            method=method,
            numbers=numbers,
            created_at=self._clock.now(),
        )


def _check(wanted: Wanted) -> None:
    """Raises:
    Refused: PARAMETER_INVALID for wishes that contradict themselves.
    """
    picks = (wanted.message, wanted.first, wanted.last)
    if wanted.leg is None and (not wanted.undelivered or any(pick is not None for pick in picks)):
        raise Refused(errors.PARAMETER_INVALID, "Without CallSid only everything undelivered can be replayed")
    if wanted.message is not None and (wanted.first is not None or wanted.last is not None):
        raise Refused(errors.PARAMETER_INVALID, "MessageSid and sequence numbers exclude each other")
    if wanted.since is not None and not wanted.undelivered:
        raise Refused(errors.PARAMETER_INVALID, "Since is for what is undelivered; add Undelivered=true")


def _cut(parts: Iterable[range], numbers: range) -> tuple[range, ...]:
    cut = (range(max(part.start, numbers.start), min(part.stop, numbers.stop)) for part in parts)
    return tuple(part for part in cut if part)
