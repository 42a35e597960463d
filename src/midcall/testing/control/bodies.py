"""What requests of the control API bring, and what is answered. Unknown keys are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from midcall.testing.people.actions import Duration

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.~-]+$")]
"""Of a person or an endpoint: part of an address."""


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of requests."""


class NewPerson(Body, frozen=True, kw_only=True):
    name: Name
    identity: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    number: Annotated[str, Meta(max_length=32)] | None = None
    media: Literal["real", "none"] | None = None
    on_call: Any = ()


class NewCall(Body, frozen=True, kw_only=True):
    to: Annotated[str, Meta(max_length=512)] | None = None
    params: dict[Annotated[str, Meta(max_length=256)], str | int | float | bool] = {}
    script: Any = None


class Wait(Body, frozen=True, kw_only=True):
    timeout: Duration | None = None


class NewToken(Body, frozen=True, kw_only=True):
    identity: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    ttl: Duration = 3600
    incoming: bool = True
    application_sid: Annotated[str, Meta(max_length=34)] | None = None
    params: dict[Annotated[str, Meta(max_length=256)], str] = {}


class EndpointForm(Body, frozen=True, kw_only=True):
    """A recorder, or what changes of it."""

    name: Name | None = None
    twiml: Annotated[str, Meta(max_length=65_536)] | None = None
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    body: Any = msgspec.UNSET
    behaviour: Any = msgspec.UNSET


class ExpectRequest(Body, frozen=True, kw_only=True):
    fields: dict[str, Any] | None = None
    path: Annotated[str, Meta(max_length=2_048)] | None = None
    method: Literal["GET", "POST", "PUT", "DELETE"] | None = None
    timeout: Duration | None = None


class NetworkForm(Body, frozen=True, kw_only=True):
    state: Literal["cut", "restored"]


class Token(msgspec.Struct, frozen=True):
    token: str
    identity: str | None


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `GET /control/v1`."""

    version: str
    mode: str
    time: str
    media: str
    http_url: str
    https_url: str
    account_sid: str
    application_sid: str | None
    people: Sequence[str]


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error, as REST's, with what a failing test should print."""

    status: int
    code: int
    message: str
    expected: Any = None
    seen: Sequence[Any] | None = None
    timeline: str | None = None
