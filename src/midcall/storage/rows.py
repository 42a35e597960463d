"""Rows of the SQL stores to records and back. Column orders are those of the statements in `sql/`.

A row is a tuple of what the database gives; its shape is checked here and nowhere else, by building the record.
"""

from __future__ import annotations

from typing import Final

import msgspec

from midcall.core import sids
from midcall.core.accounts import Account, AccountStatus, ApiKey, Application
from midcall.core.alerts import Alert, Level
from midcall.core.calls import Call, Direction, Status
from midcall.core.lanes import Delivery, DeliveryState, Encoding, Lane, LaneKind, LaneState, Undelivered
from midcall.core.messages import Entry, Log, Receipt
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import (
    AccountSid,
    AlertSid,
    ApplicationSid,
    CallSid,
    KeySid,
    PhoneNumberSid,
    ReplaySid,
    SubscriptionSid,
)
from midcall.storage import rules
from midcall.storage.queries import Row
from midcall.storage.rules import LaneRecord

LOG_CODES: Final = {Log.FROM_CLIENT: 0, Log.TO_CLIENT: 1, Log.STATUS: 2}
_LOGS: Final = tuple(LOG_CODES)
_KINDS: Final = {(LOG_CODES[log], kind is LaneKind.REPLAY): kind for kind, log in rules.LOG_OF.items()}
LANE_PREFIXES: Final = {LaneKind.MESSAGES: "ZY", LaneKind.STATUS: "CA", LaneKind.REPLAY: "RP"}
_KIND_OF_PREFIX: Final = {prefix: kind for kind, prefix in LANE_PREFIXES.items()}
_pairs: Final = msgspec.json.Decoder(list[tuple[int, int]])
_MESSAGE_PREFIX: Final = "KX"
_SID_CHARS: Final = 34


def key(sid: str, prefix: str) -> bytes:
    """The stored key of a sid that somebody asks for; no row has the key of what is no such sid."""
    if len(sid) != _SID_CHARS or not sid.startswith(prefix):
        return b""
    try:
        found = sids.to_bytes(sid)
    except ValueError:
        return b""
    return found if len(found) == sids.ENTROPY_BYTES else b""  # `fromhex` passes over blanks


def account_row(account: Account) -> Row:
    return (
        sids.to_bytes(account.sid),
        sids.to_bytes(account.owner_sid),
        account.friendly_name,
        account.status.value,
        account.auth_token,
        account.created_at,
        account.updated_at,
    )


def account(row: Row) -> Account:
    sid, owner, friendly_name, status, auth_token, created_at, updated_at = row
    return Account(
        sid=AccountSid("AC" + sid.hex()),
        owner_sid=AccountSid("AC" + owner.hex()),
        friendly_name=friendly_name,
        status=AccountStatus(status),
        auth_token=auth_token,
        created_at=created_at,
        updated_at=updated_at,
    )


def api_key_row(key: ApiKey) -> Row:
    return (
        sids.to_bytes(key.sid),
        sids.to_bytes(key.account_sid),
        key.friendly_name,
        key.secret,
        int(key.is_main),
        key.created_at,
        key.updated_at,
    )


def api_key(row: Row) -> ApiKey:
    sid, account, friendly_name, secret, is_main, created_at, updated_at = row
    return ApiKey(
        sid=KeySid("SK" + sid.hex()),
        account_sid=AccountSid("AC" + account.hex()),
        friendly_name=friendly_name,
        secret=secret,
        is_main=bool(is_main),
        created_at=created_at,
        updated_at=updated_at,
    )


def application_row(application: Application) -> Row:
    return (
        sids.to_bytes(application.sid),
        sids.to_bytes(application.account_sid),
        application.friendly_name,
        application.created_at,
        application.updated_at,
        application.voice_url,
        application.voice_method,
        application.voice_fallback_url,
        application.voice_fallback_method,
        application.status_callback,
        application.status_callback_method,
        int(application.voice_caller_id_lookup),
        int(application.public_application_connect_enabled),
        application.sms_url,
        application.sms_method,
        application.sms_fallback_url,
        application.sms_fallback_method,
        application.sms_status_callback,
        application.message_status_callback,
        application.message_callback,
        application.message_callback_method,
    )


def application(row: Row) -> Application:
    return Application(
        sid=ApplicationSid("AP" + row[0].hex()),
        account_sid=AccountSid("AC" + row[1].hex()),
        friendly_name=row[2],
        created_at=row[3],
        updated_at=row[4],
        voice_url=row[5],
        voice_method=row[6],
        voice_fallback_url=row[7],
        voice_fallback_method=row[8],
        status_callback=row[9],
        status_callback_method=row[10],
        voice_caller_id_lookup=bool(row[11]),
        public_application_connect_enabled=bool(row[12]),
        sms_url=row[13],
        sms_method=row[14],
        sms_fallback_url=row[15],
        sms_fallback_method=row[16],
        sms_status_callback=row[17],
        message_status_callback=row[18],
        message_callback=row[19],
        message_callback_method=row[20],
    )


