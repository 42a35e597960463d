"""The signalling socket: opens it, keeps it alive, and opens the next one when it is lost.

One task reads and one writes; the owner calls `close`. Text goes out in order; what was queued while the socket was
down follows the greeting of the next one (reference sections 1.2 to 1.7). `core.reconnection` says where to connect
and when.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp
from aiohttp.client_proto import ResponseHandler

from midcall.core.reconnection import Loss, Reconnection
from midcall.sdk.chance import Chance
from midcall.sdk.errors import InvalidStateError
from midcall.wire.signal import HEARTBEAT

CONNECT_S: Final = 5.0
WATCHDOG_S: Final = 15.0
CLOSE_S: Final = 0.5
"""How long a closing handshake may take."""
MAX_QUEUED: Final = 4096
MAX_FRAME: Final = 1024 * 1024
_ABRUPT: Final = frozenset({None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE, 1015})


@dataclass(frozen=True, slots=True)
class Lost:
    """Why there is no socket.

    Attributes:
        kind: how it ended.
        reason: for people.
        error: the exception underneath, if any.
    """

    kind: Loss
    reason: str
    error: BaseException | None = None

    @property
    def is_error(self) -> bool:
        """The connection broke or could not be made; not so after an orderly close or a silent server."""
        return self.kind in (Loss.ABRUPT, Loss.TIMED_OUT)


class Listener(Protocol):
    """Who owns a transport."""

    def greeting(self) -> bytes:
        """The first frame on each new socket."""

    def on_text(self, text: str) -> None:
        """A frame came, heartbeats excepted."""

    def on_lost(self, lost: Lost) -> None:
        """The socket is gone, or one more try failed; the next one is on its way."""


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """A verifying context; with a file, that authority is trusted instead of the system's."""
    return ssl.create_default_context(cafile=ca_file)


