"""Messages on both legs in both directions, how long they took, and whether each came once and in order."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from midcall.demo.application import Application, Rest
from midcall.demo.story import Failed, Story, within
from midcall.sdk import Call, Message, SdkError

DELIVERY_S: Final = 10.0


@dataclass(slots=True)
class Direction:
    """The messages of one leg in one direction.

    Attributes:
        name: for people.
        sent: sids in the order of sending, with monotonic seconds.
        arrived: sids in the order of arrival, with monotonic seconds.
        acknowledged_s: seconds from sending to the server's ack or 201.
    """

    name: str
    sent: dict[str, float] = field(default_factory=dict)
    arrived: list[tuple[str, float]] = field(default_factory=list)
    acknowledged_s: list[float] = field(default_factory=list)

    def delivered_s(self) -> list[float]:
        """Seconds from sending to arrival."""
        return [at - self.sent[sid] for sid, at in self.arrived if sid in self.sent]

    def check(self, story: Story) -> None:
        """Every message once, in order."""
        sent, arrived = list(self.sent), [sid for sid, _ in self.arrived]
        missing = len(set(sent) - set(arrived))
        story.check(missing == 0, f"{missing} of {len(sent)} messages {self.name} never arrived")
        repeats = len(arrived) - len(set(arrived))
        story.check(repeats == 0, f"{repeats} messages {self.name} arrived more than once")
        strangers = len(set(arrived) - set(sent))
        story.check(strangers == 0, f"{strangers} messages {self.name} arrived that nobody sent")
        in_order = [sid for sid in sent if sid in set(arrived)] == list(dict.fromkeys(arrived))
        story.check(in_order or strangers > 0, f"the messages {self.name} did not arrive in order")


@dataclass(frozen=True, slots=True)
class Leg:
    """A client's call with its two directions of messages."""

    who: str
    call: Call
    to_server: Direction
    to_client: Direction

    @classmethod
    def of(cls, who: str, call: Call) -> Leg:
        """Start listening to a call's messages."""
        leg = cls(who, call, Direction(f"from {who} to the app"), Direction(f"from the app to {who}"))
        call.on("messageReceived", leg._heard)
        return leg

    @property
    def sid(self) -> str:
        return self.call.parameters["CallSid"]

    def _heard(self, message: Message) -> None:
        self.to_client.arrived.append((message.voice_event_sid, time.monotonic()))


async def exchange(story: Story, application: Application, rest: Rest, legs: Sequence[Leg], count: int) -> None:
    """Send on all legs in both directions at once, wait until everything has arrived, and check it."""
    arrived = asyncio.Event()
    application.changed = arrived.set
    for leg in legs:
        leg.call.on("messageReceived", lambda _: arrived.set())
    senders = [
        sender for leg in legs for sender in (_from_client(story, leg, count), _from_app(story, rest, leg, count))
    ]
    await asyncio.gather(*senders)
    with story.noting():
        await within(DELIVERY_S, _all_arrived(arrived, application, legs, count), "not every message had arrived")
    for leg in legs:
        _check_callbacks(story, leg, application)
        leg.to_server.check(story)
        leg.to_client.check(story)


async def _all_arrived(arrived: asyncio.Event, application: Application, legs: Sequence[Leg], count: int) -> None:
    def complete(leg: Leg) -> bool:
        # A repeat must not stand in for a message that is still on its way.
        at_the_app = {callback.fields.get("Sid") for callback in application.messages.get(leg.who, ())}
        at_the_client = {sid for sid, _ in leg.to_client.arrived}
        return len(at_the_app) >= count and len(at_the_client) >= count

    while not all(complete(leg) for leg in legs):
        arrived.clear()
        await arrived.wait()


async def _from_client(story: Story, leg: Leg, count: int) -> None:
    direction = leg.to_server
    for number in range(1, count + 1):
        started = time.monotonic()
        with story.noting():
            try:
                sid = leg.call.send_message({"from": leg.who, "n": number})
                direction.sent[sid] = started
                await within(DELIVERY_S, sid, f"a message of {leg.who} was not acknowledged")
                direction.acknowledged_s.append(time.monotonic() - started)
            except SdkError as error:
                raise Failed(f"a message of {leg.who} was refused: {error}") from None


async def _from_app(story: Story, rest: Rest, leg: Leg, count: int) -> None:
    direction = leg.to_client
    for number in range(1, count + 1):
        started = time.monotonic()
        with story.noting():
            sid = await rest.send_message(leg.sid, json.dumps({"to": leg.who, "n": number}))
            direction.sent[sid] = started
            direction.acknowledged_s.append(time.monotonic() - started)


def _check_callbacks(story: Story, leg: Leg, application: Application) -> None:
    """The callbacks of a leg become arrivals once they say what they should."""
    callbacks = application.messages.get(leg.who, [])
    leg.to_server.arrived = [(callback.fields.get("Sid", ""), callback.at) for callback in callbacks]
    for number, callback in enumerate(callbacks, 1):
        fields = callback.fields
        story.check(fields.get("CallSid") == leg.sid, f"a message callback for {leg.who} names another leg")
        story.check(
            fields.get("SequenceNumber") == str(number),
            f"the callbacks for {leg.who} are not numbered 1, 2, 3, … without gaps",
        )
        content = f'{{"from":"{leg.who}","n":{number}}}'
        story.check(fields.get("Content") == content, f"a message of {leg.who} did not arrive as it was sent")


def milliseconds(times_s: Sequence[float]) -> tuple[str, str]:
    """(median, maximum) for people."""
    if not times_s:
        return "–", "–"
    return f"{median(times_s) * 1000:.1f} ms", f"{max(times_s) * 1000:.1f} ms"
