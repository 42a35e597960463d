"""All virtual people of a server, by account: each account has its own and sees no others."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, cast
from weakref import WeakValueDictionary

import aiohttp

from midcall.app.assembly import App
from midcall.core import numbers, sids, tokens
from midcall.core.accounts import ApiKey
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, KeySid
from midcall.media.labels import Kind, Labels
from midcall.media.none import NoneEngine
from midcall.media.router import MediaRouter
from midcall.ports import PageRequest, TraceEvent
from midcall.sdk import Device
from midcall.sdk.chance import Chance
from midcall.testing.people.actions import Step
from midcall.testing.people.call import PersonCall
from midcall.testing.people.doing import Doer
from midcall.testing.people.journal import HAS_SID, Journal
from midcall.testing.people.person import Person
from midcall.testing.people.problems import TooMany, Unknown, Unusable, WrongState
from midcall.testing.people.reach import Reach

log = logging.getLogger(__name__)

MAX_PEOPLE: Final = 500
"""Of one account."""

MAX_UNCLAIMED: Final = 1_000
MAX_UNCLAIMED_OF_LEG: Final = 50
"""Legs whose clients do not know their sid yet, and things that one of them heard."""

TOKEN_S: Final = 12 * 3600
LONGEST_S: Final = 600.0
LONGEST_VIRTUAL_S: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """Where people live.

    Attributes:
        http_url: the server's port without TLS.
        https_url: the other one.
        application_sid: of the account that the server began with; None takes the newest of each account.
        time: whether waits are real, or a virtual loop's.
        session: reaches the server; None makes one.
        chance: of people's clients; None draws from the server's.
    """

    http_url: str
    https_url: str
    account_sid: str
    application_sid: str | None = None
    time: Literal["real", "virtual"] = "real"
    session: aiohttp.ClientSession | None = None
    chance: Chance | None = None

    @property
    def longest_s(self) -> float:
        """How long one wait may last."""
        return LONGEST_VIRTUAL_S if self.time == "virtual" else LONGEST_S


@dataclass(slots=True)
class People:
    """The people of one account."""

    account: AccountSid
    journal: Journal
    persons: dict[str, Person] = field(default_factory=dict)
    arriving: set[str] = field(default_factory=set)

    def person(self, name: str) -> Person:
        """By name.

        Raises:
            Unknown: there is none.
        """
        found = self.persons.get(name)
        if found is None:
            raise Unknown(f"there is no person {name[:64]!r}; there are {', '.join(self.persons) or 'none'}")
        return found


class Everybody:
    """Makes people and keeps them, until `close`."""

    def __init__(self, app: App, town: Town) -> None:
        self._app = app
        self.town = town
        self.labels = _labels(app)
        self._session = town.session
        self._closed = False
        self._chance = town.chance or Chance(app.entropy)
        self._accounts: dict[AccountSid, People] = {}
        self._calls: WeakValueDictionary[str, PersonCall] = WeakValueDictionary()
        self._unclaimed: OrderedDict[CallSid, list[tuple[Kind, str]]] = OrderedDict()
        self._doer = Doer(self.labels, longest_s=town.longest_s)
        self.on_emptied: Callable[[AccountSid], None] = lambda account: None
        """Called when all people of an account have left."""
        self.is_cut: Callable[[tuple[AccountSid, str]], bool] = lambda client: False
        """Whether the network of a client, by account and identity, is cut."""
        app.trace.listener = self._on_trace
        if self.labels is not None:
            self.labels.on_heard = self._on_heard
            self.labels.on_bridged = self._on_bridged
            self.labels.on_taken = self._on_taken

    @property
    def doer(self) -> Doer:
        """Does what people are asked to."""
        return self._doer

    @property
    def has_media(self) -> bool:
        """Whether people can have real media here."""
        return not isinstance(self._app.media, NoneEngine)

    def of(self, account: AccountSid) -> People:
        """The people of an account, which may be none."""
        people = self._accounts.get(account)
        if people is None:
            people = self._accounts[account] = People(account, Journal(self._app.clock.now))
        return people

    async def add(
        self,
        account: AccountSid,
        name: str,
        *,
        identity: str | None = None,
        number: str | None = None,
        media: Literal["real", "none"] | None = None,
        on_call: Sequence[Step] = (),
    ) -> Person:
        """Make a person; it is registered when this returns.

        Args:
            identity: of its client; the name, when left out.
            number: in E.164, of a person with a phone instead of a client.

        Raises:
            WrongState: somebody has that name.
            Unusable, TooMany, Unfulfilled.
        """
        people = self.of(account)
        if name in people.persons or name in people.arriving:
            raise WrongState(f"there is a person {name!r} already")
        if len(people.persons) + len(people.arriving) >= MAX_PEOPLE:
            raise TooMany(f"an account has at most {MAX_PEOPLE} people")
        if media == "real" and not self.has_media:
            raise Unusable("this server has no media, so people speak labels: leave media out, or say none")
        if number is not None and identity is not None:
            raise Unusable("a person has an identity or a number: a phone is no client of the app")
        if not tokens.is_identity(identity or name):
            raise Unusable(f"{identity!r} has characters that no client's identity may have")
        people.arriving.add(name)
        try:
            client = (identity or name) if number is None else await self._plug_in(account, number)
            try:
                person = await self._arrive(people, name, client, number, media, on_call)
            except BaseException:
                self._unplug(account, number)
                raise
        finally:
            people.arriving.discard(name)
        if self._closed:
            await self._leave(account, person)
            raise WrongState("the server is stopping")
        people.persons[name] = person
        return person

    async def _arrive(
        self,
        people: People,
        name: str,
        client: str,
        number: str | None,
        media: Literal["real", "none"] | None,
        on_call: Sequence[Step],
    ) -> Person:
        token = await self.token(people.account, client)
        chosen: Literal["real", "none"] = media or ("real" if self.has_media else "none")
        person = Person(
            name,
            identity=client if number is None else None,
            number=number,
            media=chosen,
            make_device=lambda: self._device((people.account, client), token, chosen),
            doer=self._doer,
            journal=people.journal,
            on_call=on_call,
            on_sid=self._on_sid,
        )
        self._keep_token_fresh(people.account, client, person)
        try:
            await person.register()
        except BaseException:
            await person.leave()
            raise
        return person

    async def _plug_in(self, account: AccountSid, number: str) -> str:
        """Identity of a phone's client."""
        if not numbers.is_e164(number):
            raise Unusable(f"{number[:32]!r} is no number in E.164 format, like +14155550100")
        if await self._app.store.phone_number_of(account, number) is not None:
            raise WrongState(f"{number} is a number of the account; a person's phone has one of its own")
        try:
            return self._app.phones.plug_in(account, number)
        except ValueError as error:
            raise WrongState(str(error)) from None

    def _unplug(self, account: AccountSid, number: str | None) -> None:
        if number is not None:
            self._app.phones.unplug(account, number)

    async def remove(self, account: AccountSid, name: str) -> None:
        """Let a person leave; its calls end.

        Raises:
            Unknown: there is none.
        """
        people = self.of(account)
        person = people.person(name)
        del people.persons[name]
        await self._leave(account, person)

    async def remove_all(self, account: AccountSid) -> None:
        """Let all people of an account leave, and begin a new story."""
        people = self.of(account)
        persons, people.persons = list(people.persons.values()), {}
        await asyncio.gather(*(self._leave(account, person) for person in persons))
        people.journal.clear()
        self.on_emptied(account)

    async def close(self) -> None:
        """Let all people leave; who arrives meanwhile is sent away."""
        self._closed = True
        for account in list(self._accounts):
            await self.remove_all(account)
        self._app.trace.listener = None
        if self.labels is not None:
            self.labels.on_heard = None
            self.labels.on_bridged = self.labels.on_taken = lambda leg: None
        if self._session is not None and self._session is not self.town.session:
            await self._session.close()

    async def _leave(self, account: AccountSid, person: Person) -> None:
        await person.leave()
        self._unplug(account, person.number)

    # tokens

    async def token(
        self,
        account: AccountSid,
        identity: str | None,
        *,
        ttl_s: int | None = None,
        incoming: bool = True,
        application_sid: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> str:
        """An access token of the account, signed with one of its keys.

        Args:
            application_sid: where its outgoing calls go; None takes the account's own, if it has one.
            params: default parameters of its outgoing calls.
        """
        key = await self._key(account)
        application = application_sid or await self.application(account)
        now = self._app.clock.now()
        return tokens.mint(
            key_sid=key.sid,
            secret=key.secret,
            account_sid=account,
            now=now,
            token_id=f"{key.sid}-{now:.0f}",
            identity=identity,
            ttl_s=TOKEN_S if ttl_s is None else ttl_s,
            incoming=incoming,
            application_sid=None if application is None else ApplicationSid(application),
            parameters=params,
        )

    async def _key(self, account: AccountSid) -> ApiKey:
        """The account's oldest key that the store shows on a page; an account without one is given one."""
        rows = (await self._app.store.keys(account, PageRequest(size=50))).rows
        if rows:
            return rows[-1]
        now = self._app.clock.now()
        key = ApiKey(
            sid=KeySid(sids.mint("SK", self._app.entropy(sids.ENTROPY_BYTES))),
            account_sid=account,
            friendly_name="virtual people",
            secret=self._app.entropy(sids.ENTROPY_BYTES).hex(),
            is_main=False,
            created_at=now,
            updated_at=now,
        )
        await self._app.store.put_key(key)
        return key

    async def application(self, account: AccountSid) -> str | None:
        """Where outgoing calls of an account's people go; None when it has no TwiML application."""
        if account == self.town.account_sid and self.town.application_sid is not None:
            return self.town.application_sid
        rows = (await self._app.store.applications(account, PageRequest(size=1))).rows
        return rows[0].sid if rows else None

    def _keep_token_fresh(self, account: AccountSid, identity: str, person: Person) -> None:
        async def renew(device: Device) -> None:
            device.update_token(await self.token(account, identity))

        person.device.on("tokenWillExpire", renew)

    # clients

    def _device(self, client: tuple[AccountSid, str], token: str, media: Literal["real", "none"]) -> Device:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)  # a socket for each person
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return Device(
            token,
            url=f"{self.town.http_url.replace('http', 'ws', 1)}/signal",
            session=cast(aiohttp.ClientSession, Reach(self._session, lambda: self.is_cut(client))),
            media=media,
            allow_incoming_while_busy=True,
            chance=self._chance,
            now=lambda: datetime.fromtimestamp(self._app.clock.now(), UTC),
        )

    # what the server tells

    def _on_trace(self, event: TraceEvent) -> None:
        """Only accounts that have people keep what the server says, beside its own trace."""
        people = None if event.account_sid is None else self._accounts.get(event.account_sid)
        if people is not None and people.persons and event.leg_sid is not None:
            people.journal.trace(event)

    def _on_sid(self, call: PersonCall) -> None:
        assert call.sid is not None
        self._calls[call.sid] = call
        call.note(HAS_SID, sid=call.sid)
        for kind, text in self._unclaimed.pop(CallSid(call.sid), ()):
            self._tell(call, kind, text)

    def _on_heard(self, leg: CallSid, kind: Kind, text: str) -> None:
        call = self._calls.get(leg)
        if call is not None:
            self._tell(call, kind, text)
            return
        heard = self._unclaimed.setdefault(leg, [])
        if len(heard) < MAX_UNCLAIMED_OF_LEG:
            heard.append((kind, text))
        while len(self._unclaimed) > MAX_UNCLAIMED:
            self._unclaimed.popitem(last=False)

    def _on_bridged(self, leg: CallSid) -> None:
        if (call := self._calls.get(leg)) is not None:
            call.bell.ring()

    def _on_taken(self, leg: CallSid) -> None:
        if (call := self._calls.get(leg)) is not None:
            call.confirm()

    @staticmethod
    def _tell(call: PersonCall, kind: Kind, text: str) -> None:
        if kind == "sound":
            call.ears.label(text)
        else:
            call.ears.label_digits(text)


def _labels(app: App) -> Labels | None:
    return app.media.labels if isinstance(app.media, NoneEngine | MediaRouter) else None
