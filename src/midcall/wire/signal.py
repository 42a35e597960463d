"""Frames of the signalling socket (protocol 1.6 of the browser SDK), decoded and encoded for server and SDK alike.

A frame is one JSON object: `type`, `version`, `payload`. What a peer sends is decided here to be a frame or
`Malformed`; nothing else ever leaves `decode_client` and `decode_server`. Wire spellings stay in this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, TypeVar
from urllib.parse import quote, unquote

import msgspec

from midcall.core import errors

VERSION: Final = "1.6"

HEARTBEAT: Final = "\n"
"""The server's heartbeat and the client's echo: a text frame of one byte."""

MAX_FRAME_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 64
"""Arrays and objects inside each other, the envelope's two included."""

MAX_PARAMS_BYTES: Final = 800
"""Names and values of an outgoing call's parameters together, decoded, in UTF-8 (error 31103)."""

NO_MEDIA: Final = "none"
"""`Listen.media` of a client that has no media (an extension of `midcall.sdk`)."""

CallId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""`CA…`, or the client's temporary `TJS…` id."""

MessageId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Sdp = Annotated[str, msgspec.Meta(min_length=1, max_length=64 * 1024)]


class Malformed(Exception):
    """Not a frame. Type and ids are set when they could be read: the error has to reach the right call and message."""

    def __init__(
        self, reason: str, *, type_: str | None = None, call_sid: str | None = None, message_sid: str | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.type = type_
        self.call_sid = call_sid
        self.message_sid = message_sid


class UnknownType(Malformed):
    """JSON as it should be, of a type that this side does not know."""


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A payload; `TYPE` is the frame's type."""

    TYPE: ClassVar[str]


# ------------------------------------------------------------------------------------------------------ client frames


class Listen(Frame, frozen=True, kw_only=True):
    """First frame of a socket, and again with each new token.

    Attributes:
        reconnect_timeout: seconds, 0 to 30, that a leg should outlive the socket.
        media: `NO_MEDIA`, or absent.
        browser_info: whatever the client tells about itself.
    """

    TYPE = "listen"
    token: str | None = None
    reconnect_timeout: float = msgspec.field(name="reconnectTimeout", default=0)
    media: str | None = None
    browser_info: object = msgspec.field(name="browserinfo", default=None)


class Wanted(msgspec.Struct, frozen=True):
    """Which media a registration is about."""

    audio: bool


class Register(Frame, frozen=True, kw_only=True):
    """Offer me incoming calls, or stop doing so."""

    TYPE = "register"
    media: Wanted


class Custom(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the application gave to `connect`: see `decode_params`."""

    params: str | None = None


class ClientInvite(Frame, frozen=True, kw_only=True):
    """A new call (temporary id, no `reconnect`), or a resume or takeover of a leg (its sid and a reconnect token)."""

    TYPE = "invite"
    call_sid: CallId = msgspec.field(name="callsid")
    sdp: Sdp
    reconnect: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    twilio: Custom = Custom()


class ClientAnswer(Frame, frozen=True, kw_only=True):
    """The client takes the leg it was offered."""

    TYPE = "answer"
    call_sid: CallId = msgspec.field(name="callsid")
    sdp: Sdp


class Reject(Frame, frozen=True, kw_only=True):
    """The client does not want the leg it was offered."""

    TYPE = "reject"
    call_sid: CallId = msgspec.field(name="callsid")


class Reinvite(Frame, frozen=True, kw_only=True):
    """ICE restart: a new offer of the same peer."""

    TYPE = "reinvite"
    call_sid: CallId = msgspec.field(name="callsid")
    sdp: Sdp


class Dtmf(Frame, frozen=True, kw_only=True):
    """Digits over signalling; `w` is a pause of 500 ms."""

    TYPE = "dtmf"
    call_sid: CallId = msgspec.field(name="callsid")
    digits: Annotated[str, msgspec.Meta(max_length=256)] = msgspec.field(name="dtmf")


# -------------------------------------------------------------------------------------------------------- both sides


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong. `retry_after` is in seconds."""

    code: int
    message: str = ""
    retry_after: float | None = msgspec.field(name="retryAfter", default=None)


class Hangup(Frame, frozen=True, kw_only=True):
    """The leg is over. Clients may give a message, servers an error."""

    TYPE = "hangup"
    call_sid: CallId = msgspec.field(name="callsid")
    message: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    error: Fault | None = None


class Message(Frame, frozen=True, kw_only=True, omit_defaults=False):
    """A call message. `content` is raw JSON: its spelling goes through as it came."""

    TYPE = "message"
    call_sid: CallId = msgspec.field(name="callsid")
    message_sid: MessageId = msgspec.field(name="voiceeventsid")
    message_type: Annotated[str, msgspec.Meta(max_length=1024)] = msgspec.field(name="messagetype")
    content_type: Annotated[str, msgspec.Meta(max_length=1024)] = msgspec.field(
        name="contenttype", default="application/json"
    )
    content: msgspec.Raw = msgspec.Raw(b"")


# ------------------------------------------------------------------------------------------------------ server frames


class TokenView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server read in the token; `ttl` in whole seconds from now."""

    ttl: int
    identity: str | None = None


class Connected(Frame, frozen=True, kw_only=True):
    """The token is accepted."""

    TYPE = "connected"
    edge: str
    region: str
    home: str
    gateway: str
    token: TokenView


class Ready(Frame, frozen=True, kw_only=True):
    """Registered for incoming calls."""

    TYPE = "ready"


class Offline(Frame, frozen=True, kw_only=True):
    """Not registered any more."""

    TYPE = "offline"


class Close(Frame, frozen=True, kw_only=True):
    """Do not come back on your own: follows a fatal `Error`."""

    TYPE = "close"


class Error(Frame, frozen=True, kw_only=True):
    """A refusal. With a message's sid it is about that message, else about the client."""

    TYPE = "error"
    error: Fault
    call_sid: str | None = msgspec.field(name="callsid", default=None)
    message_sid: str | None = msgspec.field(name="voiceeventsid", default=None)


class ServerInvite(Frame, frozen=True, kw_only=True):
    """An incoming call. `parameters` has From, To, CallSid, AccountSid and maybe Params (see `encode_params`)."""

    TYPE = "invite"
    call_sid: CallId = msgspec.field(name="callsid")
    sdp: str
    parameters: dict[str, str] = {}
    reconnect: str | None = None


class Ringing(Frame, frozen=True, kw_only=True):
    """The callee is alerted; a description here is early media."""

    TYPE = "ringing"
    call_sid: CallId = msgspec.field(name="callsid")
    sdp: str | None = None


class ServerAnswer(Frame, frozen=True, kw_only=True):
    """The leg is up, resumed, or its re-invite answered; brings a new reconnect token."""

    TYPE = "answer"
    call_sid: CallId = msgspec.field(name="callsid")
    sdp: str | None = None
    reconnect: str | None = None


class Cancel(Frame, frozen=True, kw_only=True):
    """The offered leg is over or taken elsewhere."""

    TYPE = "cancel"
    call_sid: CallId = msgspec.field(name="callsid")


class Ack(Frame, frozen=True, kw_only=True, omit_defaults=False):
    """The server has stored the client's message."""

    TYPE = "ack"
    call_sid: CallId = msgspec.field(name="callsid")
    message_sid: MessageId = msgspec.field(name="voiceeventsid")
    ack_type: str = msgspec.field(name="acktype", default="message")


ClientFrame = Listen | Register | ClientInvite | ClientAnswer | Reject | Hangup | Reinvite | Dtmf | Message
ServerFrame = (
    Connected
    | Ready
    | Offline
    | Close
    | Error
    | ServerInvite
    | Ringing
    | ServerAnswer
    | Cancel
    | Hangup
    | Ack
    | Message
)


# ------------------------------------------------------------------------------------------------- encode and decode

_F = TypeVar("_F", bound=Frame)
_Decoders = dict[str, msgspec.json.Decoder[_F]]

_encoder: Final = msgspec.json.Encoder()


def _decoders(frames: Iterable[type[_F]]) -> _Decoders[_F]:
    return {frame.TYPE: msgspec.json.Decoder(frame) for frame in frames}


_CLIENT: Final[_Decoders[ClientFrame]] = _decoders(
    (Listen, Register, ClientInvite, ClientAnswer, Reject, Hangup, Reinvite, Dtmf, Message)
)
_SERVER: Final[_Decoders[ServerFrame]] = _decoders(
    (
        Connected,
        Ready,
        Offline,
        Close,
        Error,
        ServerInvite,
        Ringing,
        ServerAnswer,
        Cancel,
        Hangup,
        Ack,
        Message,
    )
)

_HEADS: Final = {
    type_: f'{{"type":"{type_}","version":"{VERSION}","payload":'.encode() for type_ in (*_CLIENT, *_SERVER)
}


def encode(frame: Frame) -> bytes:
    """A frame of either side as the UTF-8 text that goes on the wire."""
    return b"%b%b}" % (_HEADS[frame.TYPE], _encoder.encode(frame))


class _Envelope(msgspec.Struct):
    type: str
    payload: msgspec.Raw = msgspec.Raw(b"{}")


class _Ids(msgspec.Struct):
    callsid: object = None
    voiceeventsid: object = None


_envelopes: Final = msgspec.json.Decoder(_Envelope)
_ids: Final = msgspec.json.Decoder(_Ids)


def decode_client(text: str) -> ClientFrame:
    """A frame from a client.

    Raises:
        Malformed: for everything that is not a frame; UnknownType when only its type is strange.
    """
    return _decode(text, _CLIENT)


def decode_server(text: str) -> ServerFrame:
    """A frame from the server.

    Raises:
        Malformed: for everything that is not a frame; UnknownType when only its type is strange.
    """
    return _decode(text, _SERVER)


def _decode(text: str, decoders: _Decoders[_F]) -> _F:
    if too_deep(text):
        raise Malformed("the frame is nested too deeply")
    try:
        envelope = _envelopes.decode(text)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _unreadable(text, str(error)) from None
    decoder = decoders.get(envelope.type)
    if decoder is None:
        raise _refusal(envelope, "the frame's type is unknown", UnknownType)
    try:
        return decoder.decode(envelope.payload)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _refusal(envelope, str(error), Malformed) from None


def _refusal(envelope: _Envelope, reason: str, kind: type[Malformed]) -> Malformed:
    try:
        ids = _ids.decode(envelope.payload)
    except (msgspec.MsgspecError, UnicodeError):
        return kind(reason, type_=envelope.type)
    return kind(reason, type_=envelope.type, call_sid=_id(ids.callsid), message_sid=_id(ids.voiceeventsid))


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 64 else None


_CALL_SID: Final = re.compile(r'"callsid":\s*"(CA[0-9a-f]{32})"', re.ASCII)
_MESSAGE_SID: Final = re.compile(r'"voiceeventsid":\s*"(KX[0-9a-f]{32})"', re.ASCII)


def _unreadable(text: str, reason: str) -> Malformed:
    """Not JSON as we take it (say, half of a surrogate pair in a message). The ids are looked for in the text."""
    call, message = _CALL_SID.search(text), _MESSAGE_SID.search(text)
    return Malformed(reason, call_sid=call and call[1], message_sid=message and message[1])


# ----------------------------------------------------------------------------------------------------- JSON in general

_BRACKETS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)


def too_deep(text: str, limit: int = MAX_DEPTH) -> bool:
    """Whether a JSON text nests arrays and objects deeper than the limit. Decides nothing else about the text."""
    if text.count("[") + text.count("{") <= limit:  # nearly every frame
        return False
    depth = 0
    for match in _BRACKETS.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            if depth > limit:
                return True
        elif mark in "]}":
            depth -= 1
    return False


def compact(content: bytes) -> bytes:
    """Valid JSON without insignificant blanks; key order, number spelling and escapes stay as they were.

    Raises:
        Malformed: the text is not JSON.
    """
    if len(content.translate(None, b" \t\r\n")) == len(content):
        return content
    try:
        return msgspec.json.format(content, indent=-1)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(str(error)) from None


# ---------------------------------------------------------------------------------------------------- call parameters

_COMPONENT: Final = "-_.!~*'()"
"""What JavaScript's encodeURIComponent leaves alone, letters and digits aside."""


def decode_params(text: str | None) -> tuple[tuple[str, str], ...]:
    """Parameters of a placed call: names and values percent-encoded as by encodeURIComponent, so `+` is a plus.

    Raises:
        Refused: PARAMETERS_TOO_LONG, or FRAME_MALFORMED when an escape is not UTF-8.
    """
    try:
        pairs = [_split(pair) for pair in (text or "").split("&") if pair]
        decoded = tuple((unquote(key, errors="strict"), unquote(value, errors="strict")) for key, value in pairs if key)
        size = sum(len(key.encode()) + len(value.encode()) for key, value in decoded)
    except UnicodeError:
        raise errors.Refused(errors.FRAME_MALFORMED, "the call's parameters are not UTF-8") from None
    if size > MAX_PARAMS_BYTES:
        raise errors.Refused(errors.PARAMETERS_TOO_LONG)
    return decoded


def encode_connect_params(pairs: Iterable[tuple[str, str]]) -> str:
    """Parameters of a placed call, as `decode_params` reads them."""
    return "&".join(f"{quote(key, safe=_COMPONENT)}={quote(value, safe=_COMPONENT)}" for key, value in pairs)


def encode_params(pairs: Iterable[tuple[str, str]]) -> str:
    """The `Params` of an incoming call. The browser SDK takes names as they are and decodes values only.

    Names with `&` or `=` cannot be expressed there and are left out.
    """
    return "&".join(
        f"{key}={quote(value, safe='')}" for key, value in pairs if key and "&" not in key and "=" not in key
    )


def decode_invite_params(text: str | None) -> tuple[tuple[str, str], ...]:
    """The `Params` of an incoming call, read as the browser SDK reads them: names raw, values decoded, `+` a blank."""
    pairs = [_split(pair) for pair in (text or "").split("&") if pair]
    return tuple((key, unquote(value.partition("=")[0].replace("+", " "))) for key, value in pairs if key)


def _split(pair: str) -> tuple[str, str]:
    key, _, value = pair.partition("=")
    return key, value
