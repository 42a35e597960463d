"""The proxy byte by byte: which way leads where, and what is refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from midcall.redirect.proxy import Home, serving
from midcall.redirect.upstream import Upstreams
from support.certificates import server_side, write_certificate
from support.servers import RawServer, answering, raw_server

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
Start = Callable[..., Awaitable[int]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Echo:
    """Sends back what it gets, and notes it."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.heard += data
            writer.write(data)
        writer.write(b"END")
        writer.close()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest.fixture
def start(stack: AsyncExitStack) -> Start:
    """Starts proxies; their ports."""

    async def start(home: Home | None = None, **environment: str) -> int:
        return await stack.enter_async_context(serving(lambda: home, Upstreams.of(environment)))

    return start


@asynccontextmanager
async def another_proxy(
    target: int, answer: bytes = ESTABLISHED, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A proxy that knows one target under every name; its port, and the heads that it gets."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        there_reader, there = await asyncio.open_connection("127.0.0.1", target)
        there.write(await reader.read(65536))
        writer.write(await there_reader.read(65536))
        there.close()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1], heads


async def open_(port: int, data: bytes) -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def whole(port: int, data: bytes) -> bytes:
    """Everything that comes back until the proxy closes."""
    reader, writer = await open_(port, data)
    answer = await reader.read()
    writer.close()
    return answer


def connect(target: str, *headers: str) -> bytes:
    return "\r\n".join((f"CONNECT {target} HTTP/1.1", f"Host: {target}", *headers, "", "")).encode()


@pytest.mark.parametrize("host", ["api.twilio.com:443", "API.TWILIO.COM:443", "voice-js.roaming.twilio.com:443"])
async def test_a_tunnel_to_the_vendor_ends_at_the_server_byte_for_byte(start: Start, echo: Echo, host: str) -> None:
    port = await start(Home("127.0.0.1", echo.port, 1))
    reader, writer = await open_(port, connect(host))
    assert await reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
    sent = bytes(range(256)) * 1000
    writer.write(sent)
    assert await reader.readexactly(len(sent)) == sent
    writer.close()


async def test_http_1_0_without_a_host_is_enough_for_a_tunnel(start: Start, echo: Echo) -> None:
    port = await start(Home("127.0.0.1", echo.port, 1))
    reader, writer = await open_(port, b"CONNECT api.twilio.com:443 HTTP/1.0\r\n\r\n")
    assert await reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
    writer.close()


async def test_the_vendor_is_never_sought_elsewhere(start: Start, echo: Echo) -> None:
    async with another_proxy(echo.port) as (upstream, heads):
        port = await start(None, HTTPS_PROXY=f"http://127.0.0.1:{upstream}", HTTP_PROXY=f"http://127.0.0.1:{upstream}")
        for asked in (connect("api.twilio.com:443"), b"GET http://api.twilio.com/ HTTP/1.1\r\nHost: x\r\n\r\n"):
            answer = await whole(port, asked)
            assert answer.startswith(b"HTTP/1.1 502 ")
            assert answer.endswith(b"\r\n\r\nmidcall: the server has stopped; start it again with: midcall serve\n")
    assert heads == []


async def test_another_host_is_reached_directly_and_hears_exactly_what_was_sent(start: Start, echo: Echo) -> None:
    port = await start()
    reader, writer = await open_(port, connect(f"localhost:{echo.port}", "Proxy-Authorization: Basic eDp5") + b"early")
    assert await reader.readexactly(len(ESTABLISHED) + 5) == ESTABLISHED + b"early"
    writer.write_eof()
    assert await reader.read() == b"END"
    assert bytes(echo.heard) == b"early"
    writer.close()


async def test_a_proxy_that_was_there_before_is_asked_with_its_password(start: Start, echo: Echo) -> None:
    async with another_proxy(echo.port, ESTABLISHED + b"banner ") as (upstream, heads):
        port = await start(https_proxy=f"http://user:pass@127.0.0.1:{upstream}")
        reader, writer = await open_(port, connect("shop.test:8443"))
        writer.write(b"hello")
        expected = ESTABLISHED + b"banner hello"
        assert await reader.readexactly(len(expected)) == expected
        writer.close()
    assert heads == [
        b"CONNECT shop.test:8443 HTTP/1.1\r\nHost: shop.test:8443\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n"
    ]


