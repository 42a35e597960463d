"""The same for tests without asyncio: every method waits where its asynchronous twin is awaited."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from midcall.testing.kit import library
from midcall.testing.kit.apps import Application, as_asgi
from midcall.testing.kit.call import Call, Duration, Message, Misbehaviour, Script, Talk
from midcall.testing.kit.doors import Doors, Served
from midcall.testing.kit.failures import SwitchboardUnusable
from midcall.testing.kit.network import Fault, Network
from midcall.testing.kit.person import Person
from midcall.testing.kit.real import RealPlace
from midcall.testing.kit.recorder import Behaviour, Recorder, Request
from midcall.testing.kit.switchboard import Switchboard
from midcall.testing.people.rules import seconds

if TYPE_CHECKING:
    from twilio.rest import Client

T = TypeVar("T")


class Run(Protocol):
    """Does asynchronous work elsewhere and waits for it."""

    def __call__(self, work: Coroutine[Any, Any, T]) -> T: ...


class BlockingTalk:
    """See `Talk`."""

    def __init__(self, talk: Talk, run: Run) -> None:
        self._talk = talk
        self._run = run

    def __repr__(self) -> str:
        return f"<Blocking {self._talk!r}>"

    def _call(self, work: Coroutine[Any, Any, Call]) -> BlockingCall:
        __tracebackhide__ = True
        return BlockingCall(self._run(work), self._run)

    def accept(self) -> BlockingCall:
        """See `Talk.accept`."""
        __tracebackhide__ = True
        return self._call(self._talk.accept())

    def reject(self) -> BlockingCall:
        """See `Talk.reject`."""
        __tracebackhide__ = True
        return self._call(self._talk.reject())

    def ignore(self) -> BlockingCall:
        """See `Talk.ignore`."""
        __tracebackhide__ = True
        return self._call(self._talk.ignore())

    def hang_up(self) -> BlockingCall:
        """See `Talk.hang_up`."""
        __tracebackhide__ = True
        return self._call(self._talk.hang_up())

    def mute(self, on: bool = True) -> BlockingCall:
        """See `Talk.mute`."""
        __tracebackhide__ = True
        return self._call(self._talk.mute(on))

    def speak(
        self,
        label: str | None = None,
        *,
        tone_hz: int | None = None,
        level_dbfs: float | None = None,
        file: str | Path | None = None,
        for_: Duration | None = None,
    ) -> BlockingCall:
        """See `Talk.speak`."""
        __tracebackhide__ = True
        return self._call(self._talk.speak(label, tone_hz=tone_hz, level_dbfs=level_dbfs, file=file, for_=for_))

    def stop_speaking(self) -> BlockingCall:
        """See `Talk.stop_speaking`."""
        __tracebackhide__ = True
        return self._call(self._talk.stop_speaking())

    def hears(
        self,
        label: str | None = None,
        *,
        tone_hz: int | None = None,
        level_above_dbfs: float | None = None,
        timeout: Duration | None = None,
    ) -> None:
        """See `Talk.hears`."""
        __tracebackhide__ = True
        self._run(self._talk.hears(label, tone_hz=tone_hz, level_above_dbfs=level_above_dbfs, timeout=timeout))

    def send_digits(self, digits: str) -> BlockingCall:
        """See `Talk.send_digits`."""
        __tracebackhide__ = True
        return self._call(self._talk.send_digits(digits))

    def expect_digits(self, digits: str, *, timeout: Duration | None = None) -> None:
        """See `Talk.expect_digits`."""
        __tracebackhide__ = True
        self._run(self._talk.expect_digits(digits, timeout=timeout))

    def send_message(
        self, content: object, *, message_type: str | None = None, content_type: str | None = None, wait: bool = True
    ) -> str:
        """See `Talk.send_message`."""
        __tracebackhide__ = True
        return self._run(
            self._talk.send_message(content, message_type=message_type, content_type=content_type, wait=wait)
        )

    def expect_message(self, content: object = ..., *, timeout: Duration | None = None) -> Message:
        """See `Talk.expect_message`."""
        __tracebackhide__ = True
        return self._run(self._talk.expect_message(content, timeout=timeout))

    def expect(
        self, event: str | None = None, *, status: str | None = None, timeout: Duration | None = None
    ) -> BlockingCall:
        """See `Talk.expect`."""
        __tracebackhide__ = True
        return self._call(self._talk.expect(event, status=status, timeout=timeout))

    def expect_end(self, *, timeout: Duration | None = None) -> BlockingCall:
        """See `Talk.expect_end`."""
        __tracebackhide__ = True
        return self._call(self._talk.expect_end(timeout=timeout))

    def says_nothing_for(self, duration: Duration) -> BlockingCall:
        """See `Talk.says_nothing_for`."""
        __tracebackhide__ = True
        return self._call(self._talk.says_nothing_for(duration))

    def hears_nothing_for(self, duration: Duration) -> BlockingCall:
        """See `Talk.hears_nothing_for`."""
        __tracebackhide__ = True
        return self._call(self._talk.hears_nothing_for(duration))

    def feedback(self, score: int | None = None, issue: str | None = None) -> BlockingCall:
        """See `Talk.feedback`."""
        __tracebackhide__ = True
        return self._call(self._talk.feedback(score, issue))

    def misbehave(self, how: Misbehaviour, *, by: Duration | None = None) -> BlockingCall:
        """See `Talk.misbehave`."""
        __tracebackhide__ = True
        return self._call(self._talk.misbehave(how, by=by))


class BlockingCall(BlockingTalk):
    """See `Call`."""

    def __init__(self, call: Call, run: Run) -> None:
        super().__init__(call, run)
        self.asynchronous = call

    def refresh(self) -> BlockingCall:
        """See `Call.refresh`."""
        __tracebackhide__ = True
        self._run(self.asynchronous.refresh())
        return self

    @property
    def id(self) -> str:
        """See `Call.id`."""
        return self.asynchronous.id

    @property
    def sid(self) -> str | None:
        """See `Call.sid`."""
        return self.asynchronous.sid

    @property
    def direction(self) -> Literal["incoming", "outgoing"]:
        """See `Call.direction`."""
        return self.asynchronous.direction

    @property
    def status(self) -> str:
        """See `Call.status`."""
        return self.asynchronous.status

    @property
    def from_(self) -> str | None:
        """See `Call.from_`."""
        return self.asynchronous.from_

    @property
    def to(self) -> str | None:
        """See `Call.to`."""
        return self.asynchronous.to

    @property
    def parameters(self) -> dict[str, str]:
        """See `Call.parameters`."""
        return self.asynchronous.parameters

    @property
    def custom_parameters(self) -> dict[str, str]:
        """See `Call.custom_parameters`."""
        return self.asynchronous.custom_parameters

    @property
    def ended_by(self) -> str | None:
        """See `Call.ended_by`."""
        return self.asynchronous.ended_by

    @property
    def error(self) -> Any:
        """See `Call.error`."""
        return self.asynchronous.error


class BlockingNetwork:
    """See `Network`."""

    def __init__(self, network: Network, run: Run) -> None:
        self._network = network
        self._run = run
        self.identity = network.identity

    def cut(self) -> None:
        """See `Network.cut`."""
        __tracebackhide__ = True
        self._run(self._network.cut())

    def restore(self) -> None:
        """See `Network.restore`."""
        __tracebackhide__ = True
        self._run(self._network.restore())

    def disturb(self, *faults: Fault) -> None:
        """See `Network.disturb`."""
        __tracebackhide__ = True
        self._run(self._network.disturb(*faults))

    def heal(self) -> None:
        """See `Network.heal`."""
        __tracebackhide__ = True
        self._run(self._network.heal())


class BlockingPerson(BlockingTalk):
    """See `Person`."""

    def __init__(self, person: Person, run: Run) -> None:
        super().__init__(person, run)
        self._person = person
        self.name = person.name
        self.identity = person.identity
        self.number = person.number
        self.network = BlockingNetwork(person.network, run)

    def call(
        self, to: str | None = None, params: Mapping[str, str] | None = None, *, script: Script | None = None
    ) -> BlockingCall:
        """See `Person.call`."""
        __tracebackhide__ = True
        return BlockingCall(self._run(self._person.call(to, params, script=script)), self._run)

    def incoming(self, *, timeout: Duration | None = None) -> BlockingCall:
        """See `Person.incoming`."""
        __tracebackhide__ = True
        return BlockingCall(self._run(self._person.incoming(timeout=timeout)), self._run)

    def calls(self) -> list[BlockingCall]:
        """See `Person.calls`."""
        __tracebackhide__ = True
        return [BlockingCall(call, self._run) for call in self._run(self._person.calls())]

    def on_call(self, script: Script) -> None:
        """See `Person.on_call`."""
        __tracebackhide__ = True
        self._run(self._person.on_call(script))

    def cut_network(self) -> None:
        """See `Person.cut_network`."""
        __tracebackhide__ = True
        self._run(self._person.cut_network())

    def restore_network(self) -> None:
        """See `Person.restore_network`."""
        __tracebackhide__ = True
        self._run(self._person.restore_network())

    def leave(self) -> None:
        """See `Person.leave`."""
        __tracebackhide__ = True
        self._run(self._person.leave())


class BlockingRecorder:
    """See `Recorder`."""

    def __init__(self, recorder: Recorder, run: Run) -> None:
        self._recorder = recorder
        self._run = run
        self.name = recorder.name
        self.url = recorder.url

    def __repr__(self) -> str:
        return f"<Blocking {self._recorder!r}>"

    def requests(self) -> list[Request]:
        """See `Recorder.requests`."""
        __tracebackhide__ = True
        return self._run(self._recorder.requests())

    def expect(
        self, fields: Mapping[str, Any] | None = None, *, path: str | None = None, timeout: Duration | None = None
    ) -> Request:
        """See `Recorder.expect`."""
        __tracebackhide__ = True
        return self._run(self._recorder.expect(fields, path=path, timeout=timeout))

    def answer(
        self,
        twiml: str | None = None,
        *,
        status: int | None = None,
        body: str | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        """See `Recorder.answer`."""
        __tracebackhide__ = True
        self._run(self._recorder.answer(twiml, status=status, body=body, behaviour=behaviour))


class BlockingClock:
    """Waits. There is no virtual time without asyncio."""

    is_virtual = False

    def now(self) -> float:
        """See `Clock.now`."""
        return time.time()

    def sleep(self, duration: Duration) -> None:
        """See `Clock.sleep`."""
        __tracebackhide__ = True
        time.sleep(seconds(duration))

    def advance(self, duration: Duration) -> None:
        """Raises `SwitchboardUnusable`: only asynchronous tests have a time that can be advanced."""
        __tracebackhide__ = True
        raise SwitchboardUnusable(
            "real time cannot be advanced, and a test without asyncio has no other: write `async def` and "
            "@pytest.mark.switchboard(time='virtual'), or wait with switchboard.clock.sleep(…)"
        )


class BlockingSwitchboard:
    """See `Switchboard`. What the fixture `switchboard` is in tests that are plain functions."""

    def __init__(self, place: RealPlace, run: Run) -> None:
        self._place = place
        self._run = run
        self._switchboard = Switchboard(place)
        self.time = self._switchboard.time
        self.clock = BlockingClock()
        self.http_url = place.http_url
        self.https_url = place.https_url
        self.signal_url = place.signal_url
        self.ca_file = place.ca_file
        self.credentials = place.credentials

    def __repr__(self) -> str:
        return f"<Blocking {self._switchboard!r}>"

    @property
    def account_sid(self) -> str:
        """See `Switchboard.account_sid`."""
        return self._switchboard.account_sid

    @property
    def auth_token(self) -> str:
        """See `Switchboard.auth_token`."""
        return self._switchboard.auth_token

    @property
    def application_sid(self) -> str:
        """See `Switchboard.application_sid`."""
        return self._switchboard.application_sid

    @property
    def env(self) -> dict[str, str]:
        """See `Switchboard.env`."""
        return self._switchboard.env

    @property
    def rest(self) -> Client:
        """The official library's client for its usual methods: `switchboard.rest.calls.create(…)`.

        Raises:
            SwitchboardUnusable: the library is not installed.
        """
        return library.blocking_client(self._place.control, self.credentials, self._run)

    def person(
        self,
        name: str,
        *,
        identity: str | None = None,
        number: str | None = None,
        media: Literal["none", "real"] | None = None,
        on_call: Script | None = None,
    ) -> BlockingPerson:
        """See `Switchboard.person`."""
        __tracebackhide__ = True
        asked = self._switchboard.person(name, identity=identity, number=number, media=media, on_call=on_call)
        return BlockingPerson(self._run(asked), self._run)

    def recorder(
        self,
        name: str | None = None,
        *,
        twiml: str | None = None,
        status: int | None = None,
        body: str | None = None,
        behaviour: Behaviour | None = None,
        check_signatures: bool = True,
    ) -> BlockingRecorder:
        """See `Switchboard.recorder`."""
        __tracebackhide__ = True
        asked = self._switchboard.recorder(
            name, twiml=twiml, status=status, body=body, behaviour=behaviour, check_signatures=check_signatures
        )
        return BlockingRecorder(self._run(asked), self._run)

    def serve(
        self,
        app: Application,
        *,
        voice: str | None = "/voice",
        status_callback: str | None = None,
    ) -> Served:
        """See `Switchboard.serve`. The application runs in threads of its own."""
        __tracebackhide__ = True
        doors = Doors(as_asgi(app), self.auth_token)
        url = Served.at(self._place.serve_in_threads(doors), doors)
        self.point(url, voice=voice, status_callback=status_callback)
        return url

    def point(self, url: str, *, voice: str | None = "/voice", status_callback: str | None = None) -> None:
        """See `Switchboard.point`."""
        __tracebackhide__ = True
        self._run(self._switchboard.point(url, voice=voice, status_callback=status_callback))

    def token(
        self,
        identity: str,
        *,
        ttl: Duration | None = None,
        incoming: bool | None = None,
        params: Mapping[str, str] | None = None,
    ) -> str:
        """See `Switchboard.token`."""
        __tracebackhide__ = True
        return self._run(self._switchboard.token(identity, ttl=ttl, incoming=incoming, params=params))

    def get(self, path: str) -> Any:
        """See `Switchboard.get`."""
        __tracebackhide__ = True
        return self._run(self._switchboard.get(path))

    def network(self, identity: str) -> BlockingNetwork:
        """See `Switchboard.network`."""
        return BlockingNetwork(self._switchboard.network(identity), self._run)

    def timeline(self, call: BlockingCall | Call | str | None = None) -> str:
        """See `Switchboard.timeline`."""
        __tracebackhide__ = True
        asked = call.asynchronous if isinstance(call, BlockingCall) else call
        return self._run(self._switchboard.timeline(asked))
