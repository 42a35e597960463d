"""Official clients and a browser under `midcall exec`: default hosts, no base URL, no option; and what stays secret."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from browsers import CHROMIUM, FLAGS
from servers import ENVIRONMENT, Server

from support.certificates import server_side, write_certificate
from support.servers import raw_server

CLIENTS = Path(__file__).parent.parent / "clients"
NODE_PROGRAM = """
const twilio = require('twilio');
const client = twilio(process.env.TWILIO_ACCOUNT_SID, process.env.TWILIO_AUTH_TOKEN);
client.applications.list({limit: 1}).then(list => console.log(list[0].friendlyName));
"""
REAL = ("AC" + "5" * 32, "7" * 32)
"""Stands for somebody's account at the vendor, whose program has its credentials in its code."""

Run = Callable[..., Awaitable[tuple[int, str]]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("exec") / "data", ("--set", "media_engine=none", "--set", "log_level=debug")
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Run:
    """Runs a program under `midcall exec`; its exit status and what it printed."""

    async def run(*command: str, **environment: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "midcall", "exec", "--data-dir", str(server.data_dir), "--", *command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=ENVIRONMENT | {"TMPDIR": str(tmp_path)} | environment,
            cwd=CLIENTS,
        )
        out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()

    return run


@asynccontextmanager
async def proxy_of_the_house(target: int) -> AsyncIterator[tuple[int, list[str]]]:
    """The only way out: it knows one host behind every name; its port, and what it is asked for."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        there_reader, there = await asyncio.open_connection("127.0.0.1", target)
        writer.write(b"HTTP/1.1 200 Yes\r\nVia: house\r\n\r\n")
        await asyncio.gather(carry(reader, there), carry(there_reader, writer))

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], asked


async def test_the_node_library_needs_no_base_url(run: Run) -> None:
    assert await run("node", "-e", NODE_PROGRAM) == (0, "Made by Midcall\n")


async def test_the_node_library_runs_under_printed_variables(server: Server) -> None:
    midcall = f"{sys.executable} -m midcall exec --data-dir {server.data_dir} --print-env"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'eval "$({midcall})"; exec node -e "$PROGRAM"'),
        stdout=asyncio.subprocess.PIPE,
        env=ENVIRONMENT | {"PROGRAM": NODE_PROGRAM},
        cwd=CLIENTS,
    )
    assert (await process.communicate())[0] == b"Made by Midcall\n"


async def test_chromium_finds_the_server_under_every_name_of_the_vendor_and_trusts_it(run: Run, tmp_path: Path) -> None:
    chromium = tmp_path / "chromium"
    chromium.symlink_to(CHROMIUM)
    url = "https://voice-js.dublin.ie1.twilio.com/healthz"
    flags = ("--headless=new", "--dump-dom", *(flag for flag in FLAGS if "resolver" not in flag))
    # Chromium puts a socket there, whose path may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="exec-") as short:
        code, shown = await run(str(chromium), *flags, url, TMPDIR=short)
        assert code == 0, shown
        assert ">ok" in shown
        assert os.listdir(short) == []


async def test_another_host_is_reached_through_the_proxy_of_the_house_with_its_own_certificate(
    run: Run, tmp_path: Path
) -> None:
    own = write_certificate(tmp_path / "shop.pem", "shop.test")
    async with raw_server(tls=server_side(own)) as shop, proxy_of_the_house(shop.port) as (port, asked):
        code, shown = await run(
            *("curl", "-sS", "-H", "X-Secret: 1", "https://shop.test/basket"),
            HTTPS_PROXY=f"http://user:pass@127.0.0.1:{port}",
            SSL_CERT_FILE=str(own),
        )
    assert (code, shown) == (0, "ok")
    assert asked[0].startswith("CONNECT shop.test:443 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n" in asked[0]
    assert "Secret" not in asked[0]
    assert shop.heard[0].headers["x-secret"] == "1"


async def test_the_vendor_is_not_sought_through_the_proxy_of_the_house(run: Run) -> None:
    async with proxy_of_the_house(1) as (port, asked):
        shown = await run(
            *("curl", "-sS", "https://api.twilio.com/healthz"),
            HTTPS_PROXY=f"http://127.0.0.1:{port}",
            NO_PROXY="*,.twilio.com",
        )
    assert shown == (0, "ok\n")
    assert asked == []


async def test_credentials_of_the_real_service_are_refused_and_kept_nowhere(run: Run, server: Server) -> None:
    program = (
        "from twilio.rest import Client\n"
        f"client = Client({REAL[0]!r}, {REAL[1]!r})\n"
        "try: client.calls.create(to='client:bob', from_='client:alice', twiml='<Response/>')\n"
        "except Exception as error: print(error.status, error.code)\n"
    )
    assert await run(sys.executable, "-c", program) == (0, "401 20003\n")
    encoded = base64.b64encode(":".join(REAL).encode())
    kept = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert {"midcall.db", "trace.db"} <= {path.name for path in kept}
    for what in (REAL[1].encode(), encoded):
        assert what.decode() not in "\n".join(server.log)
        assert [path for path in kept if what in path.read_bytes()] == []
