"""A virtual person: a registered client, or somebody with a phone, who calls and is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from midcall.testing.kit.call import Call, Duration, Script, Talk
from midcall.testing.kit.control import Control, Json, given, part
from midcall.testing.kit.network import Network


class Person(Talk):
    """Somebody to call and to be called by. What is done in a call is done in the current one: the newest that is
    not over, else the newest.

    Attributes:
        name: how tests call it.
        identity: under which it is registered.
        number: its phone number; None for clients.
        network: the way between its client and the server, which can be cut and disturbed.
    """

    def __init__(self, control: Control, told: Mapping[str, Any]) -> None:
        self.control = control
        self.name = str(told["name"])
        self.identity = str(told.get("identity") or self.name)
        self.number: str | None = told.get("number")
        self.network = Network(control, self.identity)

    def __repr__(self) -> str:
        return f"<Person {self.name}{f' {self.number}' if self.number else ''}>"

    async def call(
        self, to: str | None = None, params: Mapping[str, str] | None = None, *, script: Script | None = None
    ) -> Call:
        """Place a call; it has begun when this returns, and nobody needs to have answered.

        Args:
            to: becomes the parameter `To`, which the application gets; for somebody with a phone, a number.
            params: more parameters for the application.
            script: what this person does in the call by itself.
        """
        __tracebackhide__ = True
        body = given(to=to, params=params or None, script=None if script is None else steps_of(script))
        return Call(self, await self._request("POST", "/calls", body))

    async def incoming(self, *, timeout: Duration | None = None) -> Call:
        """Wait for the next call to this person, also one that came before; each is given once.

        Args:
            timeout: how long to wait; 10 s when left out.

        Raises:
            ExpectationFailed: nobody called in time.
        """
        __tracebackhide__ = True
        return Call(self, await self._request("POST", "/incoming", given(timeout=timeout)))

    async def calls(self) -> list[Call]:
        """All calls of this person, oldest first."""
        __tracebackhide__ = True
        answer = await self._request("GET", "/calls")
        listed = answer["calls"] if isinstance(answer, dict) else answer
        return [Call(self, told) for told in listed]

    async def on_call(self, script: Script) -> None:
        """What each incoming call does by itself from now on.

        Args:
            script: steps such as `[{"ring": "2s"}, {"answer": {}}]`; empty lets calls ring again.
        """
        __tracebackhide__ = True
        await self._request("PUT", "/on_call", steps_of(script))

    async def cut_network(self) -> None:
        """Take the client's sockets away; it cannot open new ones until `restore_network`."""
        __tracebackhide__ = True
        await self.network.cut()

    async def restore_network(self) -> None:
        """Let the client reach the server again."""
        __tracebackhide__ = True
        await self.network.restore()

    async def leave(self) -> None:
        """Unregister, end its calls, and be nobody."""
        __tracebackhide__ = True
        await self._request("DELETE", "")

    async def _ask(self, action: str, body: Json) -> Any:
        __tracebackhide__ = True
        return await self._request("POST", f"/calls/current/{action}", body)

    async def _act(self, action: str, body: Json) -> Call:
        __tracebackhide__ = True
        return Call(self, await self._ask(action, body))

    async def _request(self, method: str, path: str, body: object = None) -> Any:
        __tracebackhide__ = True
        return await self.control.request(method, f"/people/{part(self.name)}{path}", body)


def steps_of(script: object) -> object:
    """A script as the control API takes it; whatever is none goes to the server, which says what one is."""
    if not isinstance(script, Sequence) or isinstance(script, str):
        return script
    return [dict(step) if isinstance(step, Mapping) else step for step in script]