def phone_number_row(number: PhoneNumber) -> Row:
    return (
        sids.to_bytes(number.sid),
        sids.to_bytes(number.account_sid),
        number.number,
        number.friendly_name,
        number.created_at,
        number.updated_at,
        number.voice_url,
        number.voice_method,
        number.voice_fallback_url,
        number.voice_fallback_method,
        None if number.voice_application_sid is None else sids.to_bytes(number.voice_application_sid),
        int(number.voice_caller_id_lookup),
        number.status_callback,
        number.status_callback_method,
        number.sms_url,
        number.sms_method,
        number.sms_fallback_url,
        number.sms_fallback_method,
        None if number.sms_application_sid is None else sids.to_bytes(number.sms_application_sid),
        number.stir_status,
    )


def phone_number(row: Row) -> PhoneNumber:
    return PhoneNumber(
        sid=PhoneNumberSid("PN" + row[0].hex()),
        account_sid=AccountSid("AC" + row[1].hex()),
        number=row[2],
        friendly_name=row[3],
        created_at=row[4],
        updated_at=row[5],
        voice_url=row[6],
        voice_method=row[7],
        voice_fallback_url=row[8],
        voice_fallback_method=row[9],
        voice_application_sid=None if row[10] is None else ApplicationSid("AP" + row[10].hex()),
        voice_caller_id_lookup=bool(row[11]),
        status_callback=row[12],
        status_callback_method=row[13],
        sms_url=row[14],
        sms_method=row[15],
        sms_fallback_url=row[16],
        sms_fallback_method=row[17],
        sms_application_sid=None if row[18] is None else ApplicationSid("AP" + row[18].hex()),
        stir_status=row[19],
    )


def call_row(call: Call) -> Row:
    return (
        sids.to_bytes(call.sid),
        sids.to_bytes(call.account_sid),
        None if call.parent_sid is None else sids.to_bytes(call.parent_sid),
        call.direction.value,
        call.from_,
        call.to,
        call.status.value,
        int(call.status.is_final),
        int(call.sdk_leg),
        call.created_at,
        call.updated_at,
        None if call.application_sid is None else sids.to_bytes(call.application_sid),
        call.started_at,
        call.answered_at,
        call.ended_at,
        None if call.phone_number_sid is None else sids.to_bytes(call.phone_number_sid),
        call.forwarded_from,
        call.stir_status,
    )


def call(row: Row) -> Call:
    sid, account, parent, direction, from_, to, status, sdk_leg, created_at, updated_at, application, *more = row
    started_at, answered_at, ended_at, phone_number, forwarded_from, stir_status = more
    return Call(
        sid=CallSid("CA" + sid.hex()),
        account_sid=AccountSid("AC" + account.hex()),
        parent_sid=None if parent is None else CallSid("CA" + parent.hex()),
        direction=Direction(direction),
        from_=from_,
        to=to,
        status=Status(status),
        sdk_leg=bool(sdk_leg),
        created_at=created_at,
        updated_at=updated_at,
        application_sid=None if application is None else ApplicationSid("AP" + application.hex()),
        started_at=started_at,
        answered_at=answered_at,
        ended_at=ended_at,
        phone_number_sid=None if phone_number is None else PhoneNumberSid("PN" + phone_number.hex()),
        forwarded_from=forwarded_from,
        stir_status=stir_status,
    )


def entry_row(entry: Entry) -> Row:
    return (
        sids.to_bytes(entry.leg_sid),
        LOG_CODES[entry.log],
        entry.seq,
        sids.to_bytes(entry.account_sid),
        None if entry.log is Log.STATUS else sids.to_bytes(entry.sid),
        entry.content,
        entry.content_type,
        entry.at,
    )


def entry(row: Row) -> Entry:
    leg, log, seq, account, sid, content, content_type, at = row
    leg_sid = CallSid("CA" + leg.hex())
    return Entry(
        account_sid=AccountSid("AC" + account.hex()),
        leg_sid=leg_sid,
        log=_LOGS[log],
        seq=seq,
        sid=rules.status_entry_sid(leg_sid, seq) if sid is None else _MESSAGE_PREFIX + sid.hex(),
        content=content,
        content_type=content_type,
        at=at,
    )


def alert_row(alert: Alert) -> Row:
    return (
        sids.to_bytes(alert.sid),
        sids.to_bytes(alert.account_sid),
        None if alert.call_sid is None else sids.to_bytes(alert.call_sid),
        alert.code,
        alert.level.value,
        alert.reason,
        alert.at,
        alert.line,
        alert.request_url,
        alert.request_method,
        alert.webhook,
    )


