"""Every setting of a server: its default, its limits and its sentence, in one class.

A flag wins over `MIDCALL_*`, that over the TOML file, that over the default. What cannot be used stops the start with
one sentence. The example file and the reference page are printed from the class by `midcall settings`.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

ENVIRONMENT_PREFIX: Final = "MIDCALL_"
MEMORY: Final = ":memory:"
OWN_FLAGS: Final = ("mode", "host", "port", "http_port", "data_dir")
"""Settings with a flag of their own; the others are given as `--set NAME=VALUE`."""
"""The data folder that keeps nothing."""

Mode = Literal["dev", "production"]
Port = Annotated[int, Meta(ge=0, le=65_535)]


class SettingsError(Exception):
    """A setting that cannot be used. Its text is one sentence with the setting, its origin, its value and the fix."""


def _says(sentence: str, *, ge: int | None = None, le: int | None = None) -> Meta:
    return Meta(description=sentence, ge=ge, le=le)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. Durations are seconds unless the name says otherwise."""

    # Where it listens and keeps things
    mode: Annotated[
        Mode,
        _says(
            "`dev` has helpers for development and stays on loopback; `production` refuses weak credentials, "
            "guards which addresses it calls, and may listen anywhere."
        ),
    ] = "dev"
    host: Annotated[str, _says("Address of the TLS port; anything but loopback needs `mode = production`.")] = (
        "127.0.0.1"
    )
    port: Annotated[Port, _says("TLS port of REST, signalling and metrics; 0 picks a free one.")] = 8443
    http_port: Annotated[Port, _says("The same without TLS, always on 127.0.0.1 only; 0 picks a free one.")] = 8080
    data_dir: Annotated[
        str, _says("Folder of the database, certificates and credentials; `:memory:` keeps nothing.")
    ] = "./.midcall"
    hostnames: Annotated[
        tuple[str, ...],
        _says("More names and addresses under which clients reach the server; the certificate has them."),
    ] = ()
    connections_per_account: Annotated[
        int, _says("Signalling connections of one account at the same time; more are turned away.", ge=1, le=1_000_000)
    ] = 20_000
    drain_s: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)] | None,
        _says("How long a stopping server lets live calls go on; unset means 0 in dev, 30 in production."),
    ] = None
    metrics_token: Annotated[
        str, _says("Bearer token that opens `/metrics` for others than loopback; empty keeps them out.")
    ] = ""

    # The account it starts with
    account_sid: Annotated[str, _says("Account to make on first start (AC and 32 hex digits); empty makes one up.")] = (
        ""
    )
    auth_token: Annotated[str, _says("Its auth token; empty makes one up.")] = ""
    api_key_sid: Annotated[str, _says("API key to make on first start (SK and 32 hex digits); empty makes one up.")] = (
        ""
    )
    api_key_secret: Annotated[str, _says("The API key's secret; empty makes one up.")] = ""
    application_sid: Annotated[
        str, _says("TwiML application to make on first start (AP and 32 hex digits); empty makes one up.")
    ] = ""
    voice_url: Annotated[
        str, _says("Voice URL of that application when it is made: where a client's call asks for its TwiML.")
    ] = ""

    # Messages
    first_sequence: Annotated[int, _says("Sequence number of a call's first message.", ge=0, le=1_000_000)] = 1
    rest_content_chars: Annotated[
        int, _says("Longest `Content` of a message sent by REST, in code points.", ge=1, le=1_000_000)
    ] = 10_000
    sdk_content_bytes: Annotated[
        int, _says("Longest message of a client, in bytes of compact JSON.", ge=1, le=200_000)
    ] = 10_240
    messages_per_second: Annotated[
        int, _says("Messages per second that one call takes in one direction.", ge=1, le=1_000_000)
    ] = 200
    messages_waiting: Annotated[
        int, _says("Messages that wait for one client that is away; more are refused.", ge=1, le=1_000_000)
    ] = 1_000
    subscriptions_per_call: Annotated[int, _says("Subscriptions that one call takes.", ge=1, le=1_000)] = 10
    resume_window: Annotated[
        float, _says("How long a call outlives its lost connection, unless the client asks for more.", ge=1, le=3_600)
    ] = 30.0

    # Requests to your web server
    callback_encoding: Annotated[
        Literal["auto", "json", "form"],
        _says("Body of message callbacks: `auto` tries JSON, then a form, and remembers what worked."),
    ] = "auto"
    allow_hosts: Annotated[
        tuple[str, ...], _says("Host names that may be called in production although their address is private.")
    ] = ()
    allow_networks: Annotated[
        tuple[str, ...], _says("Private networks that may be called in production, such as `10.1.0.0/16`.")
    ] = ()
    webhook_ca_file: Annotated[
        str, _says("PEM file of authorities that are trusted for https callbacks, besides the system's.")
    ] = ""

    # Media
    media_engine: Annotated[
        Literal["aiortc", "silent", "none"],
        _says("`aiortc` carries audio; `silent` connects and sends silence; `none` is for clients without media."),
    ] = "aiortc"
    media_workers: Annotated[
        int, _says("Processes that carry audio; 0 carries it in the server's own process.", ge=0, le=256)
    ] = 1
    media_addresses: Annotated[
        tuple[str, ...], _says("Addresses that are offered to clients for audio; empty offers those of the machine.")
    ] = ()
    media_port_min: Annotated[
        Port, _says("First UDP port for audio; 0 together with `media_port_max` leaves the choice to the system.")
    ] = 0
    media_port_max: Annotated[Port, _says("Last UDP port for audio.")] = 0

    # What clients are told about where they are
    edge: Annotated[
        str, _says("Edge that clients see as `device.edge` unless they asked for another by its host name.")
    ] = "ashburn"
    region: Annotated[str, _says("Region that clients are told.")] = "US_EAST_VIRGINIA"
    home: Annotated[str, _says("Home that clients see as `device.home`, unless their token names one.")] = "us1"

    # Keeping and telling
    retention_days: Annotated[
        int, _says("Days after which ended calls, and alerts of no call, are forgotten.", ge=1, le=36_500)
    ] = 30
    retention_messages: Annotated[
        int,
        _says(
            "Messages that an account keeps; older ended calls are forgotten with theirs. 0: no limit.",
            ge=0,
            le=1_000_000_000,
        ),
    ] = 0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _says("Least important log lines that are shown.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "text", "json"], _says("`auto` is text on a terminal and JSON elsewhere.")
    ] = "auto"

    def __repr__(self) -> str:
        pairs = ((name, _shown(name, getattr(self, name))) for name in self.__struct_fields__)
        return f"Settings({', '.join(f'{name}={shown}' for name, shown in pairs)})"

    @property
    def is_production(self) -> bool:
        return self.mode == "production"

    @property
    def keeps_nothing(self) -> bool:
        return self.data_dir == MEMORY

    @property
    def drain(self) -> float:
        """Seconds for live calls when the server stops."""
        if self.drain_s is not None:
            return self.drain_s
        return 30.0 if self.is_production else 0.0


