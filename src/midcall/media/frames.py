"""How the control process and its media workers talk: msgpack frames with a length in front.

A frame is a pair, name of the dataclass and its fields. What comes in is checked against the dataclass's types.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from midcall import ports

MAX_FRAME: Final = 1 << 20
MAX_UNSENT: Final = 8 << 20
"""Bytes that may wait for a process that does not read; then the connection is given up."""

_LENGTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line for the log of the control process."""

    logger: str
    level: int
    text: str


Frame = ports.MediaCommand | ports.MediaEvent | LogLine

_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind
    for kind in (
        ports.Terminate,
        ports.MakeOffer,
        ports.ApplyAnswer,
        ports.Couple,
        ports.Join,
        ports.Link,
        ports.Part,
        ports.PlayRingback,
        ports.StopSound,
        ports.SendDigits,
        ports.CloseMedia,
        ports.OfferReady,
        ports.AnswerReady,
        ports.MediaConnected,
        ports.MediaLost,
        ports.MediaFailed,
        ports.DigitHeard,
        LogLine,
    )
}
_ENCODER: Final = msgspec.msgpack.Encoder()
_PAIR: Final = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])
_DECODERS: Final = {name: msgspec.msgpack.Decoder(kind) for name, kind in _KINDS.items()}


class BadFrame(Exception):
    """The other process said something that is not a frame."""


def encode(frame: Frame) -> bytes:
    """A frame with its length."""
    body = _ENCODER.encode((type(frame).__name__, frame))
    return len(body).to_bytes(_LENGTH, "big") + body


def decode(body: bytes) -> Frame:
    """A frame without its length.

    Raises:
        BadFrame: unknown name, missing field or wrong type.
    """
    try:
        name, fields = _PAIR.decode(body)
        frame: Frame = _DECODERS[name].decode(fields)
    except (msgspec.DecodeError, KeyError) as error:
        raise BadFrame(str(error)) from error
    return frame


class FrameProtocol(asyncio.Protocol):
    """One end of the socket between the two processes. Closes it on a bad frame and on a peer that does not read."""

    def __init__(self, on_frame: Callable[[Frame], None], on_end: Callable[[], None]) -> None:
        self._on_frame = on_frame
        self._on_end = on_end
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are not instances of it

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._buffer[:_LENGTH], "big")
            if end > MAX_FRAME:
                self.abort()
                return
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH:end])
            del self._buffer[:end]
            try:
                frame = decode(body)
            except BadFrame:
                self.abort()
                return
            self._on_frame(frame)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._on_end()

    def send(self, frame: Frame) -> None:
        """Write a frame, or nothing after the end."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(encode(frame))
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort()

    @property
    def unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Write what waits, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
