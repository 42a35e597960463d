"""One request and its answer on a kept connection, and what can go wrong with it.

aiohttp's connector, connections and parser, without its session: cookies, redirects, proxies, tracing and automatic
headers, of which a webhook wants none, are most of what a request costs there (docs/explanation/performance.md).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader
from yarl import URL

from midcall.ports import Outcome, Request
from midcall.webhooks.guard import AddressRefused, Guard
from midcall.webhooks.resolver import GuardedResolver, Lookup

_log = logging.getLogger(__name__)

BROKEN: Final = 11200
CONNECT: Final = 11205
NAME: Final = 11210
REDIRECTS: Final = 11215
TLS: Final = 11220
TOO_LARGE: Final = 11750

DRAIN_S: Final = 1.0
"""How long an unwanted body may take before its connection is given up rather than kept warm."""

KEPT_BYTES: Final = 2 * 1024
"""How much of an unwanted body is kept, unless it is compressed."""

KEEPALIVE_S: Final = 15.0
REDIRECTED: Final = frozenset({301, 302, 303, 307, 308})

_BODILESS: Final = frozenset({"GET", "HEAD"})
_INTERIM: Final = range(100, 200)
_ORIGINS: Final = 4_096


class StaleConnection(Exception):
    """A kept connection turned out to be closed before any byte of an answer."""


class Failed(Exception):
    """The request came to nothing, for a reason that has a code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Exchanges:
    """Connections to customers' servers, reused where they can be. Belongs to the loop in which it is made.

    Args:
        guard: which addresses may be reached, whatever a name resolves to.
        per_host: connections to one host at the same time.
    """

    def __init__(self, guard: Guard, lookup: Lookup, tls: ssl.SSLContext, *, per_host: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(guard, lookup),
            ssl=tls,
            limit=0,
            limit_per_host=per_host,
            keepalive_timeout=KEEPALIVE_S,
        )
        self._origins: dict[tuple[str, str], ClientRequest] = {}
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def close(self) -> None:
        """Close all connections. Requests in flight end with a broken answer."""
        await self._connector.close()

    async def once(self, request: Request, target: URL, extra: Mapping[str, str], *, may_resend: bool) -> Outcome:
        """Send a request on one connection, and read the answer.

        Args:
            target: the request's URL without userinfo.
            extra: headers beside the request's own.
            may_resend: the caller knows what to do about a stale connection; otherwise it is a failed attempt.

        Raises:
            Failed: with a documented code.
            StaleConnection: nobody has seen the request; it may be sent again.
        """
        trip = _Trip()
        with _explained(trip, may_resend=may_resend):
            origin = self._origin(target)
            timeout = aiohttp.ClientTimeout(sock_connect=request.connect_s)
            connection = await self._connector.connect(origin, [], timeout)
            trip.is_connected = True
            try:
                trip.is_reused = connection.protocol in self._used
                answer, body = await self._ask(connection, _encoded(request, target, origin, extra), request)
                trip.is_answered = True
                return await _read(connection, answer, body, request)
            finally:
                # Keeps the connection only if the answer has been read to its end.
                connection.release()

    def _origin(self, target: URL) -> ClientRequest:
        """What the connector wants to know of where a connection leads, the same for all requests there."""
        key = (target.scheme, target.raw_authority)
        origin = self._origins.get(key)
        if origin is None:
            if len(self._origins) >= _ORIGINS:
                self._origins.clear()
            origin = self._origins[key] = ClientRequest("GET", target.origin(), loop=self._loop)
        return origin

    async def _ask(
        self, connection: Connection, encoded: bytes, request: Request
    ) -> tuple[RawResponseMessage, StreamReader]:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise aiohttp.ServerDisconnectedError
        self._used.add(protocol)
        protocol.set_response_params(
            skip_payload=request.method == "HEAD",
            read_until_eof=True,
            auto_decompress=not request.status_only,
            read_timeout=request.read_s,
        )
        transport.write(encoded)
        protocol.start_timeout()
        answer, body = await protocol.read()
        while answer.code in _INTERIM:
            answer, body = await protocol.read()
        return answer, body


