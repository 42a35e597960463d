"""Fetch TwiML from a customer's server: signed, guarded by the sender, redirects followed, tried again when it
cannot be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from midcall.core import overrides as connection
from midcall.core.delivery import Attempted, tries_again
from midcall.core.effects import FetchTwiml
from midcall.core.events import TwimlArrived, TwimlFailed
from midcall.core.redaction import redact, redact_parameters
from midcall.ports import Clock, Outcome, Request, Sender, Store, Trace, TraceEvent
from midcall.wire import call_parameters
from midcall.wire.callbacks import Prepared, Unbuildable, form_request, idempotency_token, resigner
from midcall.wire.urls import without_userinfo

MAX_REDIRECTS: Final = 10
BODY_CAP: Final = 64 * 1024
UNREACHED: Final = frozenset({11205, 11210, 11220})

TWIML_TYPES: Final = frozenset({"text/xml", "application/xml", "text/html", "text/plain", "application/twiml+xml"})


@dataclass(slots=True)
class TwimlFetcher:
    """Asks for documents; knows the account's auth token, and nothing about legs."""

    store: Store
    sender: Sender
    clock: Clock
    trace: Trace

    async def fetch(self, wanted: FetchTwiml) -> TwimlArrived | TwimlFailed:
        """The document, or why there is none. Never raises for what the customer's server does."""
        account = await self.store.account(wanted.call.account_sid)
        if account is None:
            return TwimlFailed(wanted.fetch, wanted.url, 11200, "the account is gone")
        pairs = call_parameters.instructions(wanted.call, wanted.custom, wanted.extra)
        token = idempotency_token(wanted.call.sid, "twiml", str(wanted.fetch))
        try:
            prepared = form_request(wanted.method, wanted.url, pairs, auth_token=account.auth_token, token=token)
        except Unbuildable as error:
            return TwimlFailed(wanted.fetch, wanted.url, 11200, str(error))
        outcome = await self._send(wanted, pairs, prepared, account.auth_token)
        return _judge(wanted, outcome)

    async def _send(
        self, wanted: FetchTwiml, pairs: Sequence[tuple[str, str]], prepared: Prepared, auth_token: str
    ) -> Outcome:
        limits = connection.parse(wanted.url) or connection.DEFAULTS
        request = Request(
            method=prepared.method,
            url=prepared.url,
            headers=prepared.headers,
            body=prepared.body,
            connect_s=limits.connect_s,
            read_s=limits.read_s,
            total_s=limits.total_s,
            redirects=MAX_REDIRECTS,
            resign=resigner(auth_token, prepared.headers),
            body_cap=BODY_CAP,
        )
        began = self.clock.monotonic()
        tries = 0
        while True:
            outcome = await self.sender.send(request)
            tries += 1
            elapsed = self.clock.monotonic() - began
            self._note(wanted, pairs, outcome, tries)
            attempted = Attempted(status=outcome.status, error=outcome.error, connected=outcome.error not in UNREACHED)
            if not tries_again(attempted, limits, tries=tries, elapsed_s=elapsed):
                return outcome
            request = replace(request, total_s=max(0.1, limits.total_s - elapsed))

    def _note(self, wanted: FetchTwiml, pairs: Sequence[tuple[str, str]], outcome: Outcome, tries: int) -> None:
        self.trace.record(
            TraceEvent(
                at=self.clock.now(),
                account_sid=wanted.call.account_sid,
                leg_sid=wanted.call.sid,
                kind="twiml.fetch",
                detail={
                    "fetch": wanted.fetch,
                    "method": wanted.method,
                    "url": without_userinfo(wanted.url),
                    "status": outcome.status,
                    "error": outcome.error,
                    "reason": outcome.reason,
                    "try": tries,
                    "duration_ms": round(outcome.duration_s * 1000, 1),
                    "parameters": redact_parameters(pairs),
                    "content_type": outcome.headers.get("content-type"),
                    "body": redact(_text_of(outcome.body)),
                },
            )
        )


def _judge(wanted: FetchTwiml, outcome: Outcome) -> TwimlArrived | TwimlFailed:
    """TwiML, or the documented code of what came instead (docs/reference/twiml.md, Fetching)."""
    url = outcome.url or wanted.url.partition("#")[0]

    def failed(code: int, reason: str) -> TwimlFailed:
        return TwimlFailed(wanted.fetch, without_userinfo(url), code, reason)

    if outcome.status is None:
        return failed(outcome.error or 11200, outcome.reason)
    if not outcome.ok:
        return failed(11200, f"the server answered {outcome.status} where TwiML was expected")
    if not outcome.body.strip():
        return TwimlArrived(wanted.fetch, url, "")
    content_type = outcome.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in TWIML_TYPES:
        return failed(12300, f"the server answered with Content-Type {content_type[:64] or '(none)'}, not with TwiML")
    return TwimlArrived(wanted.fetch, url, _text(outcome))


def _text(outcome: Outcome) -> str:
    """The body as text, without its XML declaration, whose encoding would contradict text."""
    return _without_declaration(_text_of(outcome.body))


def _text_of(body: bytes) -> str:
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _without_declaration(text: str) -> str:
    stripped = text.lstrip()
    if stripped.startswith("<?xml"):
        return "\n" * text.count("\n", 0, text.find("?>")) + stripped.partition("?>")[2]
    return text
