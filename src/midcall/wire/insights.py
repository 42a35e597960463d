"""Posts to the event gateway, as SDKs make them: one event, or a batch of quality samples.

What we use is checked strictly; what an SDK tells besides stays in the payload as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from midcall.core import errors, sids
from midcall.core.errors import Refused
from midcall.core.feedback import BEST_SCORE, LEAST_SCORE, SDK_ISSUES
from midcall.core.insights import Kind
from midcall.core.sids import CallSid

MAX_POST_BYTES: Final = 128 * 1024
MAX_PAYLOAD_BYTES: Final = 16 * 1024
MAX_SAMPLES: Final = 200
MAX_CALLS: Final = 10
"""An SDK posts about one call at a time; each call of a post is looked up."""
MAX_DEPTH: Final = 16

FEEDBACK_GROUP: Final = "feedback"
FEEDBACK_GIVEN: Final = "received"
NOT_REPORTED: Final = "not-reported"
"""What mobile SDKs say for no issue; with a score of 0 they say that there is no score."""

_Word = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\w .:/-]+$")]
_Moment = Annotated[datetime, Meta(tz=True)]
_TemporarySid = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9-]+$")]
_Number = int | float | None


class _Post(Struct, kw_only=True):
    group: _Word
    name: _Word
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    timestamp: _Moment
    payload: Raw


class _Sids(Struct, kw_only=True):
    """What names the call in a payload."""

    call_sid: str | None = None
    temp_call_sid: _TemporarySid | None = None


class Sample(_Sids, kw_only=True):
    """The figures of a second; the SDK leaves out or nulls what it does not know."""

    timestamp: _Moment
    audio_codec: Annotated[str, Meta(max_length=64)] | None = None
    audio_level_in: _Number = None
    audio_level_out: _Number = None
    jitter: _Number = None
    mos: _Number = None
    packets_lost_fraction: _Number = None
    rtt: _Number = None


class _Given(Struct, kw_only=True):
    quality_score: Annotated[int, Meta(ge=0, le=BEST_SCORE)]
    issue_name: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One event or sample of a post: the call it is about, the client's time, its JSON object."""

    call_sid: CallSid | None
    temporary_sid: str | None
    at: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class Given:
    """Feedback in an event."""

    score: int
    issues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InsightPost:
    """A post that can be used."""

    kind: Kind
    group: str
    name: str
    level: str
    told: Sequence[Told]
    feedback: Given | None = None


_post: Final = msgspec.json.Decoder(_Post)
_sids: Final = msgspec.json.Decoder(_Sids)
_sample: Final = msgspec.json.Decoder(Sample)
_samples: Final = msgspec.json.Decoder(Annotated[list[Raw], Meta(max_length=MAX_SAMPLES)])
_given: Final = msgspec.json.Decoder(_Given)


def read_post(kind: Kind, body: bytes) -> InsightPost:
    """Read the body of `EndpointEvents` or `EndpointMetrics`.

    Raises:
        Refused: PARAMETER_INVALID, with what is wrong; BODY_TOO_LARGE for a payload over the limit.
    """
    try:
        post = _post.decode(body)
        if kind is Kind.EVENT:
            told, given = [_event(post)], _feedback(post)
        else:
            told, given = _told_samples(post), None
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Refused(errors.PARAMETER_INVALID, f"The post cannot be read: {error}") from None
    return InsightPost(kind, post.group, post.name, post.level.lower(), told, given)


def _event(post: _Post) -> Told:
    payload = _object(bytes(post.payload))
    found = _sids.decode(payload)
    return Told(_call_sid(found.call_sid), found.temp_call_sid, post.timestamp.timestamp(), payload)


def _told_samples(post: _Post) -> list[Told]:
    told = [_told_sample(raw) for raw in _samples.decode(post.payload)]
    if len({(each.call_sid, each.temporary_sid) for each in told}) > MAX_CALLS:
        raise ValueError(f"samples of more than {MAX_CALLS} calls")
    return told


def _told_sample(raw: Raw) -> Told:
    payload = _object(bytes(raw))
    sample = _sample.decode(payload)
    return Told(_call_sid(sample.call_sid), sample.temp_call_sid, sample.timestamp.timestamp(), payload)


def _call_sid(text: str | None) -> CallSid | None:
    """SDKs leave the sid out, or send an empty one, while they do not know it."""
    if not text:
        return None
    sid = sids.parse(text, "CA")
    if sid is None:
        raise ValueError("call_sid is no sid of a call")
    return CallSid(sid)


def _object(raw: bytes) -> bytes:
    """The payload, once it is sure that it can be stored and shown: an object, not too long and not too deep."""
    if len(raw) > MAX_PAYLOAD_BYTES:
        raise Refused(errors.BODY_TOO_LARGE, f"A payload is longer than {MAX_PAYLOAD_BYTES} bytes")
    value = msgspec.json.decode(raw)
    if not isinstance(value, dict):
        raise ValueError("payload is not an object")
    if _depth(value) > MAX_DEPTH:
        raise ValueError(f"payload is nested deeper than {MAX_DEPTH}")
    return raw


def _depth(value: object) -> int:
    """How many levels of objects and arrays there are; counts no further than is of interest."""
    level, deep = [value], 0
    while level and deep <= MAX_DEPTH:
        members = [member for each in level for member in _members(each)]
        level, deep = [member for member in members if isinstance(member, dict | list)], deep + 1
    return deep


def _members(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _feedback(post: _Post) -> Given | None:
    """Feedback with a score; an event without one says that the person was asked and gave none."""
    if (post.group, post.name) != (FEEDBACK_GROUP, FEEDBACK_GIVEN):
        return None
    given = _given.decode(post.payload)
    if given.quality_score < LEAST_SCORE:
        return None
    issue = given.issue_name
    if issue is None or issue == NOT_REPORTED:
        return Given(given.quality_score, ())
    if issue not in SDK_ISSUES:
        raise ValueError(f"issue_name is none of {', '.join(SDK_ISSUES)}")
    return Given(given.quality_score, (issue,))
