"""HTTP to customers' servers: guarded on every hop, bounded in time and size, and never an exception for what a
peer does."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import hdrs
from yarl import URL

from midcall.ports import Outcome, Request
from midcall.webhooks.guard import AddressRefused, Guard, literal
from midcall.webhooks.resolver import GuardedResolver, Lookup, ThreadedLookup
from midcall.wire import urls

_log = logging.getLogger(__name__)

BROKEN: Final = 11200
CONNECT: Final = 11205
NAME: Final = 11210
REDIRECTS: Final = 11215
TLS: Final = 11220
TOO_LARGE: Final = 11750

UNREACHED: Final = frozenset({CONNECT, NAME, TLS})
"""Errors of a request that never got through to the endpoint."""

DRAIN_S: Final = 1.0
"""How long an unwanted body may take before its connection is given up rather than kept warm."""

KEPT_BYTES: Final = 2 * 1024
"""How much of an unwanted body is kept."""

KEEPALIVE_S: Final = 15.0
PER_HOST: Final = 1_024

_REMEMBERED: Final = 1_024
"""URLs whose parts are at hand: a lane asks for the same one with every message."""

_TO_GET: Final = frozenset({301, 302, 303})
_REDIRECTED: Final = _TO_GET | {307, 308}


class HttpSender:
    """The Sender on aiohttp. Connections are kept and reused; hosts do not wait for each other.

    Args:
        guard: which addresses may be reached.
        ca_file: certificates (PEM) that are trusted beside the system's.
        per_host: connections to one host at the same time.
        lookup: resolves names; the system's resolver when left out.
    """

    def __init__(
        self, guard: Guard, *, ca_file: Path | None = None, per_host: int = PER_HOST, lookup: Lookup | None = None
    ) -> None:
        self._guard = guard
        self._tls = ssl.create_default_context()
        if ca_file is not None:
            self._tls.load_verify_locations(cafile=ca_file)
        self._per_host = per_host
        self._threads = ThreadedLookup() if lookup is None else None
        self._lookup: Lookup = lookup or self._threads or ThreadedLookup()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections. Requests in flight end with a broken answer."""
        if self._threads is not None:
            self._threads.close()
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request) -> Outcome:
        """Send it, following as many redirects as it allows. See `ports.Sender`."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(request.total_s):
                outcome = await self._follow(request)
        except TimeoutError:
            outcome = _failed(BROKEN, f"no complete answer within {request.total_s:g} s", request.url)
        return replace(outcome, duration_s=time.monotonic() - started)

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
        except _StaleConnection:
            # The server closed a connection that it had kept for us before it saw the request, or while: nobody's
            # fault, and no attempt. Receivers tell a repeat by its token.
            return await self._once(hop, resent=True)

    async def _once(self, hop: Request, *, resent: bool = False) -> Outcome:
        reuse = _Reuse()
        try:
            with _explained(reuse, may_resend=not resent):
                async with self._started().request(
                    hop.method,
                    _target(hop.url),
                    headers={**hop.headers, **_authorization(hop.url)},
                    data=hop.body or None,
                    allow_redirects=False,
                    skip_auto_headers=("Accept-Encoding", "Content-Type"),
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=hop.connect_s, sock_read=hop.read_s),
                    auto_decompress=not hop.status_only,
                    trace_request_ctx=reuse,
                ) as response:
                    reuse.answered = True
                    return await _read(response, hop)
        except _Failed as failed:
            return _failed(failed.code, failed.reason, hop.url)

    def _started(self) -> aiohttp.ClientSession:
        """The session, made when it is first needed, because it belongs to the running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(self._guard, self._lookup),
                ssl=self._tls,
                limit=0,
                limit_per_host=self._per_host,
                keepalive_timeout=KEEPALIVE_S,
            )
            tracing = aiohttp.TraceConfig()
            tracing.on_connection_reuseconn.append(_note_reuse)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[tracing]
            )
            # aiohttp would resend a GET by itself, also on a fresh connection; here `_StaleConnection` decides.
            self._session._retry_connection = False
        return self._session


