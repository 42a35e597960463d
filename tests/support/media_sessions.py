"""People whose media sessions talk over loopback, without signalling."""

from __future__ import annotations

import asyncio
from typing import Any

from midcall.core.client import IceState
from midcall.sdk import LevelMeter, RemoteStream, Tone
from midcall.sdk.audio import LocalStream
from midcall.sdk.ice import Patience
from midcall.sdk.media import MediaPeer

CANDIDATE = "a=candidate:{0.foundation} 1 udp {0.priority} {0.host} {0.port} typ host\r\n"
HASTE = Patience(check_s=0.05, answer_s=0.2, disconnected_s=0.4, failed_s=0.6)


class Person:
    """A session that says a tone and listens."""

    def __init__(self, frequency: int, codecs: tuple[str, ...], **options: Any) -> None:
        self.frequency = frequency
        self.voice = LocalStream(Tone(frequency))
        self.ear = LevelMeter()
        self.states: list[IceState] = []
        self._told = asyncio.Event()
        self.remote = RemoteStream()
        self.remote.add(self.ear)
        self.peer = MediaPeer(self.voice, self.remote, codec_preferences=codecs, on_ice=self._tell, **options)

    def _tell(self, state: IceState) -> None:
        self.states.append(state)
        self._told.set()

    async def is_told(self, *states: IceState) -> None:
        """Wait until the states are these, from the beginning."""
        async with asyncio.timeout(10):
            while self.states[: len(states)] != list(states):
                self._told.clear()
                await self._told.wait()

    def description_with_candidates(self) -> str:
        """As a server sends it: it does not learn of us by our checks."""
        sdp: str = self.peer._connection.localDescription.sdp
        return sdp

    def listen_anew(self) -> None:
        """Forget what was heard."""
        self.remote.remove(self.ear)
        self.ear = LevelMeter()
        self.remote.add(self.ear)

    async def hears(self, frequency: int) -> None:
        async with asyncio.timeout(10):
            await self.ear.until(lambda ear: ear.tone_dbfs(frequency) > -12)

    async def keeping_session(self, offer: str) -> str:
        """The answer to a restart of a server that keeps its DTLS session."""
        answer = (await self.peer.restart()).replace("a=setup:actpass", "a=setup:passive")
        await self.peer.apply_restart(offer)
        agent = self.peer._restarts._path._next
        assert agent is not None
        return answer + "".join(CANDIDATE.format(candidate) for candidate in agent.local_candidates)
