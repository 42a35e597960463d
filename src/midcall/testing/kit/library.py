"""REST for tests: the official library on the switchboard's own connections, and the one request we need ourselves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from midcall.folder import Credentials
from midcall.testing.kit.control import Control, Fetched, read
from midcall.testing.kit.failures import SwitchboardUnusable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from twilio.rest import Client

log = logging.getLogger(__name__)


async def update_application(control: Control, credentials: Credentials, fields: Mapping[str, str]) -> None:
    """Change the account's TwiML application.

    Args:
        fields: as REST calls them.

    Raises:
        ActionRefused: the server does not take them.
    """
    __tracebackhide__ = True
    path = f"/2010-04-01/Accounts/{credentials.account_sid}/Applications/{credentials.application_sid}.json"
    answer = await control.fetch("POST", path, data=fields)
    if answer.status >= 300:
        read(answer.status, answer.text.encode())


async def get(control: Control, credentials: Credentials, path: str) -> Any:
    """A resource of REST.

    Args:
        path: below the account.

    Raises:
        ActionRefused: the server does not give it.
        SwitchboardUnusable: it is no path.
    """
    __tracebackhide__ = True
    if not path.startswith("/"):
        raise SwitchboardUnusable(f"a resource is a path below the account, such as '/Calls.json', not {path!r}")
    answer = await control.fetch("GET", f"/2010-04-01/Accounts/{credentials.account_sid}{path}")
    return read(answer.status, answer.text.encode())


def asynchronous_client(control: Control, credentials: Credentials) -> Client:
    """The official library's client for `…_async` methods.

    Raises:
        SwitchboardUnusable: the library is not installed.
    """
    _need_the_library()
    from twilio.http import AsyncHttpClient
    from twilio.http.response import Response

    class Carrier(AsyncHttpClient):  # type: ignore[misc]  # it has no types
        async def request(
            self, method: str, url: str, params: Any = None, data: Any = None, headers: Any = None, *_: Any, **__: Any
        ) -> Response:
            return Response(*_parts(await control.fetch(method, *_local(url, headers), params=params, data=data)))

    return _client(Carrier(log, is_async=True), credentials)


def blocking_client(
    control: Control, credentials: Credentials, run: Callable[[Coroutine[Any, Any, Fetched]], Fetched]
) -> Client:
    """The official library's client for its usual methods.

    Raises:
        SwitchboardUnusable: the library is not installed.
    """
    _need_the_library()
    from twilio.http import HttpClient
    from twilio.http.response import Response

    class Carrier(HttpClient):  # type: ignore[misc]  # it has no types
        def request(
            self, method: str, url: str, params: Any = None, data: Any = None, headers: Any = None, *_: Any, **__: Any
        ) -> Response:
            return Response(*_parts(run(control.fetch(method, *_local(url, headers), params=params, data=data))))

    return _client(Carrier(log, is_async=False), credentials)


def _client(carrier: Any, credentials: Credentials) -> Client:
    from twilio.rest import Client

    return Client(credentials.account_sid, credentials.auth_token, http_client=carrier)


def _need_the_library() -> None:
    try:
        import twilio.rest  # noqa: F401
    except ImportError:
        raise SwitchboardUnusable(
            "switchboard.rest is the client of the official library, which is not installed: pip install twilio"
        ) from None


def _local(url: str, headers: Mapping[str, str] | None) -> tuple[str, dict[str, str]]:
    """The path with query of a URL of the vendor's, and headers that keep its host: it may decide about the answer."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return path, {**(headers or {}), "Host": parts.netloc}


def _parts(fetched: Fetched) -> tuple[int, str, dict[str, str]]:
    return fetched.status, fetched.text, fetched.headers
