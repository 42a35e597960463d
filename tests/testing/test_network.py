"""The network in memory: the manners of TCP, and libraries that know nothing of it."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from fastapi import FastAPI, Request

from midcall.testing.loop import VirtualLoop, run
from midcall.testing.network import NameNotServed, NotServed
from midcall.testing.network_transports import MAX_BUFFERED
from midcall.testing.virtual import served


async def pair(port: int = 7) -> tuple[Any, Any, Any, Any]:
    """Both ends of a connection as streams: reader and writer here, reader and writer there."""
    arrived: asyncio.Future[tuple[Any, Any]] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set_result((reader, writer))

    server = await asyncio.start_server(accept, "peer.example", port)
    near = await asyncio.open_connection("peer.example", port)
    far = await arrived
    server.close()
    return (*near, *far)


# the manners of TCP


def test_bytes_arrive_in_order_and_both_ends_know_each_other() -> None:
    async def main() -> None:
        reader, writer, far_reader, far_writer = await pair()
        writer.write(b"one ")
        writer.writelines([b"two ", memoryview(b"three")])
        writer.write_eof()
        assert await far_reader.read() == b"one two three"
        far_writer.write(b"after the other end has said all")  # half closed
        far_writer.close()
        assert await reader.read() == b"after the other end has said all"
        assert writer.get_extra_info("peername") == far_writer.get_extra_info("sockname") == ("198.18.0.1", 7)
        assert writer.get_extra_info("sockname") == far_writer.get_extra_info("peername")
        writer.close()
        await writer.wait_closed()

    run(main())


def test_a_writer_waits_for_a_reader_that_is_slow() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        _, writer, far_reader, far_writer = await pair()
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(100):
                writer.write(bytes(100_000))
                await writer.drain()
                written += 100_000
            writer.close()

        writing = loop.create_task(write())
        await asyncio.sleep(60)
        assert written < 1_000_000  # what the buffers of both ends take
        assert writer.transport.get_write_buffer_size() > 0
        read = 0
        while data := await far_reader.read(50_000):
            read += len(data)
        assert (read, written) == (10_000_000, 10_000_000)
        await writing
        far_writer.close()

    run(main())


def test_a_writer_that_never_waits_loses_the_connection_in_the_end() -> None:
    async def main() -> None:
        _, writer, far_reader, far_writer = await pair()
        far_writer.transport.pause_reading()
        chunk = bytes(1024 * 1024)
        for _ in range(MAX_BUFFERED // len(chunk) + 1):
            writer.write(chunk)
        with pytest.raises(BufferError, match="does not read"):
            await writer.wait_closed()
        with pytest.raises(ConnectionResetError):
            await far_reader.read()

    run(main())


def test_who_aborts_resets_the_other_end() -> None:
    async def main() -> None:
        reader, writer, _, far_writer = await pair()
        far_writer.write(b"lost")
        far_writer.transport.abort()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    run(main())


def test_what_is_written_to_a_closed_end_resets_the_connection() -> None:
    async def main() -> None:
        reader, writer, _, far_writer = await pair()
        far_writer.close()
        await far_writer.wait_closed()
        assert await reader.read() == b""
        writer.write(b"too late")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
            await writer.wait_closed()

    run(main())


def test_who_closes_without_having_read_all_resets_the_writer() -> None:
    async def main() -> None:
        _, writer, _, far_writer = await pair()
        far_writer.transport.pause_reading()
        writer.write(bytes(1_000_000))
        draining = asyncio.ensure_future(writer.drain())
        await asyncio.sleep(1)
        assert not draining.done()
        far_writer.close()
        with pytest.raises(ConnectionResetError):
            await draining

    run(main())


def test_closing_sends_what_is_buffered_first() -> None:
    async def main() -> None:
        _, writer, far_reader, far_writer = await pair()
        writer.write(bytes(2_000_000))
        writer.close()
        assert len(await far_reader.read()) == 2_000_000
        await writer.wait_closed()
        far_writer.close()

    run(main())


def test_a_server_that_is_closed_takes_nobody_and_waits_for_its_connections() -> None:
    async def main() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read())
            writer.close()

        server = await asyncio.start_server(echo, "localhost", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("localhost", port)
        waiting = asyncio.ensure_future(server.wait_closed())
        await asyncio.sleep(1)
        assert not waiting.done()
        writer.write_eof()
        await reader.read()
        writer.close()
        await waiting

    run(main())


def test_a_server_sees_its_own_context_and_not_that_of_who_connects_or_writes() -> None:
    whose = contextvars.ContextVar("whose", default="nobody's")
    seen: list[str] = []

    class Noting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            seen.append(whose.get())

        def data_received(self, data: bytes) -> None:
            seen.append(whose.get())

        def eof_received(self) -> None:
            seen.append(whose.get())

        def connection_lost(self, error: Exception | None) -> None:
            seen.append(whose.get())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        whose.set("the server's")
        await loop.create_server(Noting, "app.example", 80)
        whose.set("the client's")
        client = Noting()
        transport, _ = await loop.create_connection(lambda: client, "app.example", 80)
        transport.write(b"x")
        whose.set("a writer's")
        transport.write(b"y")
        await asyncio.sleep(0.1)
        transport.close()
        await asyncio.sleep(0.1)

    run(main())
    assert sorted(seen) == ["the client's"] * 2 + ["the server's"] * 4


def test_a_server_that_cannot_take_a_connection_resets_it_and_says_so() -> None:
    def broken() -> asyncio.Protocol:
        raise ValueError("no protocol today")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        said: list[Any] = []
        loop.set_exception_handler(lambda loop, context: said.append(context["exception"]))
        await loop.create_server(broken, "app.example", 80)
        reader, writer = await asyncio.open_connection("app.example", 80)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert [str(error) for error in said] == ["no protocol today"]

    run(main())


def test_a_place_is_taken_once() -> None:
    async def main() -> None:
        async with (
            await asyncio.start_server(_ignore, "a.example", 80),
            await asyncio.start_server(_ignore, "b.example", 80),
        ):
            with pytest.raises(OSError, match="taken") as caught:
                await asyncio.start_server(_ignore, "a.example", 80)
            assert caught.value.errno == errno.EADDRINUSE
            with pytest.raises(OSError, match="another application is served"):
                async with served(_asgi_app(), host="a.example"):
                    pass

    run(main())


async def _ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


# no way out


def test_what_is_not_served_here_is_refused_with_a_word_on_how_to_serve_it() -> None:
    async def main() -> None:
        async with await asyncio.start_server(_ignore, "known.example", 80):
            with pytest.raises(
                NameNotServed, match=r"names: known\.example.*virtual\.served\(app, host='www\.example'\)"
            ):
                await asyncio.open_connection("www.example", 80)
            with pytest.raises(NotServed, match=r"nothing is served at known\.example:81.*known\.example:80"):
                await asyncio.open_connection("known.example", 81)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("93.184.216.34", 80)

    run(main())


def test_aiohttp_httpx_and_requests_are_refused_likewise() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError, match="virtual time has no way out"):
                await session.get("https://www.example/")
            with pytest.raises(aiohttp.ClientConnectorError, match="virtual time has no way out"):
                await session.get("http://93.184.216.34/")
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError, match="virtual time has no way out"):
                await client.get("http://www.example/")
        with pytest.raises(requests.ConnectionError, match="virtual time has no way out"):
            await asyncio.to_thread(requests.get, "http://www.example/")

    run(main())


def test_there_is_no_udp_no_unix_socket_and_no_socket_from_outside() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError, match="no UDP"):
            await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
        with pytest.raises(OSError, match="Unix socket"):
            await loop.create_unix_connection(asyncio.Protocol, "/run/x")
        with socket.socket() as outside, pytest.raises(ConnectionRefusedError):
            await loop.create_connection(asyncio.Protocol, sock=outside)

    run(main())


def test_a_blocking_request_on_the_loop_is_an_error_and_not_a_hang() -> None:
    async def main() -> None:
        async with served(_web_app(), host="app.example"):
            requests.get("http://app.example/hello", timeout=30)  # noqa: ASYNC210 - the mistake this is about

    with pytest.raises(RuntimeError, match=r"asyncio\.to_thread"):
        run(main())


# unmodified libraries


def _web_app() -> web.Application:
    async def hello(request: web.Request) -> web.Response:
        return web.json_response({"url": str(request.url), "secure": request.secure, "body": await request.text()})

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(Path(__file__))

    async def chat(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(heartbeat=10)
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data.upper())
        return ws

    app = web.Application()
    app.router.add_route("*", "/hello", hello)
    app.router.add_get("/file", file)
    app.router.add_get("/chat", chat)
    return app


def _asgi_app() -> FastAPI:
    app = FastAPI()

    @app.api_route("/hello", methods=["GET", "POST"])
    async def hello(request: Request) -> dict[str, object]:
        return {
            "url": str(request.url),
            "secure": request.url.scheme == "https",
            "body": (await request.body()).decode(),
        }

    return app


@pytest.mark.parametrize("make", [_web_app, _asgi_app], ids=["aiohttp", "uvicorn"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_aiohttp_httpx_and_requests_reach_an_application_under_its_name(make: Any, scheme: str) -> None:
    async def main() -> list[Any]:
        url = f"{scheme}://app.example/hello"
        async with served(make(), host="app.example"):
            answers = []
            async with aiohttp.ClientSession() as session:
                for _ in range(2):  # the second on the kept connection
                    async with session.post(url, data="x" * 300_000) as answer:
                        answers.append(await answer.json())
            async with httpx.AsyncClient() as client:
                answers += [(await client.post(url, content="x" * 300_000)).json() for _ in range(2)]
            with requests.Session() as blocking:
                for _ in range(2):
                    answers.append((await asyncio.to_thread(blocking.post, url, data="x" * 300_000)).json())
            with httpx.Client() as blocking_too:
                answers.append((await asyncio.to_thread(blocking_too.post, url, content="x" * 300_000)).json())
            return answers

    expected = {"url": f"{scheme}://app.example/hello", "secure": scheme == "https", "body": "x" * 300_000}
    assert run(main()) == [expected] * 7


def test_connections_of_threads_leave_nothing_open() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        async with served(_web_app(), host="app.example"):
            for _ in range(3):
                await asyncio.to_thread(requests.get, "https://app.example/file", timeout=30)
            with loop.standing_clock():
                while loop.doors.open or loop.network.ends():  # noqa: ASYNC110 - the thread lets go in real time
                    await asyncio.sleep(0)
            with pytest.raises(requests.ConnectionError, match=r"nothing is served at app\.example:81"):
                await asyncio.to_thread(requests.get, "http://app.example:81/", timeout=30)

    run(main())


def test_a_thread_is_reset_when_the_other_end_is() -> None:
    async def main() -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.transport.abort()

        async with await asyncio.start_server(cut, "app.example", 80):
            with pytest.raises(requests.ConnectionError):
                await asyncio.to_thread(requests.get, "http://app.example/", timeout=30)

    run(main())


def test_web_sockets_are_carried() -> None:
    async def main() -> str:
        async with (
            served(_web_app(), host="app.example"),
            aiohttp.ClientSession() as session,
            session.ws_connect("wss://app.example/chat") as ws,
        ):
            await ws.send_str("hello")
            return await ws.receive_str()

    assert run(main()) == "HELLO"


def test_aiohttps_own_test_server_works() -> None:
    async def main() -> str:
        async with TestClient(TestServer(_web_app())) as client, client.get("/hello") as answer:
            return str((await answer.json())["url"])

    assert run(main()).startswith("http://127.0.0.1:")


def test_files_are_sent() -> None:
    async def main() -> bytes:
        async with (
            served(_web_app(), host="app.example"),
            aiohttp.ClientSession() as session,
            session.get("http://app.example/file") as answer,
        ):
            return await answer.read()

    assert run(main()) == Path(__file__).read_bytes()


def test_tls_to_a_plain_port_fails() -> None:
    async def main() -> None:
        async with await asyncio.start_server(_ignore, "app.example", 80):
            with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
                await asyncio.open_connection("app.example", 80, ssl=ssl.create_default_context())

    run(main())


def test_uvicorn_runs_by_itself_too() -> None:
    async def main() -> str:
        config = uvicorn.Config(_asgi_app(), host="desk.example", port=8000, log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve())
        await asyncio.sleep(0.1)  # of virtual time
        assert server.started
        async with aiohttp.ClientSession() as session, session.get("http://desk.example:8000/hello") as answer:
            url = (await answer.json())["url"]
        server.should_exit = True
        await serving
        return str(url)

    assert run(main()) == "http://desk.example:8000/hello"


def test_an_application_that_does_not_start_is_told() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def main() -> None:
        async with served(broken, host="app.example"):
            pass

    with pytest.raises(RuntimeError, match=r"app\.example did not start"):
        run(main())


def test_what_is_no_application_is_refused() -> None:
    async def main() -> None:
        async with served("app:app", host="app.example"):
            pass

    with pytest.raises(TypeError, match="no application"):
        run(main())
