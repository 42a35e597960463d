"""What a recorder of HTTP requests keeps, how it answers, and whether a request was signed. Pure but for the bell."""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from midcall.core.signature import HEADER, sign
from midcall.testing.people.actions import Duration, seconds_of
from midcall.testing.people.journal import Bell
from midcall.testing.people.problems import Unusable
from midcall.testing.people.rules import fits

MAX_REQUESTS: Final = 1_000
MAX_BYTES: Final = 4 * 1024 * 1024
"""Of all bodies that one recorder keeps."""

FORM: Final = "application/x-www-form-urlencoded"

Kind = Literal["ok", "slow", "failing", "refuses", "closes_before_body", "late", "does_not_read"]
SPOKEN: Final[tuple[Kind, ...]] = ("ok", "refuses", "closes_before_body", "does_not_read")
LATE_S: Final = 20.0
"""Longer than this server waits for an answer."""
BEHAVIOURS: Final = (
    'a behaviour is one of "ok", {"slow": "3s"}, {"late": "20s"}, {"failing": 503}, "refuses", "closes_before_body", '
    '"does_not_read"'
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How requests are answered.

    Attributes:
        wait_s: before the answer, of `slow` and `late`.
        status: of `failing`.
        times: how many requests it holds for; None: until it is changed.
    """

    kind: Kind = "ok"
    wait_s: float = 0.0
    status: int = 503
    times: int | None = None


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    slow: Duration | None = None
    late: Duration | bool | None = None
    failing: Annotated[int, Meta(ge=300, le=599)] | bool | None = None
    ok: Literal[True] | None = None
    refuses: Literal[True] | None = None
    closes_before_body: Literal[True] | None = None
    does_not_read: Literal[True] | None = None
    times: Annotated[int, Meta(ge=1, le=100_000)] | None = None


def behaviour_of(value: Any) -> Behaviour:
    """Read a behaviour: a word, or an object such as `{"failing": 503, "times": 2}`.

    Raises:
        Unusable: it is none.
    """
    if isinstance(value, str) and value in SPOKEN:
        return Behaviour(value)
    if isinstance(value, str) and value in ("late", "failing"):
        value = {value: True}
    elif isinstance(value, str):
        raise Unusable(f"{value[:40]!r} is no behaviour: {BEHAVIOURS}")
    try:
        form = msgspec.convert(value, _Form)
    except msgspec.ValidationError as error:
        raise Unusable(f"this is no behaviour: {error}") from None
    chosen = [name for name in form.__struct_fields__ if name != "times" and getattr(form, name) not in (None, False)]
    if len(chosen) != 1:
        raise Unusable(BEHAVIOURS)
    kind: Kind = msgspec.convert(chosen[0], Kind)
    wait_s = 0.0
    if kind in ("slow", "late"):
        wait = form.slow if kind == "slow" else form.late
        wait_s = LATE_S if wait is None or isinstance(wait, bool) else seconds_of(wait)
    status = 503 if form.failing is None or isinstance(form.failing, bool) else form.failing
    return Behaviour(kind, wait_s, status, form.times)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a good answer is."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """A request that came.

    Attributes:
        path: what follows the endpoint's URL; `/` when nothing does.
        fields: of the form, the JSON object, or for GET the query.
        signature_valid: None when the body was not read.
    """

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    fields: Mapping[str, Any]
    body: str | None
    signature_valid: bool | None
    behaviour: str


@dataclass(slots=True)
class Endpoint:
    """A recorder: its answer, its behaviour, and what came.

    Attributes:
        key: makes its address unguessable.
    """

    name: str
    key: str
    answer: Answer = field(default_factory=Answer)
    behaviour: Behaviour = field(default_factory=Behaviour)
    requests: deque[RequestView] = field(default_factory=deque)
    untaken: deque[RequestView] = field(default_factory=deque)
    bell: Bell = field(default_factory=Bell)
    closed: bool = False
    _bytes: int = 0

    def next_behaviour(self) -> Behaviour:
        """How the request that comes now is answered."""
        behaviour = self.behaviour
        if behaviour.times is not None:
            left = behaviour.times - 1
            self.behaviour = (
                Behaviour(behaviour.kind, behaviour.wait_s, behaviour.status, left) if left else Behaviour()
            )
        return behaviour

    def record(self, request: RequestView) -> None:
        """Keep a request; the oldest are forgotten."""
        self.requests.append(request)
        self.untaken.append(request)
        self._bytes += _size(request)
        while len(self.requests) > MAX_REQUESTS or self._bytes > MAX_BYTES:
            oldest = self.requests.popleft()
            self._bytes -= _size(oldest)
            if self.untaken and self.untaken[0] is oldest:
                self.untaken.popleft()
        self.bell.ring()

    def take(self, fields: Mapping[str, Any] | None, path: str | None, method: str | None) -> RequestView | None:
        """The first request that fits and was not given yet."""
        for number, request in enumerate(self.untaken):
            if (
                (fields is None or fits(dict(fields), dict(request.fields)))
                and (path is None or request.path == path)
                and (method is None or request.method == method)
            ):
                del self.untaken[number]
                return request
        return None


def _size(request: RequestView) -> int:
    return 1_000 + len(request.body or "")


def fields_of(method: str, query: str, content_type: str, body: bytes) -> Mapping[str, Any]:
    """The parameters of a request; of repeated names the last."""
    if method == "GET":
        return dict(parse_qsl(query, keep_blank_values=True))
    if content_type == FORM:
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    if content_type == "application/json":
        try:
            told = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}
    return {}


def is_signed(
    headers: Mapping[str, str], *, auth_token: str, url: str, method: str, content_type: str, body: bytes
) -> bool:
    """Whether a request shows the signature that the account's auth token makes of it.

    Args:
        url: as it was requested.
    """
    shown = headers.get(HEADER.lower(), "")
    right = sign(auth_token, url, _signed_fields(method, content_type, body))
    return hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), right.encode())


def _signed_fields(method: str, content_type: str, body: bytes) -> Sequence[tuple[str, str]]:
    if method == "GET":
        return ()
    if content_type == FORM:
        return parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    told = fields_of(method, "", content_type, body)
    return [
        (name, value if isinstance(value, str) else msgspec.json.encode(value).decode()) for name, value in told.items()
    ]
