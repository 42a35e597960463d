"""What a webhook is told about a call (docs/reference/twiml.md). Names as customers' servers read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

import msgspec

from midcall.core.calls import Call, Direction, Status
from midcall.core.effects import Report

API_VERSION: Final = "2010-04-01"

Pairs = list[tuple[str, str]]

OWN: Final = frozenset(
    {
        "AccountSid",
        "ApiVersion",
        "ApplicationSid",
        "CallSid",
        "CallStatus",
        "CallbackSource",
        "Called",
        "Caller",
        "Direction",
        "ForwardedFrom",
        "From",
        "ParentCallSid",
        "SequenceNumber",
        "StirVerstat",
        "Timestamp",
    }
)
"""Names that a client's custom parameters never override: an end user could forge who calls."""


def base(call: Call, status: Status) -> Pairs:
    """Who calls whom, and how the call stands. An empty `To` is sent, not left out."""
    pairs = [
        ("AccountSid", str(call.account_sid)),
        ("ApiVersion", API_VERSION),
        ("CallSid", str(call.sid)),
        ("CallStatus", str(status)),
        ("Called", call.to),
        ("Caller", call.from_),
        ("Direction", str(call.direction)),
        ("From", call.from_),
        ("To", call.to),
    ]
    if call.application_sid is not None:
        pairs.append(("ApplicationSid", str(call.application_sid)))
    if call.parent_sid is not None:
        pairs.append(("ParentCallSid", str(call.parent_sid)))
    if call.phone_number_sid is not None:
        pairs += _by_phone(call)
    return pairs


def _by_phone(call: Call) -> Pairs:
    """What a number's leg is told beside: who passed the call on, and how its caller is attested."""
    known = (("ForwardedFrom", call.forwarded_from), ("StirVerstat", call.stir_status))
    return [(name, value) for name, value in known if value]


def instructions(call: Call, custom: Sequence[tuple[str, str]], extra: Sequence[tuple[str, str]]) -> Pairs:
    """Parameters of a request for TwiML.

    A custom `To` fills the empty one: applications read whom to dial there.
    """
    values = dict(base(call, call.status))
    for name, value in custom:
        if name in OWN or (name == "To" and call.direction is not Direction.INBOUND):
            continue
        values[name] = value
    values.update(extra)
    return list(values.items())


def status_callback(report: Report) -> bytes:
    """A status callback's parameters as the JSON object that its log keeps."""
    call = report.call
    pairs = base(call, report.status)
    pairs += [
        ("CallbackSource", "call-progress-events"),
        ("SequenceNumber", str(report.sequence)),
        ("Timestamp", format_datetime(datetime.fromtimestamp(report.at, UTC))),
    ]
    if report.event == "completed":
        seconds = call.duration_s or 0
        pairs += [("CallDuration", str(seconds)), ("Duration", str(-(-seconds // 60)))]
        if report.sip is not None:
            pairs.append(("SipResponseCode", str(report.sip)))
    return msgspec.json.encode(dict(pairs))


def invite(call: Call, params: str) -> dict[str, str]:
    """`parameters` of an invite to a client; `params` is the encoded list of custom parameters."""
    parameters = {
        "AccountSid": str(call.account_sid),
        "ApiVersion": API_VERSION,
        "CallSid": str(call.sid),
        "From": call.from_,
        "To": call.to,
    }
    if call.stir_status:
        parameters["StirStatus"] = call.stir_status
    if params:
        parameters["Params"] = params
    return parameters
