"""CONNECT on the plain port: TLS inside, for the vendor's hosts only."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from midcall.app.process import Running, serving
from midcall.settings import load

GET = b"GET /healthz HTTP/1.1\r\nHost: api.twilio.com\r\n\r\n"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    flags = {"port": "0", "http_port": "0", "media_engine": "none", "data_dir": str(tmp_path / "data")}
    async with serving(load(flags)) as running:
        yield running


async def ask(port: int, target: str, rest: str = "\r\n") -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """Send CONNECT; the head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{rest}".encode())
    return reader, writer, await reader.readuntil(b"\r\n\r\n")


def trusting(server: Running) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.info.ca_file)


@pytest.mark.parametrize("host", ["api.twilio.com", "voice-js.dublin.ie1.twilio.com"])
async def test_the_answer_is_one_line_and_a_trusted_certificate_for_the_host_follows(
    server: Running, host: str
) -> None:
    _, writer, head = await ask(server.info.http_port, f"{host}:443")
    assert head == b"HTTP/1.1 200 Connection established\r\n\r\n"
    await writer.start_tls(trusting(server), server_hostname=host)
    writer.close()
    await writer.wait_closed()


async def test_requests_are_answered_inside_one_after_the_other(server: Running) -> None:
    reader, writer, _ = await ask(server.info.http_port, "api.twilio.com:443")
    await writer.start_tls(trusting(server), server_hostname="api.twilio.com")
    for _ in range(3):
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        assert await reader.readexactly(3) == b"ok\n"
    writer.close()


async def test_a_client_of_its_own_kind_gets_large_answers_and_web_sockets_through(server: Running) -> None:
    proxy = server.info.http_url
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(server))) as client:
        async with client.get("https://api.twilio.com/openapi.json", proxy=proxy) as answer:
            assert (await answer.json())["openapi"].startswith("3.")
        async with client.ws_connect("wss://voice-js.roaming.twilio.com/signal", proxy=proxy) as socket:
            await socket.close()


@pytest.mark.parametrize("target", ["example.com:443", "127.0.0.1:22", "twilio.com.example.org:443", "localhost:80"])
async def test_other_hosts_are_refused_with_the_way_that_reaches_them(server: Running, target: str) -> None:
    reader, writer, head = await ask(server.info.http_port, target)
    assert head.startswith(b"HTTP/1.1 403 ")
    assert b"midcall exec -- COMMAND" in await reader.readline()
    writer.close()


async def test_a_plain_request_for_another_host_is_refused_and_not_answered_as_our_own(server: Running) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.get("http://example.com/healthz", proxy=server.info.http_url) as answer:
            assert answer.status == 403
            assert "example.com is not a host of the vendor" in await answer.text()
        for own in ("http://api.twilio.com/healthz", "http://localhost:1/healthz"):
            async with client.get(own, proxy=server.info.http_url) as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")


async def test_the_tls_port_is_no_proxy(server: Running) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as client:
        with pytest.raises(aiohttp.ClientHttpProxyError) as raised:
            await client.get("https://api.twilio.com/", proxy=server.info.https_url)
    assert raised.value.status == 403


async def test_a_client_that_does_not_trust_the_certificate_leaves_nothing_behind(server: Running) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(3):
        _, writer, _ = await ask(server.info.http_port, "api.twilio.com:443")
        with pytest.raises(ssl.SSLCertVerificationError):
            await writer.start_tls(ssl.create_default_context(), server_hostname="api.twilio.com")
        writer.close()
    await until(lambda: len(asyncio.all_tasks()) == before)


async def test_a_client_that_goes_leaves_nothing_behind(server: Running) -> None:
    before = len(asyncio.all_tasks())
    writers = []
    for _ in range(3):
        _, writer, _ = await ask(server.info.http_port, "api.twilio.com:443")
        await writer.start_tls(trusting(server), server_hostname="api.twilio.com")
        writers.append(writer)
    assert len(asyncio.all_tasks()) > before
    for writer in writers:
        writer.transport.abort()
    await until(lambda: len(asyncio.all_tasks()) == before)


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until it is so; the test's time limit ends it otherwise."""
    while not true():  # noqa: ASYNC110  # a task that ends in the server has no event here
        await asyncio.sleep(0)


async def test_an_open_tunnel_does_not_hold_up_the_end(tmp_path: Path) -> None:
    flags = {"port": "0", "http_port": "0", "media_engine": "none", "data_dir": str(tmp_path / "data")}
    async with serving(load(flags)) as running:
        reader, writer, _ = await ask(running.info.http_port, "api.twilio.com:443")
        await writer.start_tls(trusting(running), server_hostname="api.twilio.com")
        writer.write(GET)
        await reader.readuntil(b"ok\n")
    assert await reader.read() == b""
    writer.close()