def alert(row: Row) -> Alert:
    sid, account, call, code, level, reason, at, line, request_url, request_method, webhook = row
    return Alert(
        sid=AlertSid("NO" + sid.hex()),
        account_sid=AccountSid("AC" + account.hex()),
        call_sid=None if call is None else CallSid("CA" + call.hex()),
        code=code,
        level=Level(level),
        reason=reason,
        at=at,
        line=line,
        request_url=request_url,
        request_method=request_method,
        webhook=webhook,
    )


def lane_key(lane_id: str) -> tuple[bytes, int]:
    """(sid, log) of a lane; no lane has the key of an id that is none."""
    kind = _KIND_OF_PREFIX.get(lane_id[:2], LaneKind.MESSAGES)
    return key(lane_id, LANE_PREFIXES[kind]), LOG_CODES[rules.LOG_OF[kind]]


def lane_id(sid: bytes, log: int, is_replay: int) -> str:
    return LANE_PREFIXES[_KINDS[log, bool(is_replay)]] + sid.hex()


def id_of_lane(row: Row) -> str:
    """The id of a lane's row, without looking at the rest of it."""
    sid, log, *_, numbers, _origin, _reason, _end = row
    return lane_id(sid, log, numbers is not None)


def lane_row(record: LaneRecord, ready_at: float | None) -> Row:
    lane = record.lane
    return (
        sids.to_bytes(lane.id),
        LOG_CODES[rules.LOG_OF[lane.kind]],
        sids.to_bytes(lane.account_sid),
        sids.to_bytes(lane.leg_sid),
        lane.created_at,
        lane.url,
        lane.method,
        None if lane.encoding is None else lane.encoding.value,
        lane.cursor,
        lane.attempts,
        lane.due_at,
        lane.state.value,
        int(lane.closing),
        record.lease,
        record.leased_until,
        int(record.deleted),
        lane.start,
        None if lane.numbers is None else _numbers_text(lane.numbers),
        None if lane.origin is None else sids.to_bytes(lane.origin),
        lane.reason,
        ready_at,
    )


def _numbers_text(numbers: tuple[range, ...]) -> str:
    return msgspec.json.encode([(run.start, run.stop - 1) for run in numbers]).decode()


def lane(row: Row) -> tuple[LaneRecord, int]:
    """The lane and the last number of its log; the lane's own cursor when the log is empty."""
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, *rest = row
    lease, leased_until, deleted, start, numbers, origin, reason, end = rest
    kind = _KINDS[log, numbers is not None]
    record = LaneRecord(
        lane=Lane(
            id=LANE_PREFIXES[kind] + sid.hex(),
            account_sid=AccountSid("AC" + account.hex()),
            leg_sid=CallSid("CA" + leg.hex()),
            kind=kind,
            url=url,
            method=method,
            encoding=None if encoding is None else Encoding(encoding),
            cursor=cursor,
            attempts=attempts,
            due_at=due_at,
            state=LaneState(state),
            closing=bool(closing),
            created_at=created_at,
            start=start,
            numbers=None if numbers is None else tuple(range(a, b + 1) for a, b in _pairs.decode(numbers)),
            origin=None if origin is None else SubscriptionSid("ZY" + origin.hex()),
            reason=reason,
        ),
        lease=lease,
        leased_until=leased_until,
        deleted=bool(deleted),
    )
    return record, cursor if end is None else end


def delivery_row(leg: CallSid, delivery: Delivery) -> Row:
    return (
        sids.to_bytes(leg),
        delivery.seq,
        sids.to_bytes(delivery.lane_id),
        int(delivery.lane_id.startswith(LANE_PREFIXES[LaneKind.REPLAY])),
        delivery.state.value,
        delivery.attempts,
        delivery.status,
        delivery.error,
        delivery.first_at,
        delivery.last_at,
        delivery.settled_at,
    )


def delivery(row: Row) -> Delivery:
    seq, lane, is_replay, state, attempts, status, error, first_at, last_at, settled_at = row
    return Delivery(
        lane_id=lane_id(lane, LOG_CODES[Log.FROM_CLIENT], is_replay),
        seq=seq,
        state=DeliveryState(state),
        attempts=attempts,
        status=status,
        error=error,
        first_at=first_at,
        last_at=last_at,
        settled_at=settled_at,
    )


def receipt(row: Row) -> Receipt:
    reader, seq, written_at, at = row
    return Receipt(reader=reader, seq=seq, written_at=written_at, at=at)


def undelivered(row: Row) -> Undelivered:
    reader, reason, at, resolved_at, resolved_by, *entry_row = row
    replay = None if resolved_by is None else ReplaySid("RP" + resolved_by.hex())
    return Undelivered(entry(tuple(entry_row)), reader, reason, at, resolved_at, replay)
