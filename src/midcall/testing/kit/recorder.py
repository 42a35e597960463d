"""A recorder of HTTP requests: a URL for voice, status and message callbacks, which notes and checks what it gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from midcall.testing.kit.call import Duration
from midcall.testing.kit.control import Control, given, part
from midcall.testing.kit.failures import ExpectationFailed

Behaviour = Literal["ok", "refuses", "closes_before_body", "does_not_read"] | Mapping[str, Any]
"""How a recorder answers; a mapping may have `"times": n`, then it is ok again.

`"ok"`, `{"slow": "3s"}`, `{"failing": 503}`, `"refuses"` (closes at once), `"closes_before_body"` (200, then closes),
`{"late": "20s"}` (answers after the sender's timeout), `"does_not_read"` (200 without having read the request).
"""


class Request:
    """One request that a recorder got."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = dict(told)

    def __repr__(self) -> str:
        wrong = " (signature wrong)" if self.is_signed is False else ""
        return f"<Request {self.method} {self.path} {self.fields!r}{wrong}>"

    @property
    def method(self) -> str:
        return str(self._told.get("method", ""))

    @property
    def path(self) -> str:
        """What follows the recorder's URL."""
        return str(self._told.get("path", ""))

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name."""
        return {str(name).lower(): str(value) for name, value in (self._told.get("headers") or {}).items()}

    @property
    def fields(self) -> dict[str, Any]:
        """Of the form or the JSON object."""
        return dict(self._told.get("fields") or {})

    @property
    def body(self) -> str:
        """As text."""
        return str(self._told.get("body") or "")

    @property
    def is_signed(self) -> bool | None:
        """Whether its signature is there and right; None when the request was not read, so that nobody can tell."""
        valid = self._told.get("signature_valid")
        return valid if isinstance(valid, bool) else None


class Recorder:
    """Answers requests and notes them. Every request that a test looks at must have a valid signature.

    Attributes:
        url: give it to the server, as a voice URL or a callback; paths below it count as well.
    """

    def __init__(self, control: Control, told: Mapping[str, Any], *, check_signatures: bool = True) -> None:
        self._control = control
        self._checks_signatures = check_signatures
        self.name = str(told["name"])
        self.url = str(told["url"])

    def __repr__(self) -> str:
        return f"<Recorder {self.name} {self.url}>"

    async def requests(self) -> list[Request]:
        """All that came, oldest first.

        Raises:
            ExpectationFailed: the signature of one is missing or wrong.
        """
        __tracebackhide__ = True
        answer = await self._control.request("GET", f"{self._path}/requests")
        listed = answer["requests"] if isinstance(answer, dict) else answer
        return [self._checked(Request(told)) for told in listed]

    async def expect(
        self, fields: Mapping[str, Any] | None = None, *, path: str | None = None, timeout: Duration | None = None
    ) -> Request:
        """Wait for a request, also one that came before; each is given once.

        Args:
            fields: what must be in it; more may be.
            path: what must follow the recorder's URL.
            timeout: how long to wait; 10 s when left out.

        Raises:
            ExpectationFailed: none came in time, or its signature is missing or wrong.
        """
        __tracebackhide__ = True
        body = given(fields=dict(fields) if fields is not None else None, path=path, timeout=timeout)
        return self._checked(Request(await self._control.request("POST", f"{self._path}/expect", body)))

    async def answer(
        self,
        twiml: str | None = None,
        *,
        status: int | None = None,
        body: str | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        """What it answers from now on.

        Args:
            twiml: a document, sent as XML.
            status: other than 200.
            body: any text instead of TwiML.
            behaviour: how it does it, see `Behaviour`.
        """
        __tracebackhide__ = True
        told = given(twiml=twiml, status=status, body=body, behaviour=behaviour)
        await self._control.request("PUT", self._path, told)

    @property
    def _path(self) -> str:
        return f"/endpoints/{part(self.name)}"

    def _checked(self, request: Request) -> Request:
        __tracebackhide__ = True
        if self._checks_signatures and request.is_signed is False:
            raise ExpectationFailed(
                f"a request to {self.name} is not signed with the account's auth token",
                expected="a valid X-Twilio-Signature",
                seen=[repr(request)],
            )
        return request
