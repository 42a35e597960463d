"""Reads a client's session description and writes ours (RFC 8866, RFC 8829, RFC 8839, RFC 8122).

One audio section, PCMU and Opus, telephone-event where the client offers it. What a client wrote is either
understood here or refused with a sentence; nothing further down sees a description.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aioice import Candidate
from aiortc import sdp
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceParameters, candidate_from_aioice
from aiortc.rtcrtpparameters import ParametersDict, RTCRtpCodecParameters

from midcall.media.codecs import Codec, Payloads
from midcall.media.options import SDP_CAP

MAX_LINES: Final = 500
_MID: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}", re.ASCII)
_UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}", re.ASCII)
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19,63}", re.ASCII)
_HASHES: Final = ("sha-256", "sha-384", "sha-512")
_EVENT_RATES: Final = (8000, 48000)
_BITRATES: Final = range(6000, 510_001)
_MIRRORED: Final = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}

OUR_PAYLOADS: Final = Payloads({Codec.PCMU: 0, Codec.OPUS: 111}, {8000: 126, 48000: 110})
"""What we offer; the numbers are those that browsers use themselves."""


class Unusable(Exception):
    """A description that cannot be used; the message is one sentence for a person."""


class Setup(StrEnum):
    """Who opens the DTLS connection (RFC 8842), in aiortc's spelling."""

    EITHER = "auto"
    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What a client's description says.

    Attributes:
        fingerprints: (hash name in lower case, value); at least one.
        setup: the client's own role.
        direction: as the client sees it, `sendrecv` and so on.
        bitrate: its wish for Opus in bit/s (RFC 7587 maxaveragebitrate), None without.
    """

    mid: str
    ufrag: str
    password: str
    ice_lite: bool
    fingerprints: tuple[tuple[str, str], ...]
    setup: Setup
    direction: str
    payloads: Payloads
    bitrate: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """What our description says; `version` grows with each description of the same leg."""

    session_id: int
    version: int
    mid: str
    ufrag: str
    password: str
    fingerprint: str
    setup: Setup
    direction: str
    payloads: Payloads
    bitrate: int | None
    candidates: Sequence[Candidate]
    ssrc: int
    cname: str


def read_offer(text: str) -> Remote:
    """Understand a client's offer.

    Raises:
        Unusable: it is not one.
    """
    return _read(text)


def read_answer(text: str) -> Remote:
    """Understand a client's answer to our offer.

    Raises:
        Unusable: it is not one.
    """
    remote = _read(text)
    if remote.setup is Setup.EITHER:
        raise Unusable("The answer leaves the DTLS role open.")
    return remote


def mirrored(direction: str) -> str:
    """The same direction from the other end."""
    return _MIRRORED[direction]


def _read(text: str) -> Remote:
    media = _parse(text)
    if media.port == 0:
        raise Unusable("The session description refuses audio.")
    if not media.rtcp_mux:
        raise Unusable("The session description lacks a=rtcp-mux.")
    ice = media.ice or RTCIceParameters()
    ufrag, password = ice.usernameFragment or "", ice.password or ""
    if _UFRAG.fullmatch(ufrag) is None or _PASSWORD.fullmatch(password) is None:
        raise Unusable("The session description lacks usable ICE credentials.")
    if media.dtls is None or media.dtls.role is None:
        raise Unusable("The session description lacks a=setup.")
    mid = media.rtp.muxId or ""
    if mid and _MID.fullmatch(mid) is None:
        raise Unusable("The session description has an unusable a=mid.")
    opus = next((c for c in media.rtp.codecs if _codec(c) is Codec.OPUS), None)
    return Remote(
        mid=mid,
        ufrag=ufrag,
        password=password,
        ice_lite=ice.iceLite,
        fingerprints=_fingerprints(media.dtls),
        setup=Setup(media.dtls.role),
        direction=media.direction or "sendrecv",
        payloads=_payloads(media),
        bitrate=None if opus is None else _bitrate(opus.parameters),
    )


def _parse(text: str) -> sdp.MediaDescription:
    if len(text) > SDP_CAP:
        raise Unusable("The session description is too long.")
    # Clients are learnt by the checks they send, never called at addresses they name: so nobody can make the server
    # knock at somebody else's door, and an odd candidate line costs no call.
    lines = [line for line in text.splitlines() if not line.startswith("a=candidate:")]
    if len(lines) > MAX_LINES:
        raise Unusable("The session description has too many lines.")
    try:
        session = sdp.SessionDescription.parse("\r\n".join(lines))
    except Exception as error:  # the parser raises whatever it stumbles over: assertions, lookups, conversions
        raise Unusable("The session description cannot be parsed.") from error
    if len(session.media) != 1 or session.media[0].kind != "audio":
        raise Unusable("The session description does not have exactly one audio section.")
    return session.media[0]


def _fingerprints(dtls: RTCDtlsParameters) -> tuple[tuple[str, str], ...]:
    found = tuple((f.algorithm.lower(), f.value) for f in dtls.fingerprints if f.algorithm.lower() in _HASHES)
    if not found or any(_DIGEST.fullmatch(value) is None for _, value in found):
        raise Unusable("The session description lacks a usable certificate fingerprint.")
    return found


def _codec(parameters: RTCRtpCodecParameters) -> Codec | None:
    name = parameters.mimeType.lower().removeprefix("audio/")
    for codec in Codec:
        if name == codec.encoding.lower() and parameters.clockRate == codec.clock_rate:
            return codec
    return None


def _payloads(media: sdp.MediaDescription) -> Payloads:
    by_type = {c.payloadType: c for c in media.rtp.codecs}
    audio: dict[Codec, int] = {}
    events: dict[int, int] = {}
    for payload_type in media.fmt:
        parameters = by_type.get(payload_type)
        if parameters is None:
            if payload_type == 0:  # a static type needs no a=rtpmap (RFC 3551 section 6)
                audio.setdefault(Codec.PCMU, 0)
            continue
        codec = _codec(parameters)
        if codec is not None:
            audio.setdefault(codec, payload_type)
        elif parameters.mimeType.lower() == "audio/telephone-event" and parameters.clockRate in _EVENT_RATES:
            events.setdefault(parameters.clockRate, payload_type)
    if not audio:
        raise Unusable("The session description has neither PCMU nor Opus.")
    if any(not 0 <= number < 128 for number in (*audio.values(), *events.values())):
        raise Unusable("The session description has an unusable payload type.")
    return Payloads(audio, events)


def _bitrate(parameters: ParametersDict) -> int | None:
    wish = parameters.get("maxaveragebitrate")
    try:
        bitrate = int(wish or 0)
    except ValueError:
        return None
    return bitrate if bitrate in _BITRATES else None


def write(local: Local) -> str:
    """Our description. CRLF line ends: the SDK's own rewriting splits there."""
    audio, events = local.payloads.audio, local.payloads.events
    media = sdp.MediaDescription("audio", 9, "UDP/TLS/RTP/SAVPF", [*audio.values(), *events.values()])
    media.direction = local.direction
    media.rtp.muxId = local.mid
    media.rtp.codecs = [_opus_or_pcmu(codec, number, local.bitrate) for codec, number in audio.items()]
    media.rtp.codecs += [_event(rate, number) for rate, number in events.items()]
    media.rtcp_port, media.rtcp_host, media.rtcp_mux = 9, "0.0.0.0", True  # noqa: S104 - "no address", RFC 8829
    media.msid = f"{local.cname} {local.cname}-audio"
    media.ssrc = [sdp.SsrcDescription(ssrc=local.ssrc, cname=local.cname)]
    media.ice = RTCIceParameters(usernameFragment=local.ufrag, password=local.password)
    media.ice_candidates = [candidate_from_aioice(candidate) for candidate in local.candidates]
    media.ice_candidates_complete = True
    media.host, media.port = local.candidates[0].host, local.candidates[0].port
    media.dtls = RTCDtlsParameters([RTCDtlsFingerprint("sha-256", local.fingerprint)], local.setup)
    session = sdp.SessionDescription()
    session.origin = f"- {local.session_id} {local.version} IN IP4 127.0.0.1"
    if local.mid:
        session.group = [sdp.GroupDescription("BUNDLE", [local.mid])]
    session.msid_semantic = [sdp.GroupDescription("WMS", ["*"])]
    session.media = [media]
    return str(session)


def _opus_or_pcmu(codec: Codec, payload_type: int, bitrate: int | None) -> RTCRtpCodecParameters:
    parameters: ParametersDict = {}
    if codec is Codec.OPUS:
        parameters = {"minptime": 10, "useinbandfec": 1}
        if bitrate is not None:
            # The client wrote how much it wants to receive; its browser sends by what our description says.
            parameters["maxaveragebitrate"] = bitrate
    return RTCRtpCodecParameters(
        mimeType=f"audio/{codec.encoding}",
        clockRate=codec.clock_rate,
        channels=codec.channels,
        payloadType=payload_type,
        parameters=parameters,
    )


def _event(rate: int, payload_type: int) -> RTCRtpCodecParameters:
    return RTCRtpCodecParameters(
        mimeType="audio/telephone-event",
        clockRate=rate,
        channels=1,
        payloadType=payload_type,
        parameters={"0-16": None},
    )
