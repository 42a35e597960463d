"""HTTP to customers' servers: guarded on every hop, bounded in time and size, and never an exception for what a
peer does."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from yarl import URL

from midcall.ports import Outcome, Request
from midcall.webhooks.exchange import (
    BROKEN,
    CONNECT,
    NAME,
    REDIRECTED,
    REDIRECTS,
    TLS,
    Exchanges,
    Failed,
    StaleConnection,
)
from midcall.webhooks.guard import Guard, literal
from midcall.webhooks.resolver import Lookup, ThreadedLookup
from midcall.wire import urls

UNREACHED: Final = frozenset({CONNECT, NAME, TLS})
"""Errors of a request that never got through to the endpoint."""

PER_HOST: Final = 1_024

_REMEMBERED: Final = 1_024
"""URLs whose parts are at hand: a lane asks for the same one with every message."""

_TO_GET: Final = frozenset({301, 302, 303})


class HttpSender:
    """The Sender on aiohttp's connections. Connections are kept and reused; hosts do not wait for each other.

    Args:
        guard: which addresses may be reached.
        ca_file: certificates (PEM) that are trusted beside the system's.
        per_host: connections to one host at the same time.
        lookup: resolves names; the system's resolver when left out.
        tls: the context to connect with, instead of one that trusts the system's authorities.
        monotonic: seconds, to tell how long a request took.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        ca_file: Path | None = None,
        per_host: int = PER_HOST,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guard = guard
        self._monotonic = monotonic
        self._tls = tls or _trusting(ca_file)
        self._per_host = per_host
        self._threads = ThreadedLookup() if lookup is None else None
        self._lookup: Lookup = lookup or self._threads or ThreadedLookup()
        self._connections: Exchanges | None = None

    async def close(self) -> None:
        """Close all connections. Requests in flight end with a broken answer."""
        if self._threads is not None:
            self._threads.close()
        if self._connections is not None:
            await self._connections.close()

    async def send(self, request: Request) -> Outcome:
        """Send it, following as many redirects as it allows. See `ports.Sender`."""
        started = self._monotonic()
        try:
            async with asyncio.timeout(request.total_s):
                outcome = await self._follow(request)
        except TimeoutError:
            outcome = _failed(BROKEN, f"no complete answer within {request.total_s:g} s", request.url)
        return replace(outcome, duration_s=self._monotonic() - started)

    async def _follow(self, request: Request) -> Outcome:
        try:
            url = urls.request_url(request.url)
        except ValueError as problem:
            return _failed(CONNECT, str(problem), request.url)
        hop = request if url == request.url else replace(request, url=url)
        for _ in range(request.redirects):
            outcome = await self._exchange(hop)
            following = _next_hop(hop, outcome)
            if following is None:
                return outcome
            if isinstance(following, Outcome):
                return following
            hop = following
        outcome = await self._exchange(hop)
        if request.redirects and _next_hop(hop, outcome) is not None:
            return _failed(REDIRECTS, f"more than {request.redirects} redirects", hop.url)
        return outcome

    async def _exchange(self, hop: Request) -> Outcome:
        host, address = _destination(hop.url)
        if address is not None and (refusal := self._guard.refusal(host, address)) is not None:
            return _failed(CONNECT, refusal, hop.url)
        try:
            return await self._once(hop)
        except StaleConnection:
            # The server closed a connection that it had kept for us before it saw the request, or while: nobody's
            # fault, and no attempt. Receivers tell a repeat by its token.
            return await self._once(hop, resent=True)

    async def _once(self, hop: Request, *, resent: bool = False) -> Outcome:
        try:
            return await self._exchanges().once(hop, _target(hop.url), _authorization(hop.url), may_resend=not resent)
        except Failed as failed:
            return _failed(failed.code, failed.reason, hop.url)

    def _exchanges(self) -> Exchanges:
        """The connections, made when the first is needed, because they belong to the running loop."""
        if self._connections is None:
            self._connections = Exchanges(self._guard, self._lookup, self._tls, per_host=self._per_host)
        return self._connections


def _next_hop(hop: Request, outcome: Outcome) -> Request | Outcome | None:
    """The request that an answer redirects to; an outcome when it leads nowhere, None when it does not redirect."""
    location = outcome.headers.get("location")
    if outcome.status not in REDIRECTED or not location:
        return None
    try:
        url = urls.redirect_target(hop.url, location)
    except ValueError as problem:
        return _failed(REDIRECTS, f"the redirect leads to no address: {problem}", hop.url)
    keeps = outcome.status not in _TO_GET or hop.method in ("GET", "HEAD")
    method, body = (hop.method, hop.body) if keeps else ("GET", b"")
    return replace(hop, method=method, url=url, body=body, headers=_headers_of(hop, method, url, body))


def _headers_of(hop: Request, method: str, url: str, body: bytes) -> Mapping[str, str]:
    if hop.resign is not None:
        return hop.resign(method, url, body)
    return {name: value for name, value in hop.headers.items() if body or name.lower() != "content-type"}


@lru_cache(maxsize=_REMEMBERED)
def _destination(url: str) -> tuple[str, str | None]:
    """The host of a URL, and the address that it spells if it is no name."""
    host = URL(url, encoded=True).host or ""
    return host, literal(host)


@lru_cache(maxsize=_REMEMBERED)
def _target(url: str) -> URL:
    return URL(urls.without_userinfo(url) if "@" in url else url, encoded=True)


def _authorization(url: str) -> Mapping[str, str]:
    pair = urls.userinfo(url) if "@" in url else None
    if pair is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(pair).encode()).decode()}


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    """A context for the system's authorities, and for those of a file."""
    if ca_file is None:
        return _trusting_the_system(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=ca_file)
    return context


@lru_cache(maxsize=1)
def _trusting_the_system(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    # Reading them takes half of a server's start, and a process of tests starts many servers one after the other.
    return ssl.create_default_context()


def _failed(code: int, reason: str, url: str) -> Outcome:
    return Outcome(status=None, error=code, reason=reason, url=url)
