"""The switchboard: what a test holds of a server of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from midcall.testing.kit import environment, library
from midcall.testing.kit.apps import Application, as_asgi
from midcall.testing.kit.call import Call, Duration, Script
from midcall.testing.kit.clock import Clock
from midcall.testing.kit.control import given
from midcall.testing.kit.doors import Doors, Served
from midcall.testing.kit.failures import SwitchboardUnusable
from midcall.testing.kit.network import Network
from midcall.testing.kit.person import Person, steps_of
from midcall.testing.kit.place import Place
from midcall.testing.kit.recorder import Behaviour, Recorder

if TYPE_CHECKING:
    from typing import Literal

    from twilio.rest import Client

    from midcall.folder import Credentials


class Switchboard:
    """A server of the test's own, its people, and what belongs to them. Made by the fixture `switchboard`.

    Attributes:
        time: `real` or `virtual`.
        clock: waits, and turns virtual time.
        http_url, https_url: the server's, without a slash behind.
        signal_url: for `midcall.sdk.Device(url=…)`.
        ca_file: PEM file of the authority that signed its certificate; None in virtual time, where nobody looks.
        credentials: `account_sid`, `auth_token`, `api_key_sid`, `api_key_secret`, `application_sid`.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._control = place.control
        self.time: Literal["real", "virtual"] = place.time
        self.clock = Clock(is_virtual=place.time == "virtual")
        self.http_url = place.http_url
        self.https_url = place.https_url
        self.signal_url = place.signal_url
        self.ca_file = place.ca_file
        self.credentials: Credentials = place.credentials

    def __repr__(self) -> str:
        return f"<Switchboard {self.https_url} in {self.time} time>"

    @property
    def account_sid(self) -> str:
        """`AC…`."""
        return self.credentials.account_sid

    @property
    def auth_token(self) -> str:
        """The account's; it signs what the server sends."""
        return self.credentials.auth_token

    @property
    def application_sid(self) -> str:
        """`AP…` of the TwiML application whose voice URL people's calls ask."""
        return self.credentials.application_sid

    @property
    def env(self) -> dict[str, str]:
        """The environment for a program that shall find the server, as `midcall exec` gives it. This process has it
        already while the test runs."""
        return environment.whole(self._place.variables)

    @property
    def rest(self) -> Client:
        """The official library's client, for its asynchronous methods: `await switchboard.rest.calls.create_async(…)`.

        Raises:
            SwitchboardUnusable: the library is not installed.
        """
        return library.asynchronous_client(self._control, self.credentials)

    async def person(
        self,
        name: str,
        *,
        identity: str | None = None,
        number: str | None = None,
        media: Literal["none", "real"] | None = None,
        on_call: Script | None = None,
    ) -> Person:
        """Somebody who is registered and may be called when this returns.

        Args:
            name: how the test and its timeline call this person.
            identity: of the client; the name when left out.
            number: +E.164: somebody with a phone instead of a client.
            media: `real` speaks and hears sound, `none` labels; left out, what the server has.
            on_call: what each incoming call does by itself, such as `[{"ring": "2s"}, {"answer": {}}]`.

        Raises:
            ActionRefused: there is somebody of that name, or a value cannot be used.
        """
        __tracebackhide__ = True
        body = given(identity=identity, number=number, media=media)
        if on_call is not None:
            body["on_call"] = steps_of(on_call)
        return Person(self._control, await self._control.request("POST", "/people", {"name": name, **body}))

    async def recorder(
        self,
        name: str | None = None,
        *,
        twiml: str | None = None,
        status: int | None = None,
        body: str | None = None,
        behaviour: Behaviour | None = None,
        check_signatures: bool = True,
    ) -> Recorder:
        """A URL that notes the requests it gets and checks their signatures.

        Args:
            name: how the timeline calls it; made up when left out.
            twiml: what it answers, as XML.
            status: with which status.
            body: any text instead of TwiML.
            behaviour: how it answers, see `Behaviour`.
            check_signatures: a request without a valid one fails the test that looks at it.
        """
        __tracebackhide__ = True
        asked = given(name=name, twiml=twiml, status=status, body=body, behaviour=behaviour)
        told = await self._control.request("POST", "/endpoints", asked)
        return Recorder(self._control, told, check_signatures=check_signatures)

    async def serve(
        self,
        app: Application,
        *,
        voice: str | None = "/voice",
        status_callback: str | None = None,
    ) -> Served:
        """Put an application where the server reaches it, until the test is over.

        Args:
            app: ASGI or WSGI.
            voice: path that is asked when people call; None leaves the voice URL as it is.
            status_callback: path that is told what becomes of people's calls.

        Returns:
            Its URL without a slash behind, which is also how the application is made to misbehave; see `Served`.

        Raises:
            SwitchboardUnusable: it is no application, it does not start, or what serves it is not installed.
        """
        __tracebackhide__ = True
        doors = Doors(as_asgi(app), self.auth_token)
        url = Served.at(await self._place.serve(doors), doors)
        await self.point(url, voice=voice, status_callback=status_callback)
        return url

    async def point(self, url: str, *, voice: str | None = "/voice", status_callback: str | None = None) -> None:
        """Let people's calls ask an application that is served elsewhere.

        Args:
            url: of the application, without a slash behind.
            voice, status_callback: see `serve`.
        """
        __tracebackhide__ = True
        for name, path in (("voice", voice), ("status_callback", status_callback)):
            if path and not path.startswith(("/", "?")):
                raise SwitchboardUnusable(
                    f"{name} is a path below the application's URL, such as '/voice', not {path!r}"
                )
        fields = given(
            VoiceUrl=None if voice is None else url + voice,
            StatusCallback=None if status_callback is None else url + status_callback,
        )
        if fields:
            await library.update_application(self._control, self.credentials, fields)

    async def token(
        self,
        identity: str,
        *,
        ttl: Duration | None = None,
        incoming: bool | None = None,
        params: Mapping[str, str] | None = None,
    ) -> str:
        """An access token for a client of one's own: a browser's, or `midcall.sdk`'s.

        Args:
            ttl: how long it is valid.
            incoming: whether the client may be called.
            params: parameters that each of its calls gets.
        """
        __tracebackhide__ = True
        body = given(ttl=ttl, incoming=incoming, params=dict(params) if params else None)
        answer = await self._control.request("POST", "/tokens", {"identity": identity, **body})
        return str(answer["token"])

    async def get(self, path: str) -> Any:
        """Read a resource of REST that the official library has no words for.

        Args:
            path: below the account, such as `/Calls/CA…/Feedback.json`.

        Raises:
            ActionRefused: there is none.
        """
        __tracebackhide__ = True
        return await library.get(self._control, self.credentials, path)

    def network(self, identity: str) -> Network:
        """The way between the clients of an identity and the server; people have theirs as `person.network`."""
        return Network(self._control, identity)

    async def timeline(self, call: Call | str | None = None) -> str:
        """What people did and saw, and the server's trace, in the order of time.

        Args:
            call: a person's, or the sid of one; all calls when left out.
        """
        __tracebackhide__ = True
        sid = (await call.refresh()).sid if isinstance(call, Call) else call
        answer = await self._control.request("GET", "/timeline", query={"call": sid} if sid else None)
        return str(answer["text"])