class _StaleConnection(Exception):
    """A kept connection turned out to be closed before any byte of an answer."""


class _Failed(Exception):
    """The request came to nothing, for a reason that has a code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Reuse:
    """What the HTTP library says about one request on its way."""

    __slots__ = ("answered", "reused")

    def __init__(self) -> None:
        self.reused = False
        self.answered = False


async def _note_reuse(session: object, context: object, params: object) -> None:
    getattr(context, "trace_request_ctx").reused = True  # noqa: B009 (the library types it as a plain namespace)


@contextmanager
def _explained(reuse: _Reuse, *, may_resend: bool) -> Iterator[None]:
    """Turn what the HTTP library raises into a documented code and a sentence."""
    try:
        yield
    except aiohttp.ClientConnectorDNSError as error:
        if isinstance(error.os_error, AddressRefused):
            raise _Failed(CONNECT, str(error.os_error)) from None
        raise _Failed(NAME, f"the name {error.host} does not resolve") from None
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise _Failed(TLS, f"TLS failed: {_words(error)}") from None
    except aiohttp.ConnectionTimeoutError:
        raise _Failed(CONNECT, "the connection was not accepted in time") from None
    except aiohttp.ClientConnectorError as error:
        raise _Failed(CONNECT, f"the connection failed: {_words(error.os_error)}") from None
    except TimeoutError as error:
        if not isinstance(error, aiohttp.ServerTimeoutError):
            raise  # the limit for everything: `send` has a sentence for it
        raise _Failed(BROKEN, "the server stopped answering") from None
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if may_resend and reuse.reused and not reuse.answered and not _has_begun_to_answer(error):
            raise _StaleConnection from None
        raise _Failed(BROKEN, "the server closed the connection without a complete answer") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _Failed(BROKEN, f"the answer is not usable: {_words(error)}") from None
    except _Failed:
        raise
    except Exception as error:
        _log.exception("a webhook request failed in an unexpected way")
        raise _Failed(BROKEN, f"the request failed: {type(error).__name__}") from None


def _has_begun_to_answer(error: aiohttp.ClientError) -> bool:
    """Whether the connection broke within the head of an answer: then its message is that head, not a text."""
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]


async def _read(response: aiohttp.ClientResponse, hop: Request) -> Outcome:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if hop.status_only or response.status in _REDIRECTED:
        beginning = await _drain(response, hop.body_cap)
        return Outcome(status=response.status, headers=headers, body=beginning, url=hop.url)
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > hop.body_cap:
            response.close()
            raise _Failed(TOO_LARGE, f"the answer's body is larger than {hop.body_cap} bytes")
    return Outcome(status=response.status, headers=headers, body=bytes(body), url=hop.url)


async def _drain(response: aiohttp.ClientResponse, cap: int) -> bytes:
    """Read a body that nobody wants, so that its connection can be used again; close it when that is too dear.

    Its beginning is kept, for people to read, unless it is compressed.
    """
    if response.content.at_eof():
        return b""
    left = cap
    beginning = b""
    room = 0 if hdrs.CONTENT_ENCODING in response.headers else KEPT_BYTES
    try:
        async with asyncio.timeout(DRAIN_S):
            async for chunk in response.content.iter_any():
                if len(beginning) < room:
                    beginning += chunk[: room - len(beginning)]
                left -= len(chunk)
                if left < 0:
                    break
            else:
                return beginning
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass
    response.close()
    return beginning


def _next_hop(hop: Request, outcome: Outcome) -> Request | Outcome | None:
    """The request that an answer redirects to; an outcome when it leads nowhere, None when it does not redirect."""
    location = outcome.headers.get("location")
    if outcome.status not in _REDIRECTED or not location:
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


def _failed(code: int, reason: str, url: str) -> Outcome:
    return Outcome(status=None, error=code, reason=reason, url=url)
