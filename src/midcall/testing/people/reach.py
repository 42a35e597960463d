"""A person's way to the server, which finds nobody there while the person's network is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp


class Reach:
    """Passes for an `aiohttp.ClientSession`; shares one with all people.

    The server alone could only close a socket after it was opened, when it sees whose it is. A client whose network is
    gone opens none, and waits longer and longer between its tries.
    """

    def __init__(self, session: aiohttp.ClientSession, is_cut: Callable[[], bool]) -> None:
        self._session = session
        self._is_cut = is_cut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def ws_connect(self, *arguments: Any, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a socket.

        Raises:
            aiohttp.ClientError: the network is cut, or what else may be.
        """
        self._look()
        opened: aiohttp.ClientWebSocketResponse = await self._session.ws_connect(*arguments, **options)
        return opened

    def post(self, *arguments: Any, **options: Any) -> Any:
        """Post something; raises what `ws_connect` raises."""
        self._look()
        return self._session.post(*arguments, **options)

    def _look(self) -> None:
        if self._is_cut():
            raise aiohttp.ClientConnectionError("the network is cut")
