"""How a customer is served: what the desk does and says when something happens."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

from desk.book import Book, Entry
from desk.messages import Messages
from desk.settings import Agent, Settings
from desk.team import Team

_OVER: Final = {"completed", "busy", "no-answer", "failed", "canceled"}


class Desk:
    """Serves customers. What returns a text returns TwiML.

    Args:
        client: the official library's, with an asynchronous HTTP client.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._messages = Messages(client)
        self.team = Team(settings.agents)
        self.book = Book()

    async def welcome(self, fields: Mapping[str, str], callback: str) -> str:
        """A customer calls, or has waited a while."""
        entry = self.book.open(fields)
        async with entry.lock:
            if entry.has_app and not entry.is_heard:
                await self._messages.subscribe(entry.call_sid, callback)
                entry.is_heard = True
            return await self._next(entry)

    async def after_dial(self, fields: Mapping[str, str]) -> str:
        """Nobody answered, or the agent has hung up."""
        entry = self.book.find(fields["CallSid"])
        async with entry.lock:
            self.team.release(entry.call_sid)
            if fields["CallStatus"] in _OVER:
                return _hang_up()
            if fields["DialCallStatus"] != "completed":
                return await self._next(entry)
            question = {"type": "rate", "text": f"How was your call with {entry.agent}? 1 to 5"}
            await self._tell_customer(entry, question, key="rate")
            entry.is_asked = entry.has_app
            return _hang_up(after_s=self._settings.rating_s if entry.has_app else 0)

    async def follow_leg(self, customer: str, fields: Mapping[str, str], callback: str) -> None:
        """An agent's leg rings, is answered, or is over."""
        entry, leg, status = self.book.find(customer), fields["CallSid"], fields["CallStatus"]
        async with entry.lock:
            name = entry.legs[leg] = fields["To"].removeprefix("client:")
            if status in ("ringing", "in-progress"):
                await self._introduce(entry, leg, callback)
            if status == "in-progress":
                entry.agent, entry.agent_leg, entry.outcome = name, leg, "talking"
                self.team.release(customer, but=name)
                await self._tell_customer(entry, {"type": "agent", "name": name}, key="agent")
            elif leg == entry.agent_leg:
                entry.talked_s = int(fields["CallDuration"])

    async def pass_on(self, leg: str, sid: str, content: Any) -> None:
        """Tell the other side what this one says. A repeat is told by its sid."""
        entry = self.book.find(leg)
        async with entry.lock:
            if sid in entry.seen:
                return
            match content:
                case {"type": "rating", "score": 1 | 2 | 3 | 4 | 5 as score} if (
                    entry.is_asked and leg == entry.call_sid
                ):
                    entry.rating = score
                    await self._messages.hang_up(entry.call_sid)
                case _ if leg == entry.call_sid:
                    for agent_leg in [entry.agent_leg] if entry.agent_leg else list(entry.legs):
                        await self._messages.tell(agent_leg, content, key=sid)
                    entry.said.append(content)
                case _:
                    await self._tell_customer(entry, content, key=sid)
            entry.seen.add(sid)

    async def close(self, fields: Mapping[str, str]) -> None:
        """A customer's call is over."""
        entry = self.book.find(fields["CallSid"])
        async with entry.lock:
            self.team.release(entry.call_sid)
            entry.lasted_s = int(fields["CallDuration"])
            if entry.outcome != "missed":
                entry.outcome = "served" if entry.agent else "given up"

    async def _next(self, entry: Entry) -> str:
        """Ring who is free and was not rung yet, or let the customer wait for those who talk, or give up."""
        free = [agent for agent in self._free_for(entry) if agent.name not in entry.tried]
        if free:
            rung = free if self._settings.ring == "together" else free[:1]
            for agent in rung:
                agent.customer = entry.call_sid
                entry.tried.append(agent.name)
            entry.outcome = "ringing"
            return self._ring(rung, entry)
        talking = [agent for agent in self.team.on_duty() if agent.name not in entry.tried]
        if talking and time.time() < entry.began_at + self._settings.patience_s:
            entry.outcome = "waiting"
            await self._tell_place(entry)
            return _ask_again(self._settings.ask_again_s)
        entry.outcome = "missed"
        await self._tell_customer(entry, {"type": "missed", "text": "Nobody is free. We call you back."}, key="missed")
        return _refuse()

    def _free_for(self, entry: Entry) -> list[Agent]:
        """Free agents whom nobody needs who has waited longer."""
        free = self.team.free(entry.topic)
        for earlier in self.book.waiting_before(entry):
            theirs = next((agent for agent in free if agent.name not in earlier.tried), None)
            if theirs:
                free.remove(theirs)
        return free

    async def _introduce(self, entry: Entry, leg: str, callback: str) -> None:
        """Show an agent who calls, while it rings, and hear what the agent says."""
        if leg in entry.introduced:
            return
        card = {"type": "customer", "caller": entry.caller, "order": entry.order, "topic": entry.topic}
        more = {"earlier": self.book.earlier(entry), "said": entry.said}
        await self._messages.subscribe(leg, callback)
        await self._messages.tell(leg, card | more, key="card")
        entry.introduced.add(leg)

    async def _tell_place(self, entry: Entry) -> None:
        before = len(self.book.waiting_before(entry))
        if before != entry.before:
            await self._tell_customer(entry, {"type": "waiting", "before_you": before}, key=f"waiting-{before}")
            entry.before = before

    async def _tell_customer(self, entry: Entry, content: Any, *, key: str) -> None:
        if entry.has_app:
            await self._messages.tell(entry.call_sid, content, key=key)

    def _ring(self, agents: Sequence[Agent], entry: Entry) -> str:
        response = VoiceResponse()
        dial = response.dial(answer_on_bridge=True, timeout=self._settings.ring_s, action="/dialled")
        for agent in agents:
            client = dial.client(
                status_callback=f"/legs?customer={entry.call_sid}", status_callback_event="ringing answered completed"
            )
            client.identity(agent.name)
            client.parameter(name="caller", value=entry.caller)
            client.parameter(name="order", value=entry.order)
        return str(response)


def _ask_again(after_s: int) -> str:
    response = VoiceResponse()
    response.pause(length=after_s)
    response.redirect("/voice")
    return str(response)


def _refuse() -> str:
    response = VoiceResponse()
    response.reject(reason="busy")
    return str(response)


def _hang_up(*, after_s: int = 0) -> str:
    response = VoiceResponse()
    if after_s:
        response.pause(length=after_s)
    response.hangup()
    return str(response)
