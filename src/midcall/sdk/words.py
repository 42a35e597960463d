"""The values that the browser SDK keeps as statics of its classes; `Call.FeedbackIssue.ECHO` and so on."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Codec(StrEnum):
    """What `codec_preferences` takes."""

    OPUS = "opus"
    PCMU = "pcmu"


class FeedbackScore(IntEnum):
    """What `post_feedback` takes, from bad to good."""

    ONE = 1
    TWO = 2
    THREE = 3
    FOUR = 4
    FIVE = 5


class FeedbackIssue(StrEnum):
    """What `post_feedback` takes besides a score."""

    AUDIO_LATENCY = "audio-latency"
    CHOPPY_AUDIO = "choppy-audio"
    DROPPED_CALL = "dropped-call"
    ECHO = "echo"
    NOISY_CALL = "noisy-call"
    ONE_WAY_AUDIO = "one-way-audio"


class IceGatheringFailureReason(StrEnum):
    """Why no address to send from was found."""

    NONE = "none"
    TIMEOUT = "timeout"


class MediaFailure(StrEnum):
    """What makes a call restart ICE: failures at once, the other two together."""

    CONNECTION_DISCONNECTED = "ConnectionDisconnected"
    CONNECTION_FAILED = "ConnectionFailed"
    ICE_GATHERING_FAILED = "IceGatheringFailed"
    LOW_BYTES = "LowBytes"


class EventName(StrEnum):
    """The events of a device."""

    ERROR = "error"
    INCOMING = "incoming"
    DESTROYED = "destroyed"
    UNREGISTERED = "unregistered"
    REGISTERING = "registering"
    REGISTERED = "registered"
    TOKEN_WILL_EXPIRE = "tokenWillExpire"  # noqa: S105 - the name of an event