async def test_a_proxy_that_wants_tls_gets_it_and_has_to_be_trusted(
    start: Start, echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_certificate(tmp_path / "proxy.pem")
    async with another_proxy(echo.port, tls=server_side(own)) as (upstream, _):
        port = await start(HTTPS_PROXY=f"https://127.0.0.1:{upstream}")
        assert b"shop.test cannot be reached" in await whole(port, connect("shop.test:443"))
        monkeypatch.setenv("SSL_CERT_FILE", str(own))
        reader, writer = await open_(port, connect("shop.test:443"))
        writer.write(b"hello")
        assert await reader.readexactly(len(ESTABLISHED) + 5) == ESTABLISHED + b"hello"
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


async def test_hosts_that_were_exempt_from_it_still_are(start: Start, echo: Echo) -> None:
    port = await start(HTTPS_PROXY="http://127.0.0.1:1", NO_PROXY="127.0.0.0/8")
    reader, writer = await open_(port, connect(f"127.0.0.1:{echo.port}"))
    assert await reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
    writer.close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (answering(407, "Proxy-Authenticate: Basic"), b"answers 407 for shop.test:443"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", b"cannot be used: it does not speak HTTP"),
        (b"", b"cannot be used: it closed the connection"),
    ],
)
async def test_a_proxy_that_refuses_is_named_without_its_password(start: Start, answer: bytes, told: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        upstream = server.sockets[0].getsockname()[1]
        port = await start(HTTPS_PROXY=f"http://user:secret@127.0.0.1:{upstream}")
        got = await whole(port, connect("shop.test:443"))
    assert got.startswith(b"HTTP/1.1 502 ")
    assert told in got and f"127.0.0.1:{upstream}".encode() in got and b"secret" not in got


async def test_a_host_that_cannot_be_reached_is_told(start: Start) -> None:
    port = await start()
    assert b"127.0.0.1 cannot be reached" in await whole(port, connect("127.0.0.1:1"))
    assert b"no-such-host.invalid cannot be reached" in await whole(port, connect("no-such-host.invalid:443"))
    assert b"is no name of a host" in await whole(port, connect("a" * 64 + ".test:443"))


async def test_a_host_that_is_silent_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midcall.redirect.proxy.CONNECT_S", 0.01)
    silent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = await start(HTTPS_PROXY=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert b"midcall: shop.test does not answer within 0.01 s" in await whole(port, connect("shop.test:443"))
        silent.set()


async def test_a_client_that_is_silent_is_let_go(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midcall.redirect.proxy.HEAD_S", 0.01)
    assert await whole(await start(), b"CONNECT ") == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET ftp://shop.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n", 400),
        (b"GET http://shop.test/ HTTP/1.0\r\n\r\n", 505),
        (b"GET http://shop.test:x/ HTTP/1.1\r\nHost: shop.test\r\n\r\n", 400),
        (connect("user@shop.test:443"), 400),
        (connect("shop.test:99999"), 400),
        (connect("[::1:443"), 400),
        (b"GET http://shop.test/ HTTP/1.1\r\nA: " + b"x" * 60_000, 431),
    ],
)
async def test_what_is_no_request_for_a_proxy_is_refused_with_a_reason(start: Start, sent: bytes, status: int) -> None:
    answer = await whole(await start(), sent)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\n\r\nmidcall: " in answer


def request(url: str, *headers: str, body: bytes = b"") -> bytes:
    head = (f"POST {url} HTTP/1.1", "Host: shop.test", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(head).encode() + body


async def last(server: RawServer, port: int, sent: bytes) -> bytes:
    reader, writer = await open_(port, sent)
    answer = await reader.readuntil(b"ok")
    writer.close()
    return answer


async def test_a_plain_request_goes_to_its_host_as_if_no_proxy_were_there(start: Start) -> None:
    async with raw_server() as shop:
        sent = request(f"{shop.url}/a?b=c#d", "Proxy-Connection: keep-alive", "Proxy-Authorization: x", body=b"data")
        await last(shop, await start(), sent)
    heard = shop.heard[0]
    assert (heard.method, heard.target, heard.body) == ("POST", "/a?b=c", b"data")
    assert heard.headers == {"host": "shop.test", "content-length": "4", "connection": "close"}


@pytest.mark.parametrize(("end", "target"), [("", "/"), ("?a=b", "/?a=b"), ("//x/%2F?", "//x/%2F?")])
async def test_the_target_of_a_plain_request_is_kept_as_it_is(start: Start, end: str, target: str) -> None:
    async with raw_server() as shop:
        await last(shop, await start(), request(shop.url + end))
    assert shop.heard[0].target == target


async def test_a_plain_request_for_the_vendor_comes_to_the_server(start: Start) -> None:
    async with raw_server() as home:
        await last(home, await start(Home("127.0.0.1", 1, home.port)), request("http://api.twilio.com/2010-04-01"))
        await last(home, await start(Home("127.0.0.1", 1, home.port)), request("https://api.twilio.com/2010-04-01"))
    assert [heard.target for heard in home.heard] == ["/2010-04-01", "/2010-04-01"]


async def test_a_plain_request_goes_through_the_proxy_that_was_there_before(start: Start) -> None:
    async with raw_server() as upstream:
        port = await start(HTTP_PROXY=f"http://user:pass@127.0.0.1:{upstream.port}")
        await last(upstream, port, request("http://shop.test/a"))
    heard = upstream.heard[0]
    assert heard.target == "http://shop.test/a"
    assert heard.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"


async def test_a_request_for_https_without_a_tunnel_gets_its_tls_here(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_certificate(tmp_path / "shop.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    async with raw_server(tls=server_side(own)) as shop:
        await last(shop, await start(), request(f"https://127.0.0.1:{shop.port}/a"))
    assert shop.heard[0].target == "/a"


async def test_an_upgrade_stays_one(start: Start) -> None:
    async with raw_server() as shop:
        sent = request(f"{shop.url}/socket", "Connection: Upgrade", "Upgrade: websocket")
        await last(shop, await start(), sent)
    assert shop.heard[0].headers["connection"] == "Upgrade"


async def test_closing_cuts_open_tunnels(echo: Echo) -> None:
    async with serving(lambda: None, Upstreams()) as port:
        reader, writer = await open_(port, connect(f"127.0.0.1:{echo.port}"))
        await reader.readexactly(len(ESTABLISHED))
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await open_(port, b"")
