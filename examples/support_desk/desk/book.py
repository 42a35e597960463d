"""The call book: one entry for each customer's call, while it goes on and afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True, eq=False)
class Entry:
    """One customer's call.

    Attributes:
        call_sid: of the customer's leg.
        caller: `client:…` or a phone number.
        is_heard: whether the desk hears what the customer's app says.
        before: how many customers waited longer, when this one was told last.
        said: what the customer's app has told by messages, for agents who come later.
        tried: names of the agents who have been rung.
        legs: name of the agent at the end of each leg, by the leg's sid.
        introduced: those legs that were told who calls.
        agent, agent_leg: who answered, and on which leg.
        is_asked: the customer was asked to rate the call.
        talked_s: how long customer and agent talked.
        lasted_s: how long the customer's call was; None until it is over.
        seen: sids of the messages that were passed on.
        lock: held while a callback about this call is worked on, so that what it causes leaves in order.
    """

    call_sid: str
    caller: str
    order: str = ""
    topic: str = ""
    outcome: Literal["waiting", "ringing", "talking", "served", "missed", "given up"] = "waiting"
    is_heard: bool = False
    before: int | None = None
    said: list[Any] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    legs: dict[str, str] = field(default_factory=dict)
    introduced: set[str] = field(default_factory=set)
    agent: str | None = None
    agent_leg: str | None = None
    is_asked: bool = False
    rating: int | None = None
    talked_s: int | None = None
    lasted_s: int | None = None
    began_at: float = field(default_factory=time.time)
    seen: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def has_app(self) -> bool:
        """Whether messages reach this customer; phones take none."""
        return self.caller.startswith("client:")

    def summary(self) -> dict[str, Any]:
        """What is shown of this call: in the list of calls, and to agents when the customer calls again."""
        names = ("call_sid", "caller", "order", "topic", "outcome", "agent", "tried", "rating", "talked_s", "lasted_s")
        return {name: getattr(self, name) for name in names}


class UnknownCall(LookupError):
    """A call is not in the book."""


class Book:
    """All entries, oldest first. They are kept in memory: a real desk has a database here."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def open(self, fields: Mapping[str, str]) -> Entry:
        """The entry of a call that asks for TwiML, made at its first request."""
        call_sid = fields["CallSid"]
        if call_sid not in self._entries:
            order, topic = fields.get("order", ""), fields.get("topic", "")
            self._entries[call_sid] = Entry(call_sid, fields["From"], order, topic)
        return self._entries[call_sid]

    def find(self, leg: str) -> Entry:
        """The entry to which the customer's leg or an agent's belongs.

        Raises:
            UnknownCall: there is none.
        """
        if leg in self._entries:
            return self._entries[leg]
        for entry in self:
            if leg in entry.legs:
                return entry
        raise UnknownCall(leg)

    def earlier(self, entry: Entry) -> list[dict[str, Any]]:
        """Earlier calls of the same customer, newest first."""
        same = [one for one in self if one.caller == entry.caller and one is not entry]
        return [one.summary() for one in reversed(same)]

    def waiting_before(self, entry: Entry) -> list[Entry]:
        """The customers who wait longer."""
        everybody = list(self)
        before = everybody[: everybody.index(entry)]
        return [one for one in before if one.outcome == "waiting" and one.lasted_s is None]
