"""The part of the control API that is about people: who they are, their calls, tokens and timelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from midcall.app.assembly import App
from midcall.core import sids
from midcall.core.sids import CallSid
from midcall.testing.control.bodies import About, NewCall, NewPerson, NewToken, Token, Wait
from midcall.testing.control.edge import Asked, Edge, plain
from midcall.testing.people.actions import Step, arguments_of, script_of, seconds_of
from midcall.testing.people.call import CallView, PersonCall
from midcall.testing.people.everybody import Everybody
from midcall.testing.people.person import Person, PersonView
from midcall.testing.people.problems import Unknown, Unusable
from midcall.testing.people.story import Timeline, timeline

VERSION: Final = "1"
MAX_TTL_S: Final = 86_400


class PeopleRoutes:
    """Handlers over `Everybody`."""

    def __init__(self, everybody: Everybody, app: App, edge: Edge) -> None:
        self._everybody = everybody
        self._app = app
        self._edge = edge

    def add(self) -> None:
        """Add the routes."""
        person, call = plain("/people/{name}"), plain("/people/{name}/calls/{id}")
        add = self._edge.add
        add("GET", "", self.about)
        add("POST", "/people", self.create, NewPerson, status=201)
        add("GET", "/people", self.list)
        add("DELETE", "/people", self.delete_all, status=204)
        add("GET", person, self.show)
        add("DELETE", person, self.delete, status=204)
        add("PUT", f"{person}/on_call", self.change, list[Any])
        add("POST", f"{person}/calls", self.place, NewCall, status=201)
        add("GET", f"{person}/calls", self.calls)
        add("GET", call, self.call)
        add("POST", f"{person}/incoming", self.incoming, Wait)
        add("POST", f"{call}{plain('/{action}')}", self.act, dict[str, Any])
        add("GET", "/timeline", self.timeline)
        add("POST", "/tokens", self.token, NewToken, status=201)

    async def about(self, asked: Asked) -> About:
        town = self._everybody.town
        application = await self._everybody.application(asked.account)
        return About(
            version=VERSION,
            mode="dev",
            time=town.time,
            media="real" if self._everybody.has_media else "none",
            http_url=town.http_url,
            https_url=town.https_url,
            account_sid=asked.account,
            application_sid=application,
            people=list(self._everybody.of(asked.account).persons),
        )

    # people

    async def create(self, asked: Asked) -> PersonView:
        new: NewPerson = asked.body
        person = await self._everybody.add(
            asked.account,
            new.name,
            identity=new.identity,
            number=new.number,
            media=new.media,
            on_call=script_of(list(new.on_call) if new.on_call == () else new.on_call),
        )
        return person.view()

    async def list(self, asked: Asked) -> dict[str, Sequence[PersonView]]:
        return {"people": [person.view() for person in self._everybody.of(asked.account).persons.values()]}

    async def show(self, asked: Asked) -> PersonView:
        return self._person(asked).view()

    async def change(self, asked: Asked) -> PersonView:
        person = self._person(asked)
        person.on_call = script_of(asked.body)
        return person.view()

    async def delete(self, asked: Asked) -> None:
        await self._everybody.remove(asked.account, asked.path["name"])

    async def delete_all(self, asked: Asked) -> None:
        await self._everybody.remove_all(asked.account)

    # calls

    async def place(self, asked: Asked) -> CallView:
        new: NewCall = asked.body
        params = {name: _text(value) for name, value in new.params.items()}
        if new.to is not None:
            params["To"] = new.to
        script: Sequence[Step] | None = None if new.script is None else script_of(new.script)
        call = await self._person(asked).place(params, script)
        return call.view()

    async def incoming(self, asked: Asked) -> CallView:
        wait: Wait = asked.body
        call = await self._person(asked).incoming(self._everybody.doer.bounded(wait.timeout))
        return call.view()

    async def calls(self, asked: Asked) -> dict[str, Sequence[CallView]]:
        return {"calls": [call.view() for call in self._person(asked).calls]}

    async def call(self, asked: Asked) -> CallView:
        return self._call(asked).view()

    async def act(self, asked: Asked) -> Any:
        person, call = self._person(asked), self._call(asked)
        action = asked.path["action"]
        return await person.do(call, action, arguments_of(action, asked.body))

    # timelines and tokens

    async def timeline(self, asked: Asked) -> Timeline:
        call: CallSid | None = None
        if (wanted := asked.query.get("call")) is not None:
            sid = sids.parse(wanted, "CA")
            if sid is None or await self._app.store.call(asked.account, CallSid(sid)) is None:
                raise Unknown(f"there is no call {wanted[:64]}")
            call = CallSid(sid)
        return await timeline(self._app, self._everybody.of(asked.account).journal, asked.account, call)

    async def token(self, asked: Asked) -> Token:
        new: NewToken = asked.body
        ttl_s = round(seconds_of(new.ttl))
        if not 1 <= ttl_s <= MAX_TTL_S:
            raise Unusable("ttl is between a second and a day")
        token = await self._everybody.token(
            asked.account,
            new.identity,
            ttl_s=ttl_s,
            incoming=new.incoming,
            application_sid=new.application_sid,
            params=new.params,
        )
        return Token(token, new.identity)

    def _person(self, asked: Asked) -> Person:
        return self._everybody.of(asked.account).person(asked.path["name"])

    def _call(self, asked: Asked) -> PersonCall:
        return self._person(asked).call(asked.path["id"])


def _text(value: str | int | float | bool) -> str:
    """As JavaScript would make it a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
