"""The official validators accept what we send, over real connections, however awkward it is."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from midcall.core.lanes import Encoding
from midcall.ports import Request
from midcall.webhooks.guard import Guard, Mode
from midcall.webhooks.sender import HttpSender
from midcall.wire.callbacks import Prepared, form_request, message_request
from support.certificates import server_side, write_certificate
from support.lanes import AUTH_TOKEN, an_entry
from support.servers import raw_server
from support.validators import Seen, Validators, Verdicts, table, validators

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "callbacks.md"
BEGIN, END = "<!-- matrix: printed by scripts/callback_matrix.sh -->\n", "<!-- end of matrix -->\n"

KINDS = {"form": ("POST", Encoding.FORM), "JSON": ("POST", Encoding.JSON), "GET": ("GET", Encoding.FORM)}

CONTENTS = [
    {"text": "hello", "n": 1.50, "list": [True, None]},
    "plain text",
    "",
    " spaces  around ",
    "grüße, 你好, 🎧 𝄞 é",
    "a&b=c+d%20e%zz#f?g;h",
    "quotes ' \" ` and <tags> {braces} [brackets] \\ | ^ ~ * ( ) !",
    "line\r\nbreaks\tand\u0000controls\u2028\u2029",
    "￿ then \U00010000: code units and code points disagree",
    "x" * 10_000,
    12345678901234567890,
]

PATHS = [
    "/",
    "",
    "/messages?tenant=7",
    "/messages?a=b+c%20d&empty=&flag",
    "/messages?q='it''s'&b={x}[y]|z",
    "/with space/ü/%7Etilde?ü=ü",
    "/a/../b/./c#rc=2&rp=all",
    "/a;b=c,d:e@f!$&'()*+=?x=/?:@",
    "/%2e%2e/%2F?next=https://other.example/x",  # no %3F: validateExpressRequest itself turns it into a question mark
]


@pytest.fixture
async def official() -> AsyncIterator[Validators]:
    async with validators() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem", "app.example")


class Endpoint:
    """An app on loopback with a name of its own, over http or https; asks the validators about every request."""

    def __init__(self, official: Validators, certificate: Path) -> None:
        self._official = official
        self._certificate = certificate

    async def verdicts(self, protocol: str, requests: Sequence[tuple[str, dict[str, object]]]) -> list[Verdicts]:
        """Send requests, given as (what follows the port, arguments of `_built`); what everybody says to each."""
        tls = server_side(self._certificate) if protocol == "https" else None
        sender = HttpSender(Guard(Mode.DEV), ca_file=self._certificate, lookup=_loopback)
        async with raw_server(tls=tls) as server:
            outcomes = []
            for path, arguments in requests:
                prepared = _built(f"{protocol}://user:secret@app.example:{server.port}{path}", **arguments)  # type: ignore[arg-type]
                request = Request(
                    method=prepared.method, url=prepared.url, headers=prepared.headers, body=prepared.body
                )
                outcomes.append(await sender.send(request))
            await sender.close()
            assert all(outcome.ok for outcome in outcomes), outcomes
        assert len(server.heard) == len(requests)
        return [await self._official.ask(Seen(protocol, heard)) for heard in server.heard]


async def _loopback(host: str, port: int, family: int) -> Sequence[str]:
    assert host == "app.example"
    return ["127.0.0.1"]


def _built(url: str, *, kind: str = "form", content: object = "hello") -> Prepared:
    method, encoding = KINDS[kind]
    entry = an_entry(content=json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
    return message_request(entry, url=url, method=method, encoding=encoding, auth_token=AUTH_TOKEN, token="t-1")


@pytest.fixture
def endpoint(official: Validators, certificate: Path) -> Endpoint:
    return Endpoint(official, certificate)


def who_must_accept(verdicts: Verdicts, kind: str) -> Mapping[str, bool]:
    """JSON is accepted where the app hands over the parsed body; nobody can accept it who never sees it."""
    if kind == "form":
        return {name: ok for name, ok in verdicts.items() if name != "Python: validate, raw body"}
    if kind == "GET":
        return verdicts
    blind = ("Python: validate, form only", "Python: validate, raw body", "Node: webhook, forms only")
    return {name: ok for name, ok in verdicts.items() if name not in blind}


@pytest.mark.parametrize("protocol", ["http", "https"])
@pytest.mark.parametrize("kind", KINDS)
async def test_official_validators_accept_every_content(endpoint: Endpoint, kind: str, protocol: str) -> None:
    requests = [("/messages?a=b", {"kind": kind, "content": content}) for content in CONTENTS]
    for content, verdicts in zip(CONTENTS, await endpoint.verdicts(protocol, requests), strict=True):
        accepted = who_must_accept(verdicts, kind)
        assert all(accepted.values()), (content, verdicts)


@pytest.mark.parametrize("protocol", ["http", "https"])
@pytest.mark.parametrize("kind", KINDS)
async def test_official_validators_accept_every_address(endpoint: Endpoint, kind: str, protocol: str) -> None:
    requests = [(path, {"kind": kind}) for path in PATHS]
    for path, verdicts in zip(PATHS, await endpoint.verdicts(protocol, requests), strict=True):
        accepted = who_must_accept(verdicts, kind)
        assert all(accepted.values()), (path, verdicts)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_official_validators_accept_twiml_requests_with_empty_and_awkward_fields(
    official: Validators, method: str
) -> None:
    fields = [("To", ""), ("From", "client:alice"), ("b", "2"), ("B", "1"), ("ключ", "знач"), ("a b", "c&d=e+f")]
    sender = HttpSender(Guard(Mode.DEV))
    async with raw_server() as server:
        prepared = form_request(method, f"{server.url}/voice?x=1", fields, auth_token=AUTH_TOKEN, token="t")
        await sender.send(
            Request(method=prepared.method, url=prepared.url, headers=prepared.headers, body=prepared.body)
        )
        await sender.close()
    verdicts = await official.ask(Seen("http", server.heard[0]))
    assert all(who_must_accept(verdicts, "GET" if method == "GET" else "form").values()), verdicts


async def test_official_validators_refuse_what_was_changed_on_the_way(endpoint: Endpoint, official: Validators) -> None:
    async with raw_server() as server:
        prepared = _built(f"{server.url}/", content="hello")
        sender = HttpSender(Guard(Mode.DEV))
        await sender.send(
            Request(
                method="POST", url=prepared.url, headers=prepared.headers, body=prepared.body.replace(b"hello", b"bye")
            )
        )
        await sender.close()
    assert not any((await official.ask(Seen("http", server.heard[0]))).values())
    assert not any((await official.ask(Seen("http", server.heard[0], token="c" * 32))).values())


async def test_the_matrix_in_the_documentation_is_what_validators_say(endpoint: Endpoint) -> None:
    columns = {}
    for kind, (method, _) in KINDS.items():
        (columns[f"{method}, {kind}" if method == "POST" else method],) = await endpoint.verdicts(
            "https", [("/", {"kind": kind})]
        )
    head, _, rest = PAGE.read_text().partition(BEGIN)
    printed, found, tail = rest.partition(END)
    assert found, "the page has lost its markers"
    if os.environ.get("MIDCALL_WRITE_DOCS"):
        PAGE.write_text(head + BEGIN + table(columns) + END + tail)
        return
    assert printed == table(columns), "print it again with scripts/callback_matrix.sh"
