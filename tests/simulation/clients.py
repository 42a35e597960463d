"""A model of a client: speaks real frames, echoes heartbeats, comes back with its reconnect token, resends.

It is a plain state machine driven by the network's callbacks; nothing of the server is in it but the wire format.
"""

from __future__ import annotations

import random
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from midcall.core.sdp import NO_MEDIA_SDP
from midcall.wire import signal
from simulation.history import Arrived, Said
from simulation.network import Link

if TYPE_CHECKING:
    from simulation.world import World

STORE_UNAVAILABLE = 31003
RESUME_REFUSED = 31209


class State(Enum):
    AWAY = "away"
    LISTENING = "listening"
    READY = "ready"


class Phone:
    """One device of one identity, with at most one call."""

    def __init__(self, world: World, identity: str, token: str, *, calls: bool, rng: random.Random) -> None:
        self.identity = identity
        self.link: Link | None = None
        self.state = State.AWAY
        self.leg: str | None = None
        self.is_up = False
        self.went_home = False
        self._frozen: list[tuple[Link, str]] | None = None
        self.dials: str | None = None
        self.calls_by_itself = calls
        self._world = world
        self._token = token
        self._rng = rng
        self._number = 0
        self._temporary: str | None = None
        self._reconnect: str | None = None
        self._resuming = False
        self._is_open = False
        self._answer_waits = False
        self._said: list[Said] = []
        self._order = 0
        self._past: set[str] = set()

    # what its user does

    def connect(self) -> None:
        if self.link is not None or self.went_home:
            return
        self.link = self._world.open_link(self)
        if self.link is None:
            self._world.later(self._rng.uniform(0.5, 3.0), self.connect)
            return
        self._send(signal.Listen(token=self._token, reconnect_timeout=30.0, media=signal.NO_MEDIA))

    def call(self) -> None:
        """Place a call, if there is none."""
        if not self.is_free:
            return
        self._number += 1
        self._is_open = True
        self._temporary = f"TJS{self.identity}{self._number}"
        self._send(signal.ClientInvite(call_sid=self._temporary, sdp=NO_MEDIA_SDP))

    def say(self) -> None:
        if self.leg is None:
            return
        self._order += 1
        number = self._world.number()
        content = self._rng.choice((f'{{"n":{number}}}', f'"text {number} é"', f"[{number}]"))
        said = Said(self._sid(), self.leg, content, self._order, self._world.now)
        self._world.history.said[said.sid] = said
        self._said.append(said)
        if self.is_up and self.state is State.READY and not self._resuming:
            self._send_message(said)
            if self._rng.random() < self._world.plan.doubling:
                self._send_message(said)

    def hang_up(self) -> None:
        if self.leg is not None and self.state is State.READY and not self._resuming:
            self._tell("hangs up", self.leg)
            self._send(signal.Hangup(call_sid=self.leg))
            self._over()

    def freeze(self) -> None:
        """A page in the background: its socket is open, and nothing in it runs."""
        if self._frozen is None:
            self._frozen = []

    def thaw(self) -> None:
        held, self._frozen = self._frozen or [], None
        for link, text in held:
            self.on_text(link, text)

    def go_home(self) -> None:
        """Hang up and never come back."""
        self.hang_up()
        self.went_home = True
        if self.link is not None:
            self.link.client_leaves()
            self.link = None
        self.state = State.AWAY
        self._over()

    @property
    def is_free(self) -> bool:
        return self.state is State.READY and self.leg is None and self._temporary is None

    @property
    def is_settled(self) -> bool:
        """In a call that is up, on a socket that works."""
        return self.leg is not None and self.is_up and self.state is State.READY and not self._resuming

    @property
    def unanswered(self) -> list[Said]:
        return [said for said in self._said if said.open]

    # the socket

    def on_lost(self, link: Link) -> None:
        if link is not self.link:
            return
        self._tell("socket lost", self.leg or "")
        self.link = None
        self.state = State.AWAY
        if self._reconnect is None:
            self._over()  # nothing can bring it back
        if not self.went_home:
            self._world.later(self._rng.uniform(0.1, 4.0), self.connect)

    def on_text(self, link: Link, text: str) -> None:
        if link is not self.link:
            return
        if self._frozen is not None:
            self._frozen.append((link, text))
            return
        if text == signal.HEARTBEAT:
            link.client_sends(signal.HEARTBEAT)
            return
        frame = signal.decode_server(text)
        match frame:
            case signal.Message():
                self._world.history.arrived[frame.call_sid].append(
                    Arrived(self._world.now, frame.message_sid, bytes(frame.content).decode())
                )
                self._tell("got", frame.message_sid[:8], bytes(frame.content).decode())
            case signal.Ack():
                self._on_ack(frame.message_sid)
            case signal.Error():
                self._on_error(frame)
            case signal.Connected():
                self._on_connected()
            case signal.ServerInvite():
                self._on_invite(frame)
            case signal.Ringing():
                self._adopt(frame.call_sid)
            case signal.ServerAnswer():
                self._on_answer(frame)
            case signal.Hangup() | signal.Cancel():
                if isinstance(frame, signal.Hangup) and frame.error and frame.error.code == RESUME_REFUSED:
                    self._world.history.turned_away.append((frame.call_sid, self._world.clock.now()))
                if frame.call_sid in (self.leg, self._temporary):
                    self._tell("call over", frame.call_sid[:8])
                    self._over()
            case _:
                pass

    def _on_connected(self) -> None:
        self.state = State.READY
        self._send(signal.Register(media=signal.Wanted(audio=True)))
        if self._answer_waits and self.leg is not None:
            self._answer(self.leg)
        if self.leg is not None and self._reconnect is not None and self._is_open:
            self._resuming = True
            if self._rng.random() < 0.3:  # as browsers do: first what waited in the queue
                self._send_again()
            self._send(signal.ClientInvite(call_sid=self.leg, sdp=NO_MEDIA_SDP, reconnect=self._reconnect))

    def _on_invite(self, frame: signal.ServerInvite) -> None:
        if frame.call_sid == self.leg:  # it rings on after a lost socket
            self._reconnect = frame.reconnect
            return
        if self.leg is not None or self._temporary is not None or self.went_home:
            self._send(signal.Reject(call_sid=frame.call_sid))
            return
        self._past.discard(frame.call_sid)
        self._reconnect = frame.reconnect
        self._adopt(frame.call_sid)
        self._world.later(self._rng.uniform(0.0, 1.0), lambda: self._answer(frame.call_sid))

    def _answer(self, leg: str) -> None:
        if self.leg != leg or (self._is_open and not self._answer_waits):
            return
        # From now on it has a peer connection: it resumes the call, whether or not its answer has arrived.
        self._is_open = True
        self._answer_waits = self.state is not State.READY
        if not self._answer_waits:
            self._send(signal.ClientAnswer(call_sid=leg, sdp=NO_MEDIA_SDP))

    def _on_answer(self, frame: signal.ServerAnswer) -> None:
        if self.leg is None and self._temporary is None:
            return
        self._adopt(frame.call_sid)
        if frame.call_sid != self.leg:
            return
        self._reconnect = frame.reconnect or self._reconnect
        if self._resuming or not self.is_up:
            self.is_up, self._resuming = True, False
            self._send_again()

    def _adopt(self, leg: str) -> None:
        if leg in self._past:  # what was under way when it hung up
            return
        if self.leg is None and (self._temporary is not None or self._reconnect is not None):
            self.leg = leg
            self._tell("in call", leg)
            self._world.on_leg(self, leg)

    # messages

    def _sid(self) -> str:
        return "KX" + self._rng.randbytes(16).hex()

    def _send_message(self, said: Said) -> None:
        self._tell("says", said.sid[:8], said.content)
        self._send(
            signal.Message(
                call_sid=said.leg,
                message_sid=said.sid,
                message_type="user-defined-message",
                content=msgspec.Raw(said.content.encode()),
            )
        )

    def _send_again(self) -> None:
        for said in self.unanswered:
            self._send_message(said)

    def _on_ack(self, sid: str) -> None:
        self._tell("acked", sid[:8])
        said = self._world.history.said.get(sid)
        if said is None:
            self._world.history.wrong.append(f"an ack for {sid}, which nobody sent")
        elif said.acked_at is None:
            said.acked_at = self._world.now
            said.open = False

    def _on_error(self, frame: signal.Error) -> None:
        self._tell("error", frame.error.code, frame.message_sid or "")
        said = self._world.history.said.get(frame.message_sid or "")
        if said is None:
            return
        said.refused = True
        said.open = False
        if said.acked_at is None and frame.error.code == STORE_UNAVAILABLE and self._rng.random() < 0.7:
            said.open = True  # the user presses the button again: the same message

            def again() -> None:
                if said.open and self.leg == said.leg and self.is_settled:
                    self._send_message(said)

            self._world.later(self._rng.uniform(0.2, 2.0), again)

    # the rest

    def _over(self) -> None:
        if self.leg is not None:
            self._past.add(self.leg)
        self.leg = self._temporary = self._reconnect = None
        self.is_up = self._resuming = self._is_open = self._answer_waits = False
        for said in self._said:
            said.open = False
        self._said = []

    def _send(self, frame: signal.Frame) -> None:
        if self.link is not None:
            self.link.client_sends(signal.encode(frame).decode())

    def _tell(self, what: str, *details: object) -> None:
        self._world.history.tell(self._world.now, self.identity, what, *details)
