"""People whose media sessions talk over loopback, without signalling."""

from __future__ import annotations

import asyncio
from typing import Any

from midcall.core.client import IceState
from midcall.sdk import LevelMeter, RemoteStream, Tone
from midcall.sdk.audio import LocalStream
from midcall.sdk.media import MediaPeer


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
