"""The Sender port: against real servers on loopback that are slow, broken, lying or out of bounds."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from midcall.ports import Outcome, Request
from midcall.webhooks import exchange
from midcall.webhooks.guard import Guard, Mode
from midcall.webhooks.sender import HttpSender
from support.certificates import server_side, write_certificate
from support.servers import OK, Answer, Heard, answering, raw_server


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    made = HttpSender(Guard(Mode.DEV))
    yield made
    await made.close()


def post(url: str, **options: object) -> Request:
    return Request(method="POST", url=url, headers={"Content-Type": "text/plain"}, body=b"hello", **options)


def get(url: str, **options: object) -> Request:
    return Request(method="GET", url=url, headers={}, **options)


class Names:
    """A resolver that a test writes; counts what it was asked."""

    def __init__(self, **addresses: Sequence[str]) -> None:
        self.addresses = {name.replace("_", "."): found for name, found in addresses.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int, family: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.addresses[host]


# what goes out and what comes back


async def test_a_request_arrives_as_it_was_built_and_its_answer_comes_back(sender: HttpSender) -> None:
    async with raw_server(answering(201, "X-Thing: yes", body=b"body")) as server:
        request = Request(
            method="POST", url=f"{server.url}/p%41th?q=a+b%20c#rc=1", headers={"X-Mine": "1"}, body=b"hello"
        )
        outcome = await sender.send(request)
    heard = server.heard[0]
    assert (heard.method, heard.target, heard.body) == ("POST", "/p%41th?q=a+b%20c", b"hello")
    assert heard.headers["x-mine"] == "1"
    assert heard.headers["host"] == f"127.0.0.1:{server.port}"
    assert (outcome.status, outcome.body, outcome.error, outcome.ok) == (201, b"body", None, True)
    assert outcome.headers["x-thing"] == "yes"
    assert outcome.url == f"{server.url}/p%41th?q=a+b%20c"
    assert outcome.duration_s > 0


async def test_user_and_password_of_the_url_become_basic_authentication(sender: HttpSender) -> None:
    async with raw_server() as server:
        await sender.send(get(f"http://us%40er:p%C3%A4ss@127.0.0.1:{server.port}/x"))
    assert server.heard[0].headers["authorization"] == "Basic dXNAZXI6cMOkc3M="
    assert server.heard[0].target == "/x"


async def test_connections_are_reused(sender: HttpSender) -> None:
    async with raw_server() as server:
        for _ in range(5):
            assert (await sender.send(post(server.url))).ok
    assert server.connections == 1


async def test_cookies_are_not_kept(sender: HttpSender) -> None:
    async with raw_server(answering(200, "Set-Cookie: a=b; Path=/")) as server:
        await sender.send(get(server.url))
        await sender.send(get(server.url))
    assert "cookie" not in server.heard[1].headers


async def test_an_error_status_is_an_answer(sender: HttpSender) -> None:
    async with raw_server(answering(503, "Retry-After: 7", body=b"busy")) as server:
        outcome = await sender.send(post(server.url))
    assert (outcome.status, outcome.error, outcome.ok) == (503, None, False)
    assert outcome.headers["retry-after"] == "7"


async def test_interim_answers_are_not_the_answer(sender: HttpSender) -> None:
    async with raw_server(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK) as server:
        for _ in range(2):
            assert (await sender.send(post(server.url))).status == 200
    assert server.connections == 1


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb"])
async def test_a_header_that_would_be_two_is_never_sent(sender: HttpSender, value: str) -> None:
    async with raw_server() as server:
        outcome = await sender.send(Request(method="POST", url=server.url, headers={"X-Mine": value}))
        assert (outcome.status, outcome.error) == (None, 11200)
        assert (await sender.send(post(server.url))).ok
    assert len(server.heard) == 1


# connections that end


@pytest.mark.parametrize("make", [get, post])
async def test_a_reused_connection_closed_before_any_byte_is_resent_once(sender: HttpSender, make) -> None:  # type: ignore[no-untyped-def]
    def behave(heard: Heard) -> Answer:
        return Answer(b"", close=True) if len(server.heard) == 2 else Answer()

    async with raw_server(behave) as server:
        assert (await sender.send(make(server.url))).ok
        assert (await sender.send(make(server.url))).ok
    assert [heard.connection for heard in server.heard] == [1, 1, 2]
    assert server.heard[1].body == server.heard[2].body


async def test_it_is_resent_only_once(sender: HttpSender) -> None:
    def behave(heard: Heard) -> Answer:
        return Answer() if len(server.heard) == 1 else Answer(b"", close=True)

    async with raw_server(behave) as server:
        assert (await sender.send(post(server.url))).ok
        assert (await sender.send(post(server.url))).error == 11200
    assert len(server.heard) == 3


@pytest.mark.parametrize("make", [get, post])
async def test_a_fresh_connection_closed_before_any_byte_is_a_failed_attempt(sender: HttpSender, make) -> None:  # type: ignore[no-untyped-def]
    async with raw_server(lambda _: Answer(b"", close=True)) as server:
        outcome = await sender.send(make(server.url))
    assert (outcome.status, outcome.error) == (None, 11200)
    assert len(server.heard) == 1


async def test_a_reused_connection_closed_within_the_body_is_not_resent(sender: HttpSender) -> None:
    def behave(heard: Heard) -> Answer:
        half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
        return Answer() if len(server.heard) == 1 else Answer(half, close=True)

    async with raw_server(behave) as server:
        assert (await sender.send(post(server.url))).ok
        outcome = await sender.send(post(server.url))
    assert (outcome.status, outcome.error) == (None, 11200)
    assert len(server.heard) == 2


async def test_a_reused_connection_closed_within_the_head_is_not_resent(sender: HttpSender) -> None:
    def behave(heard: Heard) -> Answer:
        return Answer() if len(server.heard) == 1 else Answer(b"HTTP/1.1 200 OK\r\nContent-", close=True)

    async with raw_server(behave) as server:
        assert (await sender.send(post(server.url))).ok
        assert (await sender.send(post(server.url))).error == 11200
    assert len(server.heard) == 2


async def test_a_closed_port_is_a_failed_connection(sender: HttpSender) -> None:
    async with raw_server() as server:
        url = server.url
    outcome = await sender.send(post(url))
    assert (outcome.status, outcome.error) == (None, 11205)
    assert outcome.reason


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x00" * 2000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 302 Found\r\nLocation: http://[bad\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe://\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_nonsense_is_a_failed_attempt_and_never_an_exception(sender: HttpSender, nonsense: bytes) -> None:
    async with raw_server(lambda _: Answer(nonsense, close=True)) as server:
        outcome = await sender.send(post(server.url, redirects=3))
    assert (outcome.status, outcome.ok) == (None, False)
    assert outcome.error in (11200, 11215)
    assert outcome.reason


@pytest.mark.parametrize("url", ["", "http://", "ftp://127.0.0.1/", "http://a b/", "http://x:99999/", "not a url"])
async def test_an_address_that_cannot_be_requested_is_a_failed_attempt(sender: HttpSender, url: str) -> None:
    outcome = await sender.send(post(url))
    assert (outcome.status, outcome.error) == (None, 11205)


# time


async def test_a_server_that_does_not_answer_meets_the_read_limit(sender: HttpSender) -> None:
    async with raw_server(lambda _: Answer(b"", wait=asyncio.Event())) as server:
        outcome = await sender.send(post(server.url, read_s=0.05))
    assert (outcome.status, outcome.error, outcome.reason) == (None, 11200, "the server stopped answering")


async def test_a_server_that_drips_meets_the_limit_for_everything(sender: HttpSender) -> None:
    drip = Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", wait=asyncio.Event())
    async with raw_server(lambda _: drip) as server:
        outcome = await sender.send(post(server.url, total_s=0.05))
    assert (outcome.status, outcome.error) == (None, 11200)
    assert "0.05 s" in outcome.reason


async def test_a_connection_that_is_not_accepted_meets_the_connect_limit(sender: HttpSender) -> None:
    # A TLS handshake that nobody answers belongs to connecting.
    async with raw_server(lambda _: Answer(b"", wait=asyncio.Event())) as server:
        outcome = await sender.send(post(f"https://127.0.0.1:{server.port}/", connect_s=0.05))
    assert (outcome.status, outcome.error) == (None, 11205)


async def test_a_host_that_hangs_holds_up_no_other() -> None:
    never = asyncio.Event()
    sender = HttpSender(Guard(Mode.DEV), per_host=2)
    async with raw_server(lambda _: Answer(b"", wait=never)) as dead, raw_server() as good:
        hanging = [asyncio.create_task(sender.send(post(dead.url))) for _ in range(50)]
        for _ in range(10):
            assert (await sender.send(post(good.url))).ok
        assert dead.connections <= 2
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
    await sender.close()


async def test_a_name_that_hangs_holds_up_no_other() -> None:
    names = Names(good_example=["127.0.0.1"])

    async def lookup(host: str, port: int, family: int) -> Sequence[str]:
        if host == "dead.example":
            await asyncio.Event().wait()
        return await names(host, port, family)

    sender = HttpSender(Guard(Mode.DEV), lookup=lookup)
    async with raw_server() as good:
        hanging = asyncio.create_task(sender.send(post("http://dead.example/", total_s=0.05)))
        assert (await sender.send(post(f"http://good.example:{good.port}/"))).ok
        assert (await hanging).error == 11200
    await sender.close()


async def test_a_cancelled_request_is_cancelled(sender: HttpSender) -> None:
    arrived = asyncio.Event()

    def behave(heard: Heard) -> Answer:
        arrived.set()
        return Answer(b"", wait=asyncio.Event())

    async with raw_server(behave) as server:
        task = asyncio.create_task(sender.send(post(server.url)))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


# size


@pytest.mark.parametrize(
    "answer",
    [
        answering(200, body=b"x" * 1001),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1f4\r\n"
        + b"x" * 500
        + b"\r\n1f5\r\n"
        + b"x" * 501,
        answering(200, "Content-Encoding: gzip", body=gzip.compress(bytes(100_000_000), 9)),
    ],
    ids=["declared", "chunked", "compressed"],
)
async def test_a_body_over_the_cap_ends_the_request(sender: HttpSender, answer: bytes) -> None:
    async with raw_server(answer) as server:
        outcome = await sender.send(post(server.url, body_cap=1000))
        assert (outcome.status, outcome.error) == (None, 11750)


async def test_a_body_at_the_cap_is_fine(sender: HttpSender) -> None:
    async with raw_server(answering(200, body=b"x" * 1000)) as server:
        assert len((await sender.send(post(server.url, body_cap=1000))).body) == 1000


@pytest.mark.parametrize(
    ("answer", "beginning"),
    [
        (Answer(answering(200, body=b"x" * 5000)), b"x" * exchange.KEPT_BYTES),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", wait=asyncio.Event()), b"x"),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", close=True), b"x"),
        (Answer(answering(200, "Content-Encoding: gzip", body=b"no gzip")), b""),
        (Answer(answering(200, "Content-Encoding: br", body=b"not readable here")), b""),
        (Answer(answering(200, "Content-Encoding: gzip", body=gzip.compress(bytes(100_000_000), 9))), b""),
    ],
    ids=["long", "stalled", "cut", "not gzip", "brotli", "bomb"],
)
async def test_where_only_the_status_counts_no_body_spoils_it(
    sender: HttpSender, answer: Answer, beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "DRAIN_S", 0.05)
    async with raw_server(lambda _: answer) as server:
        outcome = await sender.send(post(server.url, body_cap=1000, status_only=True))
        assert (outcome.status, outcome.body) == (200, beginning)
        assert (await sender.send(post(server.url, body_cap=1000, status_only=True))).ok


async def test_a_short_unwanted_body_keeps_the_connection(sender: HttpSender) -> None:
    async with raw_server(answering(200, body=b"x" * 900)) as server:
        for _ in range(3):
            await sender.send(post(server.url, body_cap=1000, status_only=True))
    assert server.connections == 1


# redirects


def redirecting(status: int, location: str) -> bytes:
    return answering(status, f"Location: {location}")


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"hello"), (308, "POST", b"hello")],
)
async def test_redirects_are_followed_with_the_method_their_status_asks_for(
    sender: HttpSender, status: int, method: str, body: bytes
) -> None:
    async with raw_server(lambda heard: redirecting(status, "/new?a=b") if heard.target == "/" else OK) as server:
        outcome = await sender.send(post(server.url, redirects=1))
    assert outcome.ok
    assert outcome.url == f"{server.url}/new?a=b"
    last = server.heard[-1]
    assert (last.method, last.target, last.body) == (method, "/new?a=b", body)
    assert ("content-type" in last.headers) is (method == "POST")


async def test_each_hop_is_signed_anew(sender: HttpSender) -> None:
    async with raw_server(lambda heard: redirecting(307, "/b") if heard.target == "/a" else OK) as server:
        request = post(
            f"{server.url}/a",
            redirects=1,
            resign=lambda method, url, body: {"X-Signed": f"{method} {url} {body.decode()}"},
        )
        assert (await sender.send(request)).ok
    assert server.heard[1].headers["x-signed"] == f"POST {server.url}/b hello"


async def test_no_redirects_returns_the_3xx(sender: HttpSender) -> None:
    async with raw_server(redirecting(302, "/elsewhere")) as server:
        outcome = await sender.send(post(server.url))
    assert (outcome.status, outcome.headers["location"]) == (302, "/elsewhere")
    assert len(server.heard) == 1


async def test_too_many_redirects_are_an_error(sender: HttpSender) -> None:
    async with raw_server(redirecting(302, "/again")) as server:
        outcome = await sender.send(post(server.url, redirects=10))
    assert (outcome.status, outcome.error) == (None, 11215)
    assert len(server.heard) == 11


async def test_a_redirect_without_location_is_an_answer(sender: HttpSender) -> None:
    async with raw_server(answering(302)) as server:
        assert (await sender.send(post(server.url, redirects=10))).status == 302


async def test_a_redirect_into_a_refused_network_is_refused(sender: HttpSender) -> None:
    async with raw_server(redirecting(302, "http://169.254.169.254/latest/meta-data")) as server:
        outcome = await sender.send(post(server.url, redirects=10))
    assert (outcome.status, outcome.error) == (None, 11205)
    assert "link-local" in outcome.reason


async def test_a_password_does_not_follow_to_another_host(sender: HttpSender) -> None:
    async with raw_server() as other, raw_server(redirecting(307, f"{other.url}/x")) as server:
        await sender.send(post(f"http://u:p@127.0.0.1:{server.port}/", redirects=1))
    assert "authorization" in server.heard[0].headers
    assert "authorization" not in other.heard[0].headers


# names and addresses


async def test_a_name_that_does_not_resolve_has_its_own_error() -> None:
    sender = HttpSender(Guard(Mode.DEV), lookup=Names())
    outcome = await sender.send(post("http://nowhere.example/"))
    assert (outcome.status, outcome.error) == (None, 11210)
    assert "nowhere.example" in outcome.reason
    await sender.close()


async def send_in_production(request: Request, names: Names, *allow: str) -> Outcome:
    sender = HttpSender(Guard(Mode.PRODUCTION, allow), lookup=names)
    try:
        return await sender.send(request)
    finally:
        await sender.close()


async def test_production_refuses_a_name_that_points_inside() -> None:
    async with raw_server() as server:
        outcome = await send_in_production(post(f"http://app.example:{server.port}/"), Names(app_example=["127.0.0.1"]))
        assert (outcome.status, outcome.error) == (None, 11205)
        assert "allow list" in outcome.reason
        assert server.connections == 0


@pytest.mark.parametrize("allow", ["app.example", "127.0.0.0/8"])
async def test_production_reaches_inside_where_it_is_allowed(allow: str) -> None:
    async with raw_server() as server:
        url = f"http://app.example:{server.port}/"
        assert (await send_in_production(post(url), Names(app_example=["127.0.0.1"]), allow)).ok


async def test_of_several_addresses_only_allowed_ones_are_tried() -> None:
    names = Names(app_example=["169.254.169.254", "10.255.255.1", "127.0.0.1"])
    async with raw_server() as server:
        url = f"http://app.example:{server.port}/"
        assert (await send_in_production(post(url, connect_s=1.0), names, "127.0.0.0/8")).ok


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f.1", "0177.0.0.1", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]", "[::]", "0"]
)
async def test_production_refuses_this_machine_in_every_spelling(host: str) -> None:
    async with raw_server() as server:
        names = Names(**{host.replace(".", "_"): ["127.0.0.1"]})
        outcome = await send_in_production(post(f"http://{host}:{server.port}/"), names)
        assert (outcome.status, outcome.error) == (None, 11205)
        assert server.connections == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "0xa9fea9fe", "[fe80::1]", "[::ffff:169.254.169.254]"])
async def test_development_refuses_metadata_in_every_spelling(sender: HttpSender, host: str) -> None:
    outcome = await sender.send(post(f"http://{host}/latest/", total_s=1.0))
    assert (outcome.status, outcome.error) == (None, 11205)
    assert "link-local" in outcome.reason


async def test_localhost_resolves_with_the_systems_resolver(sender: HttpSender) -> None:
    async with raw_server() as server:
        assert (await sender.send(post(f"http://localhost:{server.port}/"))).ok


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    return server_side(certificate)


async def test_a_certificate_of_nobody_is_refused(sender: HttpSender, tls: ssl.SSLContext) -> None:
    async with raw_server(tls=tls) as server:
        outcome = await sender.send(post(f"https://127.0.0.1:{server.port}/"))
    assert (outcome.status, outcome.error) == (None, 11220)
    assert not server.heard


async def test_an_additional_authority_is_trusted(certificate: Path, tls: ssl.SSLContext) -> None:
    sender = HttpSender(Guard(Mode.DEV), ca_file=certificate)
    async with raw_server(tls=tls) as server:
        assert (await sender.send(post(f"https://127.0.0.1:{server.port}/"))).ok
        await sender.close()


async def test_a_server_without_tls_fails_as_tls(sender: HttpSender) -> None:
    async with raw_server(lambda _: b"plain") as server:
        server_url = f"https://127.0.0.1:{server.port}/"
        outcome = await sender.send(post(server_url, total_s=2.0, connect_s=0.5))
    assert (outcome.status, outcome.error) in [(None, 11220), (None, 11205)]