class _Trip:
    """What is known of a request on its way."""

    __slots__ = ("is_answered", "is_connected", "is_reused")

    def __init__(self) -> None:
        self.is_connected = False
        self.is_reused = False
        self.is_answered = False


def _encoded(request: Request, target: URL, origin: ClientRequest, extra: Mapping[str, str]) -> bytes:
    """The request as it goes out.

    Raises:
        ValueError: something in it would end a line.
    """
    lines = [f"{request.method} {target.raw_path_qs} HTTP/1.1", f"Host: {origin.headers['Host']}"]
    lines += [f"{name}: {value}" for headers in (request.headers, extra) for name, value in headers.items()]
    if request.body or request.method not in _BODILESS:
        lines.append(f"Content-Length: {len(request.body)}")
    head = "\r\n".join((*lines, "", ""))
    if head.count("\r") != len(lines) + 1 or head.count("\n") != len(lines) + 1:
        raise ValueError("a header has more than one line")
    return head.encode() + request.body


@contextmanager
def _explained(trip: _Trip, *, may_resend: bool) -> Iterator[None]:
    """Turn what the HTTP library raises into a documented code and a sentence."""
    try:
        yield
    except aiohttp.ClientConnectorDNSError as error:
        if isinstance(error.os_error, AddressRefused):
            raise Failed(CONNECT, str(error.os_error)) from None
        raise Failed(NAME, f"the name {error.host} does not resolve") from None
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise Failed(TLS, f"TLS failed: {_words(error)}") from None
    except aiohttp.ClientConnectorError as error:
        raise Failed(CONNECT, f"the connection failed: {_words(error.os_error)}") from None
    except TimeoutError:  # the limit for everything comes as a cancellation, which passes
        if not trip.is_connected:
            raise Failed(CONNECT, "the connection was not accepted in time") from None
        raise Failed(BROKEN, "the server stopped answering") from None
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if may_resend and trip.is_reused and not trip.is_answered and not _has_begun_to_answer(error):
            raise StaleConnection from None
        raise Failed(BROKEN, "the server closed the connection without a complete answer") from None
    except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
        raise Failed(BROKEN, f"the answer is not usable: {_words(error)}") from None
    except Failed:
        raise
    except Exception as error:
        _log.exception("a webhook request failed in an unexpected way")
        raise Failed(BROKEN, f"the request failed: {type(error).__name__}") from None


def _has_begun_to_answer(error: aiohttp.ClientError) -> bool:
    """Whether the connection broke within the head of an answer: then its message is that head, not a text."""
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]


async def _read(connection: Connection, answer: RawResponseMessage, body: StreamReader, request: Request) -> Outcome:
    status = answer.code
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if request.status_only or status in REDIRECTED:
        kept = 0 if "content-encoding" in headers else KEPT_BYTES
        beginning = await _drain(connection, body, request.body_cap, kept)
        return Outcome(status=status, headers=headers, body=beginning, url=request.url)
    read = bytearray()
    async for chunk in body.iter_any():
        read += chunk
        if len(read) > request.body_cap:
            connection.close()
            raise Failed(TOO_LARGE, f"the answer's body is larger than {request.body_cap} bytes")
    return Outcome(status=status, headers=headers, body=bytes(read), url=request.url)


async def _drain(connection: Connection, body: StreamReader, cap: int, kept: int) -> bytes:
    """Read a body that nobody wants, so that its connection can be used again; close it when that is too dear.

    Its beginning comes back, for people to read.
    """
    if body.at_eof():
        return b""
    left = cap
    beginning = b""
    try:
        async with asyncio.timeout(DRAIN_S):
            async for chunk in body.iter_any():
                if len(beginning) < kept:
                    beginning += chunk[: kept - len(beginning)]
                left -= len(chunk)
                if left < 0:
                    break
            else:
                return beginning
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass
    connection.close()
    return beginning
