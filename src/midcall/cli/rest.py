"""A command's way to the running server: its REST API, over loopback."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from midcall.cli.failure import ExitCode, Failure
from midcall.folder import Credentials, ServerInfo

TIMEOUT = 10.0


class Paged(Protocol):
    @property
    def next_page_uri(self) -> str | None: ...


T = TypeVar("T")
P = TypeVar("P", bound=Paged)


class Missing(Failure):
    """The resource does not exist."""


class _Problem(msgspec.Struct):
    message: str = ""
    code: int = 0


def get(
    server: ServerInfo, credentials: Credentials, path: str, query: Mapping[str, str], *, missing: str | None = None
) -> bytes:
    """Fetch one JSON document as the server spells it; `missing` is what to say when there is none.

    Raises:
        Failure: the server cannot be reached, or refuses.
    """
    with _asked(server, credentials, "GET", _target(path, query), missing=missing) as answer:
        return answer.read()


def post(
    server: ServerInfo, credentials: Credentials, path: str, form: Mapping[str, str], *, missing: str | None = None
) -> bytes:
    """Send a form; the document that is answered. `missing` is what to say when there is nothing to change.

    Raises:
        Failure: the server cannot be reached, or refuses.
    """
    with _asked(server, credentials, "POST", path, form=form, missing=missing) as answer:
        return answer.read()


def send(
    server: ServerInfo, credentials: Credentials, path: str, document: object, *, missing: str | None = None
) -> bytes:
    """Post a JSON document; the one that is answered. `missing` is what to say when there is nothing to act on.

    Raises:
        Failure: the server cannot be reached, or refuses.
    """
    with _asked(server, credentials, "POST", path, document=document, missing=missing) as answer:
        return answer.read()


def delete(server: ServerInfo, credentials: Credentials, path: str, *, missing: str) -> None:
    """Delete a resource; `missing` is what to say when there is none.

    Raises:
        Failure: the server cannot be reached, or refuses.
    """
    with _asked(server, credentials, "DELETE", path, missing=missing) as answer:
        answer.read()


def lines(
    server: ServerInfo, credentials: Credentials, path: str, query: Mapping[str, str], *, missing: str | None = None
) -> Iterator[bytes]:
    """Fetch JSON lines one by one, however many there are; `missing` is what to say when there is nothing of the kind.

    Raises:
        Failure: the server cannot be reached, refuses, or stops before the end.
    """
    with _asked(server, credentials, "GET", _target(path, query), missing=missing) as answer:
        yield from iter(answer.readline, b"")


def pages(
    server: ServerInfo,
    credentials: Credentials,
    path: str,
    query: Mapping[str, str],
    kind: type[P],
    *,
    missing: str | None = None,
) -> Iterator[P]:
    """A list page by page, as long as somebody reads on; `missing` is what to say when there is none.

    Raises:
        Failure: the server cannot be reached, or refuses.
    """
    page = read(get(server, credentials, path, query, missing=missing), kind)
    yield page
    while page.next_page_uri is not None:
        page = read(get(server, credentials, page.next_page_uri, {}), kind)
        yield page


@contextmanager
def _asked(
    server: ServerInfo,
    credentials: Credentials,
    method: str,
    target: str,
    *,
    form: Mapping[str, str] | None = None,
    document: object = None,
    missing: str | None = None,
) -> Iterator[http.client.HTTPResponse]:
    # http.client, because a proxy from the environment must not get between us and the loopback.
    connection = http.client.HTTPConnection(urlsplit(server.http_url).netloc, timeout=TIMEOUT)
    basic = base64.b64encode(f"{credentials.account_sid}:{credentials.auth_token}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Accept": "application/json"}
    body = None
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(form).encode()
    elif document is not None:
        headers["Content-Type"] = "application/json"
        body = msgspec.json.encode(document)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        if answer.status == 404 and missing is not None:
            raise Missing(missing)
        if answer.status not in (200, 201, 204):
            raise Failure(_refusal(answer.status, answer.read()))
        yield answer
    except (OSError, http.client.HTTPException) as error:
        raise Failure(
            f"the server at {server.http_url} does not answer ({error}); see its log, or restart it", ExitCode.NO_SERVER
        ) from None
    finally:
        connection.close()


def _target(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def read(body: bytes, kind: type[T]) -> T:
    """The document as one of our shapes.

    Raises:
        Failure: it is something else.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise Failure(f"the server's answer cannot be read ({error}); is it of this version?") from None


def printable(text: str) -> str:
    """Without control characters: what comes from callers must not steer a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _refusal(status: int, body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem()
    code = f", code {problem.code}" if problem.code else ""
    return f"the server refused: {problem.message or 'no reason given'} (HTTP {status}{code})"
