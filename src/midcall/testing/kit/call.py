"""One call as one person has it: what that person does in it, and what it is expected to see and hear."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from midcall.testing.kit.control import Json, given, part

if TYPE_CHECKING:
    from midcall.testing.kit.person import Person

Duration = float | str
"""Seconds, or a text such as `"300ms"`, `"5s"`, `"2m"`, `"1h"`."""

Misbehaviour = Literal["no_answer", "malformed_frame", "double_answer", "late_hang_up"]


class Talk:
    """What can be done in a call. `Call` does it in that call, `Person` in the person's current one.

    What has no other answer returns the call, as it is afterwards.
    """

    async def _ask(self, action: str, body: Json) -> Any:
        """Do an action; the server's answer."""
        raise NotImplementedError

    async def _act(self, action: str, body: Json) -> Call:
        """Do an action whose answer is the call as it is afterwards."""
        raise NotImplementedError

    async def accept(self) -> Call:
        """Answer an incoming call."""
        __tracebackhide__ = True
        return await self._act("accept", {})

    async def reject(self) -> Call:
        """Refuse an incoming call; the caller is told that this person is busy."""
        __tracebackhide__ = True
        return await self._act("reject", {})

    async def ignore(self) -> Call:
        """Let an incoming call ring unheard."""
        __tracebackhide__ = True
        return await self._act("ignore", {})

    async def hang_up(self) -> Call:
        """End the call."""
        __tracebackhide__ = True
        return await self._act("hang_up", {})

    async def mute(self, on: bool = True) -> Call:
        """Mute the microphone, or with False unmute it."""
        __tracebackhide__ = True
        return await self._act("mute", {"on": on})

    async def speak(
        self,
        label: str | None = None,
        *,
        tone_hz: int | None = None,
        level_dbfs: float | None = None,
        file: str | Path | None = None,
        for_: Duration | None = None,
    ) -> Call:
        """Say something. Without media all of it is a label, which the other side hears.

        Args:
            label: what is said, such as `"hello"`; for people without media.
            tone_hz: a tone of that frequency instead.
            level_dbfs: how loud the tone is.
            file: a WAV file instead.
            for_: how long; until `stop_speaking` when left out.
        """
        __tracebackhide__ = True
        body = given(label=label, tone_hz=tone_hz, level_dbfs=level_dbfs, for_=for_)
        if file is not None:
            path = Path(file)
            body |= {"file": path.name, "wav": base64.b64encode(await asyncio.to_thread(path.read_bytes)).decode()}
        return await self._act("speak", body)

    async def stop_speaking(self) -> Call:
        """Be silent from now on."""
        __tracebackhide__ = True
        return await self._act("stop_speaking", {})

    async def hears(
        self,
        label: str | None = None,
        *,
        tone_hz: int | None = None,
        level_above_dbfs: float | None = None,
        timeout: Duration | None = None,
    ) -> None:
        """Wait until this person hears something.

        Args:
            label: what the other side says by `speak`, for people without media.
            tone_hz: a tone of that frequency.
            level_above_dbfs: anything louder than this.
            timeout: how long to wait; 10 s when left out.

        Raises:
            ExpectationFailed: it was not heard in time.
        """
        __tracebackhide__ = True
        await self._ask(
            "expect_sound", given(label=label, tone_hz=tone_hz, level_above_dbfs=level_above_dbfs, timeout=timeout)
        )

    async def send_digits(self, digits: str) -> Call:
        """Press keys: `0` to `9`, `*`, `#`; `w` waits half a second."""
        __tracebackhide__ = True
        return await self._act("send_digits", {"digits": digits})

    async def expect_digits(self, digits: str, *, timeout: Duration | None = None) -> None:
        """Wait until the other side has pressed these keys.

        Raises:
            ExpectationFailed: it has not in time.
        """
        __tracebackhide__ = True
        await self._ask("expect_digits", given(digits=digits, timeout=timeout))

    async def send_message(
        self, content: object, *, message_type: str | None = None, content_type: str | None = None, wait: bool = True
    ) -> str:
        """Send a message to the application.

        Args:
            content: anything that is JSON.
            message_type: `user-defined-message` when left out.
            content_type: `application/json` when left out.
            wait: until the server has acknowledged it; its refusal is raised then.

        Returns:
            The message's sid.

        Raises:
            ActionRefused, ExpectationFailed: it was refused.
        """
        __tracebackhide__ = True
        body = given(message_type=message_type, content_type=content_type, wait=None if wait else False)
        answer = await self._ask("send_message", {"content": content, **body})
        return str(answer["sid"])

    async def expect_message(self, content: object = ..., *, timeout: Duration | None = None) -> Message:
        """Wait for a message from the application; the first that matches, also one that came before.

        Args:
            content: what must be in it: each key that is given here, lists exactly, anything else by equality. Left
                out, any message matches. Messages that do not match stay for later expectations.
            timeout: how long to wait; 10 s when left out.

        Raises:
            ExpectationFailed: none came in time.
        """
        __tracebackhide__ = True
        body = given(timeout=timeout)
        if content is not ...:
            body["content"] = content
        return Message(await self._ask("expect_message", body))

    async def expect(
        self, event: str | None = None, *, status: str | None = None, timeout: Duration | None = None
    ) -> Call:
        """Wait for an event of the client, past or to come, or for a status of the call.

        Args:
            event: as the SDK names it: `ringing`, `accept`, `disconnect`, `cancel`, `reject`, `error`, `reconnecting`,
                `reconnected`…
            status: `pending`, `connecting`, `ringing`, `open`, `reconnecting`, `closed`.

        Raises:
            ExpectationFailed: it did not come in time.
        """
        __tracebackhide__ = True
        return await self._act("expect", given(event=event, status=status, timeout=timeout))

    async def expect_end(self, *, timeout: Duration | None = None) -> Call:
        """Wait until the call is over.

        Raises:
            ExpectationFailed: it was not over in time.
        """
        __tracebackhide__ = True
        return await self._act("expect_end", given(timeout=timeout))

    async def says_nothing_for(self, duration: Duration) -> Call:
        """Check that this person sends neither sound nor label nor message for that long.

        Raises:
            ExpectationFailed: it said something.
        """
        __tracebackhide__ = True
        return await self._act("says_nothing_for", {"for": duration})

    async def hears_nothing_for(self, duration: Duration) -> Call:
        """Check that neither sound nor label nor message reaches this person for that long.

        Raises:
            ExpectationFailed: something did.
        """
        __tracebackhide__ = True
        return await self._act("hears_nothing_for", {"for": duration})

    async def feedback(self, score: int | None = None, issue: str | None = None) -> Call:
        """Tell how good the call was, as `postFeedback` does.

        Args:
            score: 1 to 5.
            issue: such as `echo` or `dropped-call`.
        """
        __tracebackhide__ = True
        return await self._act("feedback", given(score=score, issue=issue))

    async def misbehave(self, how: Misbehaviour, *, by: Duration | None = None) -> Call:
        """Be a broken client.

        Args:
            how: what goes wrong.
            by: how late, for `late_hang_up`.
        """
        __tracebackhide__ = True
        return await self._act("misbehave", given(how=how, by=by))


