"""What became of a message: one state and its times, told from what the store keeps of lanes, attempts and receipts.

Pure: whoever shows messages (REST, the command line) reads a `Standing` and asks here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from midcall.core.lanes import Delivery, DeliveryState, Lane, LaneKind, LaneState, Undelivered
from midcall.core.messages import Entry, Log, Receipt
from midcall.core.sids import ReplaySid


class MessageState(StrEnum):
    """How far a message is. What was only accepted is not durable yet, and nobody can see it."""

    STORED = "stored"
    WRITTEN = "written"  # handed to the client's socket, or sent to a callback that has not taken it so far
    RECEIVED = "received"  # by the client
    DELIVERED = "delivered"  # to every subscription
    UNDELIVERED = "undelivered"  # given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What became of some messages of a leg, as the store knows it.

    Attributes:
        lanes: that read the from_client log, oldest first.
        deliveries: of those messages, by number.
        receipts: for the to_client log, by number: the first one after the highest number asked for is the last.
        undelivered: those of the messages that were given up.
    """

    lanes: Sequence[Lane]
    deliveries: Sequence[Delivery]
    receipts: Sequence[Receipt]
    undelivered: Sequence[Undelivered]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneProgress:
    """One message on its way through one lane. Times are epoch seconds, None while they have not come.

    Attributes:
        status, error: of the last attempt.
        reason: why it was given up.
        resolved_at, resolved_by: the replay that delivered it after all.
    """

    lane: Lane
    state: DeliveryState
    attempts: int = 0
    status: int | None = None
    error: int | None = None
    first_at: float | None = None
    last_at: float | None = None
    delivered_at: float | None = None
    gave_up_at: float | None = None
    reason: str = ""
    resolved_at: float | None = None
    resolved_by: ReplaySid | None = None

    @property
    def is_lost(self) -> bool:
        return self.state is DeliveryState.UNDELIVERED and self.resolved_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A message's state and its times (epoch seconds; None while they have not come, or when nobody kept them)."""

    state: MessageState
    written_at: float | None = None
    received_at: float | None = None
    delivered_at: float | None = None
    gave_up_at: float | None = None
    reason: str = ""


def lanes_of(entry: Entry, standing: Standing) -> Sequence[LaneProgress]:
    """How a client's message fares on each lane that it is the business of, oldest lane first."""
    if entry.log is not Log.FROM_CLIENT:
        return ()
    tried = {delivery.lane_id: delivery for delivery in standing.deliveries if delivery.seq == entry.seq}
    lost = {row.reader: row for row in standing.undelivered if _is_about(row, entry)}
    found = (_on_lane(entry.seq, lane, tried.get(lane.id), lost.get(lane.id)) for lane in standing.lanes)
    return [progress for progress in found if progress is not None]


def _is_about(row: Undelivered, entry: Entry) -> bool:
    return (row.entry.log, row.entry.seq) == (entry.log, entry.seq)


def _on_lane(seq: int, lane: Lane, tried: Delivery | None, lost: Undelivered | None) -> LaneProgress | None:
    ended = lane.state is LaneState.ENDED
    if lane.numbers is not None:
        if not any(seq in run for run in lane.numbers):
            return None
    elif seq <= lane.start or (ended and seq > lane.cursor and lost is None):
        return None
    attempts, status, error, first_at, last_at = 0, None, None, None, None
    if tried is not None:
        attempts, status, error = tried.attempts, tried.status, tried.error
        first_at, last_at = tried.first_at, tried.last_at
    state = _state(seq, lane, tried, lost)
    settled_at = None if tried is None else tried.settled_at
    return LaneProgress(
        lane=lane,
        state=state,
        attempts=attempts,
        status=status,
        error=error,
        first_at=first_at,
        last_at=last_at,
        delivered_at=settled_at if state is DeliveryState.DELIVERED else None,
        gave_up_at=(lost.at if lost else settled_at) if state is DeliveryState.UNDELIVERED else None,
        reason=(lost.reason if lost else lane.reason) if state is DeliveryState.UNDELIVERED else "",
        resolved_at=lost.resolved_at if lost else None,
        resolved_by=lost.resolved_by if lost else None,
    )


def _state(seq: int, lane: Lane, tried: Delivery | None, lost: Undelivered | None) -> DeliveryState:
    if lost is not None:
        return DeliveryState.UNDELIVERED
    if seq <= lane.cursor:
        return DeliveryState.DELIVERED if tried is None else tried.state
    if lane.state is LaneState.ENDED:  # a replay that did not get so far
        return DeliveryState.UNDELIVERED
    return DeliveryState.WAITING if tried is None else DeliveryState.RETRYING


def progress_of(entry: Entry, standing: Standing, *, written_at: float | None = None) -> Progress:
    """The state of a message and its times.

    Args:
        written_at: when a message to a client whose receipt is missing was written, as far as the live leg knows.
    """
    if entry.log is Log.TO_CLIENT:
        return _to_client(entry, standing, written_at)
    return _from_client(lanes_of(entry, standing))


def _to_client(entry: Entry, standing: Standing, written_at: float | None) -> Progress:
    lost = next((row for row in standing.undelivered if _is_about(row, entry)), None)
    if lost is not None:
        return Progress(state=MessageState.UNDELIVERED, gave_up_at=lost.at, reason=lost.reason)
    receipt = next((receipt for receipt in standing.receipts if receipt.seq >= entry.seq), None)
    if receipt is not None:
        return Progress(state=MessageState.RECEIVED, written_at=receipt.written_at, received_at=receipt.at)
    state = MessageState.STORED if written_at is None else MessageState.WRITTEN
    return Progress(state=state, written_at=written_at)


def _from_client(lanes: Sequence[LaneProgress]) -> Progress:
    """Over all subscriptions; replays count only for a message that no subscription heard."""
    first = [lane for lane in lanes if lane.lane.kind is LaneKind.MESSAGES]
    counted = first or [lane for lane in lanes if lane.state is DeliveryState.DELIVERED]
    written_at = min((lane.first_at for lane in counted if lane.first_at is not None), default=None)
    lost = next((lane for lane in counted if lane.is_lost), None)
    if lost is not None:
        return Progress(
            state=MessageState.UNDELIVERED, written_at=written_at, gave_up_at=lost.gave_up_at, reason=lost.reason
        )
    if not counted or any(lane.state in (DeliveryState.WAITING, DeliveryState.RETRYING) for lane in counted):
        state = MessageState.STORED if written_at is None else MessageState.WRITTEN
        return Progress(state=state, written_at=written_at)
    times = [lane.resolved_at or lane.delivered_at for lane in counted]
    delivered_at = max((at for at in times if at is not None), default=None)
    return Progress(state=MessageState.DELIVERED, written_at=written_at, delivered_at=delivered_at)
