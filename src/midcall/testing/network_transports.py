"""Two ends of a connection in memory, with the manners of TCP: in order, bounded, half closed, reset.

A byte takes one turn of the loop from end to end, and no virtual time.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from asyncio import constants, transports
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from midcall.testing.network_tls import PretendedSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from midcall.testing.network import Network

Address = tuple[str, int]

DELIVERED_BYTES: Final = 256 * 1024
"""At most this much reaches a protocol in one turn of the loop."""
MAX_BUFFERED: Final = 64 * 1024 * 1024
"""Who writes on after `pause_writing` until so much waits loses the connection."""


class EndSocket:
    """What libraries ask of the socket below a transport: addresses, options, a number to poll.

    Args:
        quiet: a file descriptor at which never anything is to be read.
    """

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, name: Address, peer: Address | None, quiet: int = -1) -> None:
        self._name = name
        self._peer = peer
        self._quiet = quiet

    def fileno(self) -> int:
        """A descriptor that is not readable while the connection is up, -1 afterwards."""
        return self._quiet

    def getsockname(self) -> Address:
        return self._name

    def getpeername(self) -> Address:
        if self._peer is None:
            raise OSError("not connected")
        return self._peer

    def setsockopt(self, *_: object) -> None:
        return

    def getsockopt(self, *_: object) -> int:
        return 0

    def setblocking(self, flag: bool) -> None:
        return

    def gettimeout(self) -> float:
        return 0.0

    def close(self) -> None:
        self._quiet = -1


class MemoryTransport(transports._FlowControlMixin, asyncio.Transport):
    """One end of a connection.

    Args:
        name: own address.
        peer: the other end's address.
        secure: the TLS context that is pretended, if any.
        context: in which the protocol is called, whoever writes at the other end.
        on_end: called once when this end is gone.
    """

    # `loop.sendfile` then reads the file and writes it here.
    _sendfile_compatible = constants._SendfileMode.FALLBACK

    _extra: dict[str, Any]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        network: Network,
        *,
        name: Address,
        peer: Address,
        secure: object,
        context: contextvars.Context,
        on_end: Callable[[MemoryTransport], None],
    ) -> None:
        self._socket = EndSocket(name, peer, network.quiet)
        extra: dict[str, Any] = {"sockname": name, "peername": peer, "socket": self._socket}
        super().__init__(extra, loop)
        self._loop = loop
        self._protocol: asyncio.BaseProtocol = asyncio.Protocol()
        self._other: MemoryTransport | None = None
        self._context = context
        self._begun = False
        self._on_end = on_end
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._eof_written = False
        self._eof_sent = False
        self._reading = True
        self._closing = False
        self._gone = False
        self._pumping = False
        if secure is not None:
            self.pretend_tls(secure)

    def join(self, other: MemoryTransport) -> None:
        """Whom this end talks to."""
        self._other = other

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        """Tell the protocol that it is connected. What the other end has written meanwhile follows."""
        self._protocol = protocol
        self._begun = True
        protocol.connection_made(self)
        if self._other is not None:
            self._other._pump_soon()

    def begin_soon(self, make: Callable[[], asyncio.BaseProtocol]) -> None:
        """Begin in the next turn of the loop, with a protocol that is made then; if that fails, break off."""
        self._soon(self._begin_with, make)

    def _begin_with(self, make: Callable[[], asyncio.BaseProtocol]) -> None:
        try:
            self.begin(make())
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error, "a connection could not be accepted")

    def _soon(self, callback: Callable[..., object], *args: object) -> None:
        self._loop.call_soon(callback, *args, context=self._context)

    def pretend_tls(self, context: object) -> None:
        """Let it look like a connection with TLS from now on."""
        session = PretendedSession(context)
        self._extra.update(
            sslcontext=context, ssl_object=session, cipher=session.cipher(), peercert={}, compression=None
        )

    # what asyncio.Transport offers

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            if self._other is not None:
                self._other._pump_soon()

    def get_write_buffer_size(self) -> int:
        return self._out_bytes

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; see `pause_writing` of the protocol."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data must be bytes-like, not {type(data).__name__}")
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing or not data:
            return
        other = self._other
        if other is None or other._closing:  # TCP answers with a reset
            self._soon(self._lose, ConnectionResetError("the other end is closed"))
            return
        self._out.append(bytes(data))
        self._out_bytes += len(data)
        if self._out_bytes > MAX_BUFFERED:
            self._lose(BufferError(f"more than {MAX_BUFFERED} bytes wait for a peer that does not read"))
            return
        self._pump_soon()
        self._maybe_pause_protocol()  # type: ignore[attr-defined]

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if not (self._eof_written or self._closing):
            self._eof_written = True
            self._pump_soon()

    def close(self) -> None:
        """Send what is buffered, then close."""
        if self._closing:
            return
        self._closing = True
        if self._out:
            self._pump_soon()
        else:
            self._soon(self._end, None)

    def abort(self) -> None:
        """Close at once: what is buffered is lost, the other end sees a reset."""
        self._lose(None)

    # the wire

    def _pump_soon(self) -> None:
        if not self._pumping and not self._gone:
            self._pumping = True
            self._soon(self._pump)

    def _pump(self) -> None:
        """Bring what was written to the other end, as far as it reads."""
        self._pumping = False
        other = self._other
        if self._gone or other is None:
            return
        if other._closing:  # nobody reads there any more
            if self._out:
                self._lose(ConnectionResetError("the other end is closed"))
            return
        if not (other._begun and other._reading):
            return
        if self._out:
            chunk = self._take()
            if self._out:
                self._pump_soon()
            other._context.run(other._hand_over, chunk)
            self._maybe_resume_protocol()  # type: ignore[attr-defined]
        if not self._out:
            self._finish()

    def _take(self) -> bytes:
        taken: list[bytes] = []
        size = 0
        while self._out and size < DELIVERED_BYTES:
            taken.append(self._out.popleft())
            size += len(taken[-1])
        self._out_bytes -= size
        return b"".join(taken) if len(taken) > 1 else taken[0]

    def _hand_over(self, chunk: bytes) -> None:
        """Data for this end's protocol."""
        protocol = self._protocol
        try:
            if isinstance(protocol, asyncio.BufferedProtocol):
                _fill(protocol, chunk)
            elif isinstance(protocol, asyncio.Protocol):
                protocol.data_received(chunk)
            else:  # duck-typed protocols, as asyncio takes them
                protocol.data_received(chunk)  # type: ignore[attr-defined]
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error, "a protocol's data_received failed")

    def _finish(self) -> None:
        """All is written: say so to the other end, and go if that was wanted."""
        if self._eof_written or self._closing:
            self._send_eof()
        if self._closing:
            self._end(None)

    def _send_eof(self) -> None:
        if not self._eof_sent and self._other is not None:
            self._eof_sent = True
            self._other._soon(self._other._on_eof)

    def _on_eof(self) -> None:
        """The other end writes nothing more."""
        if self._closing:
            return
        try:
            keep_open = self._protocol.eof_received()  # type: ignore[attr-defined]
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error, "a protocol's eof_received failed")
            return
        if not keep_open:
            self.close()

    def _fail(self, error: BaseException, what: str) -> None:
        self._loop.call_exception_handler(
            {"message": what, "exception": error, "transport": self, "protocol": self._protocol}
        )
        self._lose(error if isinstance(error, Exception) else None)

    def _lose(self, error: Exception | None) -> None:
        """This end breaks off; the other end is reset."""
        if self._gone:
            return
        self._closing = True
        self._out.clear()
        self._out_bytes = 0
        other = self._other
        if other is not None and not other._gone and not self._eof_sent:
            self._eof_sent = True
            other._soon(other._on_reset)
        self._soon(self._end, error)

    def _on_reset(self) -> None:
        if not self._gone:
            self._closing = True
            self._out.clear()
            self._out_bytes = 0
            self._eof_sent = True
            self._end(ConnectionResetError("Connection reset by peer"))

    def _end(self, error: Exception | None) -> None:
        if self._gone:
            return
        self._gone = True
        self._closing = True
        self._send_eof()
        if self._other is not None:
            self._other._pump_soon()  # what it still wants to bring here is answered with a reset
        self._socket.close()
        try:
            self._protocol.connection_lost(error)
        finally:
            self._on_end(self)


def _fill(protocol: asyncio.BufferedProtocol, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        buffer = memoryview(protocol.get_buffer(len(view))).cast("B")
        taken = min(len(buffer), len(view))
        if not taken:
            raise RuntimeError("get_buffer() returned an empty buffer")
        buffer[:taken] = view[:taken]
        protocol.buffer_updated(taken)
        view = view[taken:]
