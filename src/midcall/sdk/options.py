"""What a device and its calls can be told, validated in one place: when a device is made and when it is changed."""

from __future__ import annotations

import dataclasses
import math
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypedDict

from midcall.sdk.audio import AudioSource, Silence
from midcall.sdk.errors import InvalidArgumentError

CODECS: Final = ("pcmu", "opus")
BITRATES: Final = range(6_000, 510_001)
"""What `maxaveragebitrate` may be (RFC 7587, section 6.1)."""
MAX_RECONNECT_S: Final = 30
"""The longest time that a server is asked to keep a leg whose socket is lost (reference section 2.2.1)."""
MAX_NAME: Final = 256
_SCHEMES: Final = ("ws://", "wss://")
_ICE_SCHEMES: Final = ("stun:", "stuns:", "turn:", "turns:")


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server.

    Attributes:
        urls: one or more of `stun:HOST[:PORT]`, `turn:HOST[:PORT][?transport=udp|tcp]` and `turns:…`.
        username, credential: for TURN.
    """

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.urls or not all(str(url).startswith(_ICE_SCHEMES) for url in self.urls):
            raise InvalidArgumentError(f"an ICE server's urls begin with {', '.join(_ICE_SCHEMES)}")

    @classmethod
    def of(cls, value: IceServer | Mapping[str, Any]) -> IceServer:
        """Read one from the shape of browsers and of the REST resource Tokens: `{"urls": …, "username": …}`.

        Raises:
            InvalidArgumentError: it is not such a thing.
        """
        if isinstance(value, IceServer):
            return value
        if not isinstance(value, Mapping):
            raise InvalidArgumentError("an ICE server is an IceServer, or a mapping with urls, username and credential")
        urls = value.get("urls", value.get("url", ()))
        return cls(
            urls=(urls,) if isinstance(urls, str) else tuple(urls),
            username=value.get("username"),
            credential=value.get("credential"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RtcConfiguration:
    """How a call's media finds its way; given to `device.connect` and `call.accept`.

    Attributes:
        ice_servers: STUN and TURN servers, as IceServer or as a browser's mappings. None are needed for a server that
            can be reached directly: it learns our address from our checks.
        relay_only: use TURN servers only (a browser's `iceTransportPolicy: "relay"`).
    """

    ice_servers: Sequence[IceServer | Mapping[str, Any]] = ()
    relay_only: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "ice_servers", tuple(IceServer.of(server) for server in self.ice_servers))
        if self.relay_only and not any(url.startswith("turn") for server in self.servers for url in server.urls):
            raise InvalidArgumentError("relay_only needs a TURN server")

    @classmethod
    def of(cls, value: object) -> RtcConfiguration:
        """What was given, or the default for None.

        Raises:
            InvalidArgumentError: it is something else.
        """
        if value is not None and not isinstance(value, RtcConfiguration):
            raise InvalidArgumentError("rtc_configuration is an RtcConfiguration")
        return value or cls()

    @property
    def servers(self) -> tuple[IceServer, ...]:
        """The servers, as IceServers."""
        return tuple(server for server in self.ice_servers if isinstance(server, IceServer))


class OptionValues(TypedDict, total=False):
    """The keywords of `Device(…)` and `update_options`; Options says what they mean."""

    host: str | Sequence[str] | None
    url: str | Sequence[str] | None
    edge: str | Sequence[str] | None
    ca_file: str | None
    tls: ssl.SSLContext | None
    codec_preferences: Sequence[str]
    max_average_bitrate: int | None
    dscp: bool
    audio_source: Callable[[], AudioSource]
    max_call_signaling_timeout_ms: float
    token_refresh_ms: float
    allow_incoming_while_busy: bool
    mirror_message_errors: bool
    enable_improved_signaling_error_precision: bool
    app_name: str | None
    app_version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a Device. They cannot be half valid: a wrong value is an InvalidArgumentError that names it.

    Attributes:
        host: `HOST:PORT` of the server, or several in the order in which they are tried; default `localhost:8443`.
        url: the whole address of the signalling socket, `wss://…/signal` or `ws://…/signal`, or several. Wins over
            host.
        edge: without host and url, the vendor's host of that edge (or of several), reached through the environment's
            proxies.
        ca_file: PEM file with the authority to trust instead of the system's.
        tls: a whole TLS context instead, which many devices may share.
        codec_preferences: `pcmu` and `opus`, the wanted one first. For calls from now on.
        max_average_bitrate: the most that Opus should use, in bits per second from 6,000 to 510,000; None leaves it to
            the codec. A browser ignores other values silently, here they are an error. For calls from now on.
        dscp: mark the packets that we send as voice. For calls from now on.
        audio_source: makes what a call says; see `midcall.sdk.audio`. For calls from now on.
        max_call_signaling_timeout_ms: how long the server should keep a call whose socket is lost (told in whole
            seconds, at most 30), and how long the address of that call is preferred to the others. From the next
            socket on.
        token_refresh_ms: how long before its expiry a token is announced by `tokenWillExpire`. From the next token on.
        allow_incoming_while_busy: emit `incoming` also during a call; otherwise such calls go on ringing unseen.
        mirror_message_errors: message errors, which calls emit, are emitted by the device as well.
        enable_improved_signaling_error_precision: errors keep the server's own codes (default). False gives what a
            browser gives unless it is asked: 53000 on the device and 31005 on calls for most refusals.
        app_name, app_version: the application, in what the event gateway is told.
    """

    host: str | Sequence[str] | None = None
    url: str | Sequence[str] | None = None
    edge: str | Sequence[str] | None = None
    ca_file: str | None = None
    tls: ssl.SSLContext | None = None
    codec_preferences: Sequence[str] = CODECS
    max_average_bitrate: int | None = None
    dscp: bool = True
    audio_source: Callable[[], AudioSource] = Silence
    max_call_signaling_timeout_ms: float = 0
    token_refresh_ms: float = 10_000
    allow_incoming_while_busy: bool = False
    mirror_message_errors: bool = False
    enable_improved_signaling_error_precision: bool = True
    app_name: str | None = None
    app_version: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Options from keywords.

        Raises:
            InvalidArgumentError: there is no such option, or it cannot have this value.
        """
        _known(values)
        return cls(**values)

    def updated(self, values: Mapping[str, Any]) -> Self:
        """These options with others over them.

        Raises:
            InvalidArgumentError: there is no such option, or it cannot have this value.
        """
        _known(values)
        return dataclasses.replace(self, **values)

    def __post_init__(self) -> None:
        for name in ("host", "url", "edge"):
            _check_places(name, getattr(self, name))
        if any(not url.startswith(_SCHEMES) for url in listed(self.url)):
            raise InvalidArgumentError("url begins with wss:// or ws://")
        if any("://" in host for host in listed(self.host)):
            raise InvalidArgumentError("host is HOST:PORT; a whole address is given as url")
        self._check_media()
        for name in (
            "dscp",
            "allow_incoming_while_busy",
            "mirror_message_errors",
            "enable_improved_signaling_error_precision",
        ):
            if not isinstance(getattr(self, name), bool):
                raise InvalidArgumentError(f"{name} is True or False")
        for name in ("max_call_signaling_timeout_ms", "token_refresh_ms"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InvalidArgumentError(f"{name} is a number of milliseconds")
        for name in ("app_name", "app_version"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or len(value) > MAX_NAME):
                raise InvalidArgumentError(f"{name} is a text of at most {MAX_NAME} characters")

    def _check_media(self) -> None:
        codecs = self.codec_preferences
        if isinstance(codecs, str) or not codecs or any(not isinstance(codec, str) for codec in codecs):
            raise InvalidArgumentError("codec_preferences is a list of 'pcmu' and 'opus'")
        object.__setattr__(self, "codec_preferences", tuple(codec.lower() for codec in codecs))
        if set(self.codec_preferences) - set(CODECS):
            raise InvalidArgumentError("codec_preferences are 'pcmu' and 'opus'")
        bitrate = self.max_average_bitrate
        if bitrate is not None and (isinstance(bitrate, bool) or bitrate not in BITRATES):
            raise InvalidArgumentError(f"max_average_bitrate is from {BITRATES[0]} to {BITRATES[-1]} bits per second")
        if not callable(self.audio_source):
            raise InvalidArgumentError("audio_source is a function that makes a source")

    @property
    def reconnect_timeout_s(self) -> int:
        """What the server is told: whole seconds from 0 to 30."""
        return min(MAX_RECONNECT_S, math.ceil(max(0.0, self.max_call_signaling_timeout_ms) / 1000))


def listed(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """One or several texts, or none, as a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _known(values: Mapping[str, Any]) -> None:
    names = {field.name for field in dataclasses.fields(Options)}
    for name in values:
        if name not in names:
            raise InvalidArgumentError(f"there is no option {name!r}; there are {', '.join(sorted(names))}")


def _check_places(name: str, value: object) -> None:
    """An edge, host or URL: one, or several."""
    if value is None:
        return
    places = [value] if isinstance(value, str) else value
    if not isinstance(places, Sequence) or not places:
        raise InvalidArgumentError(f"{name} is a text, or a list of them")
    if any(not isinstance(place, str) or not place or place != place.strip() for place in places):
        raise InvalidArgumentError(f"{name} is a text, or a list of them, none of them empty")
