"""ICE that can be restarted, under aiortc 1.16 and aioice 0.13, which cannot.

aiortc knows no ICE restart, and no state between connected and lost; aioice closes a connection for good when the
other side stops answering. So aiortc gets a `Path` where it expects its one aioice connection. Below it an `Agent`
does what aioice does well, gathering and checks, but only reports when nobody answers. A restart makes a second agent
with credentials and sockets of its own; once it has found a way, the path leads through it, and what stands on the
path goes on as if nothing had happened (RFC 8445 section 9). What that means for descriptions and DTLS: `restart.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aioice import Candidate, Connection, ConnectionClosed, TransportPolicy, stun

from midcall.core.client import IceState

log = logging.getLogger("midcall.sdk.media")

LOOPBACK: Final = "127.0.0.1"
MAX_WAITING: Final = 256
"""Datagrams that wait to be read; about five seconds of a call."""

FAREWELL_S: Final = 1.0
"""How long a relay may take to take its address back."""
EXPEDITED: Final = 0xB8
"""The traffic class of voice, EF (RFC 3246)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long ICE waits, in seconds. The defaults come near to what Chromium does (reference section 3.7).

    Attributes:
        check_s: between two checks of a way that works.
        answer_s: for the answer to a check; it is asked twice in this time, so a slow network is no lost one.
        disconnected_s: since the last answer, when the way counts as disconnected: 6 to 9 s after the loss.
        failed_s: from there, or from the beginning of a restart, until it has failed.
    """

    check_s: float = 2.5
    answer_s: float = 1.5
    disconnected_s: float = 8.0
    failed_s: float = 15.0


PATIENCE: Final = Patience()


class Agent(Connection):
    """An aioice connection that tries loopback as well, and that says when it is not answered instead of closing."""

    def __init__(
        self,
        like: Connection,
        *,
        controlling: bool,
        patience: Patience,
        dscp: bool,
        tell: Callable[[Agent, bool], None],
    ) -> None:
        """Opens no socket yet.

        Args:
            like: has the STUN and TURN servers to use, and whether only relays may be used.
            controlling: the role (RFC 8445 section 6.1.1).
            patience: how long to wait.
            dscp: mark what is sent as voice.
            tell: called with whether checks are answered, each time this changes.
        """
        super().__init__(
            ice_controlling=controlling,
            stun_server=like.stun_server,
            turn_server=like.turn_server,
            turn_username=like.turn_username,
            turn_password=like.turn_password,
            turn_ssl=like.turn_ssl,
            turn_transport=like.turn_transport,
            transport_policy=like._transport_policy,
        )
        self._patience = patience
        self._dscp = dscp
        self._tell = tell
        self._gathering: asyncio.Task[None] | None = None
        self.is_trying = False

    async def gather_candidates(self) -> None:
        """Goes on when whoever asked is cancelled: aioice would lose the sockets that it has opened by then."""
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().create_task(super().gather_candidates())
        await asyncio.shield(self._gathering)

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        """aioice leaves 127.0.0.1 out, but there the server may be, and without a network there is nothing else."""
        if self._transport_policy is TransportPolicy.ALL:
            addresses = [*addresses, LOOPBACK]
        candidates = await super().get_component_candidates(component, addresses, timeout)
        if self._dscp:
            for protocol in self._protocols:
                _mark(protocol.transport.get_extra_info("socket"))
        return candidates

    async def query_consent(self) -> None:
        """Ask for consent to send (RFC 7675), and report instead of closing when there is none."""
        clock = asyncio.get_running_loop().time
        answered_at, is_answered = clock(), True
        while True:
            await asyncio.sleep(self._patience.check_s if is_answered else 0)
            if await self._is_answered():
                answered_at = clock()
            if is_answered != (clock() - answered_at < self._patience.disconnected_s):
                is_answered = not is_answered
                self._tell(self, is_answered)

    async def _is_answered(self) -> bool:
        pair = self._nominated.get(1)
        if pair is None or self.remote_password is None:
            return False
        request = self.build_request(pair, nominate=False)
        try:
            async with asyncio.timeout(self._patience.answer_s):
                await pair.protocol.request(request, pair.remote_addr, integrity_key=self.remote_password.encode())
        except stun.TransactionFailed:
            # An error that is not authentic comes from whoever has the address now; there is no need to ask at once.
            await asyncio.sleep(self._patience.answer_s)
            return False
        except (stun.TransactionError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """aioice would leave open what is being opened, and try for a minute to give back what a relay that is out of
        reach keeps for us."""
        if self._gathering is not None:
            await asyncio.wait([self._gathering])
        closing = asyncio.ensure_future(super().close())
        while not (await asyncio.wait([closing], timeout=FAREWELL_S))[0]:
            for protocol in self._protocols:
                farewell = getattr(protocol.transport, "_TurnTransport__close_task", None)
                if farewell is not None:
                    farewell.cancel()
        await closing

    def data_received(self, data: bytes, component: int) -> None:
        """aioice would queue without a limit."""
        if self._queue.qsize() < MAX_WAITING:
            super().data_received(data, component)

    def send_now(self, data: bytes) -> None:
        """Send, or lose it: what is above would end for good if it heard of a way that is lost for a while."""
        pair = self._nominated.get(1)
        if pair is not None:
            pair.protocol.transport.sendto(data, pair.remote_addr)


def _mark(sending: socket.socket | None) -> None:
    """Ask the network for expedited forwarding (RFC 8837 section 5); relays have no socket of their own to mark."""
    if sending is None:
        return
    with contextlib.suppress(OSError):  # a system that does not allow it sends all the same
        if sending.family == socket.AF_INET6:
            sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, EXPEDITED)
        else:
            sending.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED)


class Path:
    """What aiortc takes for one aioice connection: the agent that is in use, and the next one during a restart.

    Attributes:
        change_over: lets the path lead through an agent that has found a way; calls `use`. A restart replaces it.
        closed: set when it is.
        is_up: whether checks are answered.
        may_send: whether there is consent to send (RFC 7675); we take it for lost as soon as nobody answers.
    """

    def __init__(self, like: Connection, *, patience: Patience, dscp: bool, tell: Callable[[IceState], None]) -> None:
        """Takes the place of `like`, which has opened nothing yet; tells what becomes of it."""
        self._like = like
        self._patience = patience
        self._dscp = dscp
        self._tell = tell
        self._agent = self._new_agent(controlling=like.ice_controlling)
        self._next: Agent | None = None
        self._reader = 0
        self._found = asyncio.Event()
        self.is_up = False
        self.may_send = False
        self._deadline: asyncio.TimerHandle | None = None
        self._tries: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()
        self.closed = asyncio.Event()
        self.change_over: Callable[[Agent], Awaitable[None]] = self._use_at_once

    # ---------------------------------------------------------------- what RTCIceGatherer and RTCIceTransport ask for

    @property
    def ice_controlling(self) -> bool:
        return self._agent.ice_controlling

    @ice_controlling.setter
    def ice_controlling(self, value: bool) -> None:
        self._agent.ice_controlling = value

    @property
    def local_username(self) -> str:
        return self._agent.local_username

    @property
    def local_password(self) -> str:
        return self._agent.local_password

    @property
    def local_candidates(self) -> list[Candidate]:
        return self._agent.local_candidates

    @property
    def remote_candidates(self) -> list[Candidate]:
        return self._agent.remote_candidates

    remote_is_lite: bool = False
    remote_username: str | None = None
    remote_password: str | None = None

    def way(self) -> tuple[Candidate, Candidate] | None:
        """Both ends of the way that is in use."""
        pair = self._agent._nominated.get(1)
        return (pair.local_candidate, pair.remote_candidate) if pair is not None else None

    async def gather_candidates(self) -> None:
        await self._agent.gather_candidates()
        if not self._agent.local_candidates:
            self._tell(IceState.FAILED)

    async def add_remote_candidate(self, candidate: Candidate | None) -> None:
        """The end of candidates is kept from aioice: how long to try is up to our patience."""
        if candidate is not None:
            await self._agent.add_remote_candidate(candidate)

    async def connect(self) -> None:
        """Find a way; returns when there is one, be it through a later agent.

        Raises:
            ConnectionError: closed.
        """
        if self._next is None:
            self._start_waiting()
        self._try(self._agent, self.remote_username, self.remote_password, is_lite=self.remote_is_lite)
        await self._found.wait()
        if self.closed.is_set():
            raise ConnectionError("closed")

    async def get_event(self) -> ConnectionClosed:
        await self.closed.wait()
        return ConnectionClosed()

    async def recv(self) -> bytes:
        """The next datagram of the agent in use.

        Raises:
            ConnectionError: closed, or `change_reader`.
        """
        reader = self._reader
        while not self.closed.is_set() and reader == self._reader:
            received = await self._agent._queue.get()
            if received is not None and reader == self._reader:  # else another agent is in use, or another reader reads
                return received[0]
        raise ConnectionError("closed, or taken over by another reader")

    async def send(self, data: bytes) -> None:
        self._agent.send_now(data)

    async def close(self) -> None:
        if self.closed.is_set():
            return
        self.closed.set()
        self._found.set()
        self._stop_waiting()
        for agent in (self._agent, self._next):
            if agent is not None:
                self._retire(agent)
        tries = list(self._tries)
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, *self._closings, return_exceptions=True)

    # --------------------------------------------------------------------------------------------------------- restart

    async def prepare(self) -> tuple[str, str]:
        """Begin a restart with a new agent; it replaces one that is still looking for a way.

        Returns:
            The user name fragment and the password for our offer.

        Raises:
            ConnectionError: there is no address to send from, or the path is closed.
        """
        if self.closed.is_set():
            raise ConnectionError("closed")
        # Who offers a restart controls it; a server that sees it differently says so (RFC 8445 section 7.3.1.1).
        agent, given_up = self._new_agent(controlling=True), self._next
        self._next = agent
        if given_up is not None:
            self._retire(given_up)
        self._start_waiting()
        await agent.gather_candidates()
        if self._next is not agent or self.closed.is_set():
            raise ConnectionError("closed, or replaced by another restart")
        if not agent.local_candidates:
            raise ConnectionError("there is no address to send media from")
        return agent.local_username, agent.local_password

    async def follow(
        self, username: str | None, password: str | None, candidates: Sequence[Candidate], *, is_lite: bool
    ) -> None:
        """Look for a way to where the server's answer to our restart says; a second answer adds to the first."""
        agent = self._next
        if agent is None:
            return
        for candidate in candidates:
            await agent.add_remote_candidate(candidate)
        self._try(agent, username, password, is_lite=is_lite)

    def is_next(self, agent: Agent) -> bool:
        """Whether it is the one of the restart that goes on."""
        return agent is self._next

    def change_reader(self) -> None:
        """Whoever reads now gets a ConnectionError, with the `use` of another agent at the latest."""
        self._reader += 1

    def use(self, agent: Agent) -> None:
        """Lead through this agent from now on."""
        before, self._agent = self._agent, agent
        if before is not agent:
            self._next = None
            self._retire(before)
        self._found.set()
        self.may_send = True

    # ---------------------------------------------------------------------------------------------------------- agents

    def _new_agent(self, *, controlling: bool) -> Agent:
        return Agent(self._like, controlling=controlling, patience=self._patience, dscp=self._dscp, tell=self._answered)

    def _try(self, agent: Agent, username: str | None, password: str | None, *, is_lite: bool) -> None:
        agent.remote_username, agent.remote_password, agent.remote_is_lite = username, password, is_lite
        if not agent.is_trying:
            agent.is_trying = True
            self._spawn(self._come_up(agent), self._tries)

    async def _come_up(self, agent: Agent) -> None:
        try:
            await agent.connect()
            if agent in (self._agent, self._next):
                await self.change_over(agent)
        except ConnectionError as error:  # closed, or DTLS failed: then it is the deadline that tells
            log.debug("an ICE agent did not come up: %s", error)
            return
        self._stop_waiting()
        self.is_up = True
        self._tell(IceState.CONNECTED)

    async def _use_at_once(self, agent: Agent) -> None:
        self.use(agent)

    def _answered(self, agent: Agent, is_answered: bool) -> None:
        if agent is not self._agent:
            return
        self.is_up = self.may_send = is_answered
        if is_answered:
            self._stop_waiting()
        elif self._deadline is None:
            self._start_waiting()
        self._tell(IceState.CONNECTED if is_answered else IceState.DISCONNECTED)

    def _start_waiting(self) -> None:
        self._stop_waiting()
        self._deadline = asyncio.get_running_loop().call_later(self._patience.failed_s, self._fail)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _fail(self) -> None:
        self._deadline = None
        self.is_up = False
        self._tell(IceState.FAILED)

    def _retire(self, agent: Agent) -> None:
        self._spawn(agent.close(), self._closings)

    def _spawn(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="midcall.sdk ice")
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(_log_failure)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("an ICE task failed", exc_info=error)
