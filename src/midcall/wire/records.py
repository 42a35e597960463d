"""What the extensions answer about messages: their states, deliveries, replays, and what was given up.

Times are ISO 8601 with milliseconds, UTC, and null while they have not come or when nobody kept them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from msgspec import Struct

from midcall.core.lanes import Lane, LaneKind, LaneState, Undelivered
from midcall.core.messages import Entry, Log
from midcall.core.progress import LaneProgress, Progress
from midcall.wire.dates import iso8601, rfc2822
from midcall.wire.paging import Page
from midcall.wire.resources import (
    BASE,
    EXTENSION_BASE,
    AccountSidText,
    CallSidText,
    Date,
    HttpMethod,
    MessageSidText,
    ReplaySidText,
    SubscriptionSidText,
)
from midcall.wire.urls import without_userinfo

DirectionText = Literal["from-client", "to-client"]
StateText = Literal["stored", "written", "received", "delivered", "undelivered"]
DeliveryStateText = Literal["waiting", "retrying", "delivered", "undelivered"]
EncodingText = Literal["json", "form"]


class MessageRecord(Struct, frozen=True, kw_only=True):
    """A message and what became of it. `content` is its JSON text as the sender spelled it."""

    sid: MessageSidText
    account_sid: AccountSidText
    call_sid: CallSidText
    direction: DirectionText
    sequence_number: str
    state: StateText
    reason: str | None
    content_type: str
    content: str
    date_created: Date
    accepted_at: str
    stored_at: str | None
    written_at: str | None
    received_at: str | None
    delivered_at: str | None
    gave_up_at: str | None
    uri: str


class DeliveryRecord(Struct, frozen=True, kw_only=True):
    """One message of a client on its way to one callback, by a subscription or by a replay."""

    message_sid: MessageSidText
    account_sid: AccountSidText
    call_sid: CallSidText
    sequence_number: str
    subscription_sid: SubscriptionSidText | None
    replay_sid: ReplaySidText | None
    url: str
    method: HttpMethod
    encoding: EncodingText | None
    state: DeliveryStateText
    attempts: int
    last_status: int | None
    last_error: int | None
    reason: str | None
    first_sent_at: str | None
    last_sent_at: str | None
    delivered_at: str | None
    gave_up_at: str | None
    resolved_at: str | None
    resolved_by: ReplaySidText | None


class SubscriptionRecord(Struct, frozen=True, kw_only=True):
    """A subscription with the state of its lane; `delivered_up_to` is the last sequence number that is settled."""

    sid: SubscriptionSidText
    account_sid: AccountSidText
    call_sid: CallSidText
    callback: str
    method: HttpMethod
    encoding: EncodingText | None
    state: Literal["open", "down", "ended"]
    reason: str | None
    delivered_up_to: str
    attempts: int
    next_attempt_at: str | None
    date_created: Date
    uri: str


class ReplayRecord(Struct, frozen=True, kw_only=True):
    """Messages that are sent once more; `sequence_numbers` are pairs of first and last."""

    sid: ReplaySidText
    account_sid: AccountSidText
    call_sid: CallSidText
    subscription_sid: SubscriptionSidText | None
    url: str
    method: HttpMethod
    state: Literal["running", "done", "stopped"]
    reason: str | None
    sequence_numbers: Sequence[tuple[int, int]]
    messages: int
    remaining: int
    attempts: int
    next_attempt_at: str | None
    date_created: Date
    uri: str


class UndeliveredRecord(Struct, frozen=True, kw_only=True):
    """A message that will not arrive by itself any more, and the replay that brought it after all."""

    message_sid: MessageSidText | None
    account_sid: AccountSidText
    call_sid: CallSidText
    direction: Literal["from-client", "to-client", "status"]
    sequence_number: str
    subscription_sid: SubscriptionSidText | None
    reason: str
    gave_up_at: str
    resolved_at: str | None
    resolved_by: ReplaySidText | None


class MessagePage(Page, frozen=True, kw_only=True):
    user_defined_messages: Sequence[MessageRecord]


class DeliveryPage(Page, frozen=True, kw_only=True):
    deliveries: Sequence[DeliveryRecord]


class SubscriptionPage(Page, frozen=True, kw_only=True):
    subscriptions: Sequence[SubscriptionRecord]


class ReplayPage(Page, frozen=True, kw_only=True):
    replays: Sequence[ReplayRecord]


class StartedReplays(Struct, frozen=True, kw_only=True):
    """The replays that a wish came to, one per call and subscription; none when there was nothing to send."""

    replays: Sequence[ReplayRecord]


class UndeliveredList(Struct, frozen=True, kw_only=True):
    """Newest first."""

    undelivered: Sequence[UndeliveredRecord]


_DIRECTIONS: dict[Log, Literal["from-client", "to-client", "status"]] = {
    Log.FROM_CLIENT: "from-client",
    Log.TO_CLIENT: "to-client",
    Log.STATUS: "status",
}


def message_record(entry: Entry, progress: Progress, stored_at: float | None) -> MessageRecord:
    return MessageRecord(
        sid=entry.sid,
        account_sid=entry.account_sid,
        call_sid=entry.leg_sid,
        direction=cast(DirectionText, _DIRECTIONS[entry.log]),
        sequence_number=str(entry.seq),
        state=progress.state.value,
        reason=progress.reason or None,
        content_type=entry.content_type,
        content=entry.content.decode("utf-8", "replace"),
        date_created=rfc2822(entry.at),
        accepted_at=iso8601(entry.at),
        stored_at=_time(stored_at),
        written_at=_time(progress.written_at),
        received_at=_time(progress.received_at),
        delivered_at=_time(progress.delivered_at),
        gave_up_at=_time(progress.gave_up_at),
        uri=f"{BASE}/{entry.account_sid}/Calls/{entry.leg_sid}/UserDefinedMessages/{entry.sid}.json",
    )


def delivery_record(entry: Entry, progress: LaneProgress) -> DeliveryRecord:
    lane = progress.lane
    is_replay = lane.kind is LaneKind.REPLAY
    return DeliveryRecord(
        message_sid=entry.sid,
        account_sid=entry.account_sid,
        call_sid=entry.leg_sid,
        sequence_number=str(entry.seq),
        subscription_sid=lane.origin if is_replay else lane.id,
        replay_sid=lane.id if is_replay else None,
        url=without_userinfo(lane.url),
        method=_method(lane.method),
        encoding=None if lane.encoding is None else lane.encoding.value,
        state=progress.state.value,
        attempts=progress.attempts,
        last_status=progress.status,
        last_error=progress.error,
        reason=progress.reason or None,
        first_sent_at=_time(progress.first_at),
        last_sent_at=_time(progress.last_at),
        delivered_at=_time(progress.delivered_at),
        gave_up_at=_time(progress.gave_up_at),
        resolved_at=_time(progress.resolved_at),
        resolved_by=progress.resolved_by,
    )


def subscription_record(lane: Lane) -> SubscriptionRecord:
    call = f"{BASE}/{lane.account_sid}/Calls/{lane.leg_sid}"
    return SubscriptionRecord(
        sid=lane.id,
        account_sid=lane.account_sid,
        call_sid=lane.leg_sid,
        callback=without_userinfo(lane.url),
        method=_method(lane.method),
        encoding=None if lane.encoding is None else lane.encoding.value,
        state=lane.state.value,
        reason=lane.reason or None,
        delivered_up_to=str(lane.cursor),
        attempts=lane.attempts,
        next_attempt_at=_next_attempt(lane),
        date_created=rfc2822(lane.created_at),
        uri=f"{call}/UserDefinedMessageSubscriptions/{lane.id}.json",
    )


def replay_record(lane: Lane) -> ReplayRecord:
    numbers = lane.numbers or ()
    remaining = sum(len(range(max(run.start, lane.cursor + 1), run.stop)) for run in numbers)
    return ReplayRecord(
        sid=lane.id,
        account_sid=lane.account_sid,
        call_sid=lane.leg_sid,
        subscription_sid=lane.origin,
        url=without_userinfo(lane.url),
        method=_method(lane.method),
        state="running" if lane.state is not LaneState.ENDED else "stopped" if remaining else "done",
        reason=lane.reason or None,
        sequence_numbers=[(run.start, run.stop - 1) for run in numbers],
        messages=sum(map(len, numbers)),
        remaining=remaining,
        attempts=lane.attempts,
        next_attempt_at=_next_attempt(lane),
        date_created=rfc2822(lane.created_at),
        uri=f"{EXTENSION_BASE}/{lane.account_sid}/Replays/{lane.id}.json",
    )


def undelivered_record(row: Undelivered) -> UndeliveredRecord:
    entry = row.entry
    return UndeliveredRecord(
        message_sid=None if entry.log is Log.STATUS else entry.sid,
        account_sid=entry.account_sid,
        call_sid=entry.leg_sid,
        direction=_DIRECTIONS[entry.log],
        sequence_number=str(entry.seq),
        subscription_sid=row.reader if entry.log is Log.FROM_CLIENT else None,
        reason=row.reason,
        gave_up_at=iso8601(row.at),
        resolved_at=_time(row.resolved_at),
        resolved_by=row.resolved_by,
    )


def _next_attempt(lane: Lane) -> str | None:
    """Only of a lane that waits for a retry."""
    return iso8601(lane.due_at) if lane.attempts and lane.state is not LaneState.ENDED else None


def _time(at: float | None) -> str | None:
    return None if at is None else iso8601(at)


def _method(method: str) -> HttpMethod:
    return "GET" if method == "GET" else "POST"
