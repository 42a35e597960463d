"""A command's way to the running server: its REST API, over loopback."""

from __future__ import annotations

import base64
import http.client
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from midcall.cli.failure import ExitCode, Failure
from midcall.folder import Credentials, ServerInfo

T = TypeVar("T")
TIMEOUT = 10.0


class _Problem(msgspec.Struct):
    message: str = ""
    code: int = 0


def get(
    server: ServerInfo, credentials: Credentials, path: str, query: dict[str, str], *, missing: str | None = None
) -> bytes:
    """Fetch one JSON document as the server spells it; `missing` is what to say when there is none.

    Raises:
        Failure: the server cannot be reached, or refuses.
    """
    # http.client, because a proxy from the environment must not get between us and the loopback.
    connection = http.client.HTTPConnection(urlsplit(server.http_url).netloc, timeout=TIMEOUT)
    basic = base64.b64encode(f"{credentials.account_sid}:{credentials.auth_token}".encode()).decode()
    target = f"{path}?{urlencode(query)}" if query else path
    try:
        connection.request("GET", target, headers={"Authorization": f"Basic {basic}", "Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failure(
            f"the server at {server.http_url} does not answer ({error}); see its log, or restart it", ExitCode.NO_SERVER
        ) from None
    finally:
        connection.close()
    if answer.status == 404 and missing is not None:
        raise Failure(missing)
    if answer.status != 200:
        raise Failure(_refusal(answer.status, body))
    return body


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