class Transport:
    """A socket to a server, for ever: lost ones are replaced, by one to the next address when one does not answer."""

    def __init__(
        self,
        addresses: Sequence[str],
        listener: Listener,
        *,
        tls: ssl.SSLContext | None = None,
        session: aiohttp.ClientSession | None = None,
        use_proxies: bool = False,
        preferred_limit_s: float = 0.0,
        chance: Chance | None = None,
        watchdog_s: float = WATCHDOG_S,
    ) -> None:
        """Opens nothing yet.

        Args:
            addresses: `wss://…` or `ws://…`, at least one, in the order in which they are tried.
            listener: gets every event.
            tls: for wss; None uses the system's authorities.
            session: shared with other devices; None makes one that lives as long as the transport.
            use_proxies: obey the proxy variables of the environment.
            preferred_limit_s: how long a preferred address is tried before the others are.
            chance: where jitter comes from; None is the system's.
            watchdog_s: a server that is silent this long is gone.
        """
        self._chance = chance or Chance()
        self._rules = Reconnection(addresses, preferred_limit_s=preferred_limit_s, fraction=self._chance.fraction)
        self._address = self._rules.address()
        self._listener = listener
        self._tls = tls
        self._session = session
        self._owns_session = session is None
        self._use_proxies = use_proxies
        self._watchdog_s = watchdog_s
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._wake = asyncio.Event()
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._connection: tuple[ResponseHandler, asyncio.Transport] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = self._hushed = False

    @property
    def is_open(self) -> bool:
        """Whether there is a socket right now."""
        return self._ws is not None

    @property
    def address(self) -> str:
        """Where the socket is, or was, or will be."""
        return self._address

    def prefer(self, address: str | None) -> None:
        """Go back to this address after a loss, for a while, because a call lives there; None when no call is left."""
        self._rules.prefer(address)

    def prefer_for(self, seconds: float) -> None:
        """How long a preferred address is tried before the others are."""
        self._rules.preferred_limit_s = seconds

    def retry_after(self, seconds: float) -> None:
        """The server has asked for a wait before the way back to the preferred address."""
        self._rules.retry_after(seconds)

    def hush(self) -> None:
        """Tell the listener nothing any more: it is done with this transport, which is about to be closed."""
        self._hushed = True

    def open(self) -> None:
        """Start connecting; does nothing when it has started before."""
        if self._task is None and not self._closing:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="midcall.sdk transport")

    def send(self, frame: bytes, *, keep: bool) -> bool:
        """Send a frame; without a socket it waits for the next one if `keep`, and is dropped otherwise.

        Returns:
            Whether there is a socket.

        Raises:
            InvalidStateError: too many frames are waiting.
        """
        if self._ws is None and not keep:
            return False
        if len(self._queue) >= (2 * MAX_QUEUED if keep else MAX_QUEUED):  # what must not be lost has room left
            raise InvalidStateError(f"{MAX_QUEUED} frames are waiting for the server")
        self._queue.append((frame, keep))
        self._wake.set()
        return self._ws is not None

    async def close(self) -> None:
        """Write what is queued, if there is a socket, and close it. Nothing is called afterwards."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            if self._ws is None:
                self._task.cancel()
            _, late = await asyncio.wait({self._task}, timeout=4 * CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            await _until_gone(*self._connection)
        if self._owns_session and self._session is not None:
            await self._session.close()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._is_over():
            lost = await self._live_once()
            if self._is_over():
                break
            wait: str | float = self._rules.lost(lost.kind, now=clock())
            self._listener.on_lost(lost)
            while not isinstance(wait, str):
                await asyncio.sleep(wait)
                wait = self._rules.waited(now=clock())
            self._address = wait

    def _is_over(self) -> bool:
        return self._closing or self._hushed

    async def _live_once(self) -> Lost:
        """One socket from its opening to its end; how it ended."""
        try:
            ws = await self._connect()
        except TimeoutError as error:
            return Lost(Loss.TIMED_OUT, f"no connection to {self._address} within {CONNECT_S:g} s", error)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            words = str(error) or type(error).__name__
            return Lost(Loss.ABRUPT, f"no connection to {self._address}: {words}", error)
        self._ws = ws
        self._connection = _below(ws)
        self._rules.opened()
        self._queue.appendleft((self._listener.greeting(), False))
        self._wake.set()
        writer = asyncio.get_running_loop().create_task(self._write(ws), name="midcall.sdk writer")
        try:
            return await self._read(ws)
        finally:
            self._ws = None
            writer.cancel()
            try:
                await asyncio.gather(writer, return_exceptions=True)
            finally:  # whoever closes the transport in this moment cancels us
                self._queue = deque(item for item in self._queue if item[1])
                await ws.close()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), trust_env=self._use_proxies, auto_decompress=False
            )
        # The environment names proxies for https; aiohttp would look for one for wss, which nobody sets.
        address = self._address.replace("wss:", "https:", 1) if self._use_proxies else self._address
        async with asyncio.timeout(CONNECT_S):
            return await self._session.ws_connect(
                address,
                ssl=self._tls if self._tls is not None else True,
                max_msg_size=MAX_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            )

    async def _read(self, ws: aiohttp.ClientWebSocketResponse) -> Lost:
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._watchdog_s) as watchdog:
                async for message in ws:
                    watchdog.reschedule(clock() + self._watchdog_s)
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        continue
                    if message.data == HEARTBEAT:
                        self._echo()
                    elif not self._hushed:
                        self._listener.on_text(message.data)
        except TimeoutError:
            return Lost(Loss.SILENT, f"the server was silent for {self._watchdog_s:g} s")
        kind = Loss.ABRUPT if ws.close_code in _ABRUPT else Loss.ORDERLY
        return Lost(kind, f"the socket was closed with code {ws.close_code}", ws.exception())

    def _echo(self) -> None:
        """Answer a heartbeat; a server that reads nothing gets no more echoes than other frames."""
        if len(self._queue) < MAX_QUEUED:
            self.send(HEARTBEAT.encode(), keep=False)

    async def _write(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            while self._queue:
                frame, keep = self._queue.popleft()
                try:
                    await ws.send_frame(frame, aiohttp.WSMsgType.TEXT)
                except (OSError, RuntimeError, aiohttp.ClientError):
                    if keep:
                        self._queue.appendleft((frame, keep))
                    return
            if self._closing:
                await ws.close()
                return
            self._wake.clear()
            await self._wake.wait()


def _below(ws: aiohttp.ClientWebSocketResponse) -> tuple[ResponseHandler, asyncio.Transport] | None:
    connection = ws._response.connection
    if connection is None or connection.protocol is None or connection.protocol.transport is None:
        return None
    return connection.protocol, connection.protocol.transport


async def _until_gone(protocol: ResponseHandler, transport: asyncio.Transport) -> None:
    """Wait for the end of a connection: aiohttp lets go of it while the end of its TLS session is still on the way."""
    gone = protocol.closed
    if gone is None:
        return
    gone.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    if not (await asyncio.wait({gone}, timeout=CLOSE_S))[0]:
        transport.abort()
        await asyncio.wait({gone}, timeout=CLOSE_S)