@dataclass(frozen=True, slots=True)
class Origin:
    """A value before it is checked, and where it came from (`--port`, `MIDCALL_PORT`, a file's name).

    TOML has types, so `port = "8443"` there is a mistake; elsewhere all values are text.
    """

    value: object
    place: str
    typed: bool = False


def load(
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Put the settings together.

    Args:
        flags: setting to value; None values were not given.
        environ: the process environment; only `MIDCALL_*` is read.
        file: TOML file with settings at its top level.

    Raises:
        SettingsError: anything that cannot be used.
    """
    found: dict[str, Origin] = {}
    if file is not None:
        found |= _from_file(file)
    found |= _from_environment(environ or {})
    found |= _from_flags(flags or {})
    values = {name: _checked(name, origin) for name, origin in found.items()}
    settings = Settings(**values)  # type: ignore[arg-type]
    _check_together(settings, found)
    return settings


def names() -> tuple[str, ...]:
    """All settings in the order of the example file."""
    return Settings.__struct_fields__


def unknown_variables(environ: Mapping[str, str]) -> Sequence[str]:
    """`MIDCALL_*` variables that are no setting: worth a warning, not a refusal, as orchestrators add their own."""
    known = {_variable(name) for name in names()} | {ENVIRONMENT_PREFIX + "CONFIG"}
    return sorted(key for key in environ if key.startswith(ENVIRONMENT_PREFIX) and key not in known)


# ------------------------------------------------------------------------------------------------------------ sources


def _from_file(file: Path) -> dict[str, Origin]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the settings file {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {file} is not TOML: {error}") from None
    for key, value in table.items():
        if key not in names():
            raise SettingsError(f"unknown setting {key} = {_shown(key, value)} in {file}: {_nearest(key)}")
    return {key: Origin(value, str(file), typed=True) for key, value in table.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Origin]:
    given = ((name, _variable(name)) for name in names())
    return {name: Origin(environ[key], key) for name, key in given if environ.get(key, "") != ""}


def _from_flags(flags: Mapping[str, object]) -> dict[str, Origin]:
    found: dict[str, Origin] = {}
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-") if name in OWN_FLAGS else f"--set {name}"
        if name not in names():
            raise SettingsError(f"unknown setting {name} = {_shown(name, value)} from --set: {_nearest(name)}")
        if value is not None:
            found[name] = Origin(value, flag)
    return found


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, names(), n=1)
    return f"did you mean {close[0]}?" if close else "`midcall settings` lists all settings"


# ------------------------------------------------------------------------------------------------------ single values

_SECRET: Final = re.compile(r"token|secret")


def is_secret(name: str) -> bool:
    """Its value is never shown."""
    return _SECRET.search(name) is not None


def _shown(name: str, value: object) -> str:
    return "(not shown)" if is_secret(name) else repr(value)


def _checked(name: str, origin: Origin) -> object:
    value = origin.value
    if _takes_list(name) and isinstance(value, str) and not origin.typed:
        value = tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        checked: object = msgspec.convert(value, _HINTS[name], strict=origin.typed)
        _check_meaning(name, checked)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(_unusable(name, origin, takes(name), error)) from None
    return checked


def _unusable(name: str, origin: Origin, works: str, error: Exception | None = None) -> str:
    reason = f" ({error})" if isinstance(error, ValueError) and not isinstance(error, msgspec.ValidationError) else ""
    shown = _shown(name, origin.value)
    return f"{name} = {shown} (from {origin.place}) cannot be used{reason}: it takes {works}"


def takes(name: str) -> str:
    """In words, what a setting accepts, for messages and the reference page."""
    if name in _MEANINGS:
        return _MEANINGS[name].words
    kind, limits = _parts(_HINTS[name])
    if get_origin(kind) is Literal:
        options = [str(option) for option in get_args(kind)]
        return f"{', '.join(options[:-1])} or {options[-1]}"
    if kind in (int, float):
        what = "a whole number" if kind is int else "a number"
        return f"{what} from {limits['ge']} to {limits['le']}"
    return "a list of texts" if _takes_list(name) else "a text"


def sentence(name: str) -> str:
    """What a setting is for."""
    meta: Meta = get_args(_HINTS[name])[-1]
    return meta.description or ""


def _takes_list(name: str) -> bool:
    return get_origin(_parts(_HINTS[name])[0]) is tuple


def _parts(hint: object) -> tuple[object, dict[str, object]]:
    """A field's bare type (without None) and the limits on it."""
    limits: dict[str, object] = {}
    while True:
        if get_origin(hint) is Annotated:
            for meta in get_args(hint)[1:]:
                limits |= {key: getattr(meta, key) for key in ("ge", "le") if getattr(meta, key) is not None}
            hint = get_args(hint)[0]
        elif type(None) in get_args(hint):
            hint = next(option for option in get_args(hint) if option is not type(None))
        else:
            return hint, limits


# --------------------------------------------------------------------------------------------------- values that mean


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A check beyond type and limits, and what it accepts in words."""

    check: Callable[[str], object]
    words: str


def _sid(prefix: str) -> Callable[[str], object]:
    def check(text: str) -> None:
        if text and re.fullmatch(prefix + "[0-9a-f]{32}", text) is None:
            raise ValueError("not a sid")

    return check


def _host_name(text: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", text) is None:
        ipaddress.ip_address(text)


def _host_pattern(text: str) -> None:
    _host_name(text.removeprefix("*."))


def _label(text: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) is None:
        raise ValueError("not a label")


def _existing_file(text: str) -> None:
    if text and not Path(text).is_file():
        raise ValueError("no such file")


def _web_address(text: str) -> None:
    if text and re.fullmatch(r"https?://[^\s/]+\S*", text) is None:
        raise ValueError("not a web address")


_MEANINGS: Final[Mapping[str, _Meaning]] = {
    "host": _Meaning(_host_name, "an IP address or a host name of this machine"),
    "hostnames": _Meaning(_host_name, "a list of host names and IP addresses"),
    "allow_hosts": _Meaning(_host_pattern, "a list of host names such as hooks.internal or *.internal"),
    "allow_networks": _Meaning(ipaddress.ip_network, "a list of networks such as 10.1.0.0/16"),
    "media_addresses": _Meaning(ipaddress.ip_address, "a list of IP addresses of this machine"),
    "webhook_ca_file": _Meaning(_existing_file, "the path of a PEM file"),
    "edge": _Meaning(_label, "1 to 64 letters, digits, - and _"),
    "region": _Meaning(_label, "1 to 64 letters, digits, - and _"),
    "home": _Meaning(_label, "1 to 64 letters, digits, - and _"),
    "account_sid": _Meaning(_sid("AC"), "AC and 32 lower-case hex digits"),
    "api_key_sid": _Meaning(_sid("SK"), "SK and 32 lower-case hex digits"),
    "application_sid": _Meaning(_sid("AP"), "AP and 32 lower-case hex digits"),
    "voice_url": _Meaning(_web_address, "an http or https URL"),
}


def _check_meaning(name: str, value: object) -> None:
    meaning = _MEANINGS.get(name)
    if meaning is None:
        return
    for text in value if isinstance(value, tuple) else (value,):
        meaning.check(text)


# ----------------------------------------------------------------------------------------- values that go together


def _check_together(settings: Settings, found: Mapping[str, Origin]) -> None:
    def refuse(name: str, fix: str) -> None:
        origin = found.get(name) or Origin(getattr(settings, name), "the default")
        raise SettingsError(_unusable(name, origin, fix))

    if not settings.is_production and not is_loopback(settings.host):
        refuse("host", "a loopback address in mode dev; use mode production to be reachable from elsewhere")
    if settings.port and settings.port == settings.http_port:
        refuse("http_port", f"another port than port = {settings.port}")
    if (settings.media_port_min == 0) != (settings.media_port_max == 0):
        refuse("media_port_max", "a port together with media_port_min, or 0 for both")
    if settings.media_port_max < settings.media_port_min:
        refuse("media_port_max", f"a port that is not below media_port_min = {settings.media_port_min}")
    if settings.is_production:
        for name in ("auth_token", "api_key_secret"):
            if (secret := getattr(settings, name)) and is_weak(secret):
                refuse(name, "at least 32 unpredictable characters in mode production")
        if settings.metrics_token and is_weak(settings.metrics_token):
            refuse("metrics_token", "at least 32 unpredictable characters in mode production")


def is_loopback(host: str) -> bool:
    """Only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_weak(secret: str) -> bool:
    """Too short, made of few characters, or one piece repeated."""
    return len(secret) < 32 or len(set(secret)) < 8 or secret in (secret + secret)[1:-1]


_HINTS: Final[Mapping[str, object]] = get_type_hints(Settings, include_extras=True)
