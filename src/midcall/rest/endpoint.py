"""What an endpoint is: one declaration that routes, checks, documents and answers it, and one small handler.

`rest.edge` serves these declarations, `rest.openapi` prints them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, Protocol, TypeVar

from msgspec import Struct, structs

from midcall.core.accounts import Account
from midcall.core.alerts import Alert, Level
from midcall.core.errors import Refused, Rule
from midcall.core.sids import ENTROPY_BYTES, AccountSid, AlertSid, CallSid, mint
from midcall.ports import Clock, Entropy, PageRequest, PageResult, Store, Trace
from midcall.switch.accounts import Accounts
from midcall.switch.calls import Calls
from midcall.switch.feedback import Feedbacks
from midcall.switch.history import History
from midcall.switch.insights import Insights
from midcall.switch.messages import Messages
from midcall.switch.numbers import Numbers
from midcall.switch.replays import Replays
from midcall.switch.webhooks import Webhooks
from midcall.wire.forms import Fields
from midcall.wire.paging import Links, Meta, Page, PageForm
from midcall.wire.parameters import Form
from midcall.wire.resources import BASE

F = TypeVar("F", bound=Form)
P = TypeVar("P", bound=PageForm)
R = TypeVar("R")

ACCOUNT: Final = f"{BASE}/{{AccountSid}}"
V1: Final = "/v1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Everything that handlers may use."""

    store: Store
    calls: Calls
    messages: Messages
    history: History
    insights: Insights
    feedbacks: Feedbacks
    replays: Replays
    accounts: Accounts
    numbers: Numbers
    trace: Trace
    webhooks: Webhooks
    clock: Clock
    entropy: Entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[F]):
    """One authenticated request.

    Attributes:
        account: the account of the path; without one, the caller's own.
        call_sid: `{CallSid}` of the path, or an empty text.
        sid: `{Sid}` of the path, or an empty text.
        form: the parameters.
        path: as it was requested, for page URIs.
        fields: everything that was sent, for page URIs.
        origin: scheme and host as the client named them, where an endpoint's links are absolute.
        unreadable: why the body could not be read, where the endpoint wants to judge that itself.
    """

    account: Account
    call_sid: CallSid
    sid: str
    form: F
    path: str
    fields: Fields
    unreadable: Refused | None = None
    origin: str = ""

    @property
    def account_sid(self) -> AccountSid:
        return self.account.sid


Handler = Callable[[Api, Asked[F]], Awaitable[Struct | None]]
Stream = Callable[[Api, Asked[F]], AsyncIterator[Struct]]

JSON_LINES: Final = "application/jsonl"


@dataclass(frozen=True, kw_only=True)
class Endpoint(Generic[F]):
    """One method on one path.

    Attributes:
        path: with `{AccountSid}`, `{CallSid}` and `{Sid}` in it, without the `.json` that clients may add.
        name: the operation's id in the OpenAPI document.
        summary: one sentence for the reference page.
        form: its parameters, in the query of a GET and in the body of a POST.
        answer: what a success shows; None for 204.
        status: of a success.
        sid_prefix: of `{Sid}`.
        manages: accounts and keys are open to auth tokens and main keys only.
        judges_body: an unreadable body reaches the handler.
        before: changes the fields before they are read.
        refusals: rules of the use case, for the document; those of the form are known.
        extension: not an endpoint of the vendor.
        stream: answers with JSON lines, made while they are read; `handler` only checks then, and returns nothing.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler[F]
    form: type[F]
    answer: type[Struct] | None
    status: int = 200
    sid_prefix: str = ""
    manages: bool = False
    judges_body: bool = False
    before: Callable[[Fields], Fields] | None = None
    refusals: tuple[Rule, ...] = ()
    extension: bool = False
    stream: Stream[F] | None = None

    @property
    def is_v1(self) -> bool:
        """One of the vendor's newer products: its paths have no suffix, its links are absolute."""
        return self.path.startswith(V1)

    @property
    def shown_path(self) -> str:
        """The path as documents and client libraries spell it."""
        return self.path if self.is_v1 else f"{self.path}.json"

    @cached_property
    def path_names(self) -> tuple[str, ...]:
        """Names of the sids in the path, in order."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    def prefix_of(self, name: str) -> str:
        """The prefix of a sid in the path."""
        return {"AccountSid": "AC", "CallSid": "CA"}.get(name, self.sid_prefix)


AnyEndpoint = Endpoint[Any]


class HasSid(Protocol):
    @property
    def sid(self) -> str: ...


S = TypeVar("S", bound=HasSid)


def page_request(asked: Asked[P], prefix: str) -> PageRequest:
    """Which rows a list request wants.

    Raises:
        Refused: PARAMETER_INVALID for a page token of another list.
    """
    first, before = asked.form.position(prefix)
    return PageRequest(size=asked.form.page_size, first=first, before=before)


async def warn(api: Api, account: AccountSid, call: CallSid, code: int, reason: str) -> None:
    """Leave a warning on a call; without one when the store is full: the answer is what counts."""
    alert = Alert(
        sid=AlertSid(mint("NO", api.entropy(ENTROPY_BYTES))),
        account_sid=account,
        call_sid=call,
        code=code,
        level=Level.WARNING,
        reason=reason,
        at=api.clock.now(),
    )
    with suppress(Refused):
        await api.store.add_alert(alert)


def meta(asked: Asked[P], result: PageResult[S], key: str) -> Meta:
    """The paging keys of the newer products."""
    links = Links(f"{asked.origin}{asked.path}", asked.fields.pairs(), asked.form)
    rows = result.rows
    return Meta(
        key=key,
        page=asked.form.page,
        page_size=asked.form.page_size,
        first_page_url=links.first(),
        previous_page_url=links.before(rows[0].sid) if rows and result.has_previous else None,
        url=links.here(),
        next_page_url=links.at(result.following) if result.following is not None else None,
    )


def paging(asked: Asked[P], result: PageResult[S]) -> dict[str, Any]:
    """The paging keys of an answer, ready to be spread into a list's struct."""
    links = Links(asked.path, asked.fields.pairs(), asked.form)
    rows = result.rows
    start = asked.form.page * asked.form.page_size
    page = Page(
        uri=links.here(),
        first_page_uri=links.first(),
        next_page_uri=links.at(result.following) if result.following is not None else None,
        previous_page_uri=links.before(rows[0].sid) if rows and result.has_previous else None,
        page=asked.form.page,
        page_size=asked.form.page_size,
        start=start,
        end=start + len(rows) - 1 if rows else 0,
    )
    return structs.asdict(page)