class Call(Talk):
    """One call as one person has it. What it says of itself is as of the last request about it; see `refresh`."""

    def __init__(self, person: Person, told: Mapping[str, Any]) -> None:
        self.person = person
        self._told: dict[str, Any] = dict(told)

    def __repr__(self) -> str:
        return f"<Call {self.id} {self.direction} {self.status} {self.sid or 'without sid'}>"

    @property
    def id(self) -> str:
        """Such as `alice-1`: the person and a number."""
        return str(self._told["id"])

    @property
    def sid(self) -> str | None:
        """`CA…` of this person's leg; None until the server has given it one."""
        return self._told.get("sid")

    @property
    def direction(self) -> Literal["incoming", "outgoing"]:
        return "incoming" if self._told["direction"] == "incoming" else "outgoing"

    @property
    def status(self) -> str:
        """`pending`, `connecting`, `ringing`, `open`, `reconnecting` or `closed`."""
        return str(self._told["status"])

    @property
    def from_(self) -> str | None:
        """Who calls, such as `client:alice` or `+15550100`."""
        return self._told.get("from")

    @property
    def to(self) -> str | None:
        """Who is called."""
        return self._told.get("to")

    @property
    def parameters(self) -> dict[str, str]:
        """What the SDK's call has as `parameters`."""
        return dict(self._told.get("parameters") or {})

    @property
    def custom_parameters(self) -> dict[str, str]:
        """What the application's TwiML gave it, or what the call was placed with."""
        return dict(self._told.get("custom_parameters") or {})

    @property
    def ended_by(self) -> str | None:
        """The event that ended it: `cancel`, `disconnect`, `reject`…; None while it lives."""
        return self._told.get("ended_by")

    @property
    def error(self) -> Any:
        """The last error that the client told; None when there was none."""
        return self._told.get("error")

    async def refresh(self) -> Call:
        """Ask what it is now.

        Returns:
            The same call.
        """
        __tracebackhide__ = True
        self._learn(await self.person.control.request("GET", self._path))
        return self

    @property
    def _path(self) -> str:
        return f"/people/{part(self.person.name)}/calls/{part(self.id)}"

    async def _ask(self, action: str, body: Json) -> Any:
        __tracebackhide__ = True
        return await self.person.control.request("POST", f"{self._path}/{action}", body)

    async def _act(self, action: str, body: Json) -> Call:
        __tracebackhide__ = True
        self._learn(await self._ask(action, body))
        return self

    def _learn(self, told: Mapping[str, Any]) -> None:
        self._told = dict(told)


class Message:
    """A message that reached a person."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = dict(told)

    def __repr__(self) -> str:
        return f"<Message {self.sid} {self.content!r}>"

    @property
    def sid(self) -> str | None:
        """`KX…`."""
        return self._told.get("sid")

    @property
    def content(self) -> Any:
        return self._told.get("content")

    @property
    def message_type(self) -> str | None:
        return self._told.get("message_type")

    @property
    def content_type(self) -> str | None:
        return self._told.get("content_type")


Script = Sequence[Mapping[str, Any]]
"""Steps with one key each: `[{"ring": "2s"}, {"answer": {}}, {"speak": {"label": "hello"}}, {"hang_up": {}}]`."""
