"""Voice clients in Python: `Device` and `Call`, with the surface of the browser SDK and without audio hardware."""

from midcall.core.quality import Sample, Totals
from midcall.core.quality_warnings import Threshold, WarningData
from midcall.sdk.audio import (
    AudioSink,
    AudioSource,
    CallbackSink,
    Frames,
    LevelMeter,
    LocalStream,
    RemoteStream,
    Silence,
    Tone,
    WavFile,
    WavRecorder,
)
from midcall.sdk.call import Call, CallerInfo
from midcall.sdk.chance import Chance
from midcall.sdk.device import Device
from midcall.sdk.errors import InvalidArgumentError, InvalidStateError, NotSupportedError, SdkError, VoiceError
from midcall.sdk.messages import Message, SentMessage

__all__ = [
    "AudioSink",
    "AudioSource",
    "Call",
    "CallbackSink",
    "CallerInfo",
    "Chance",
    "Device",
    "Frames",
    "InvalidArgumentError",
    "InvalidStateError",
    "LevelMeter",
    "LocalStream",
    "Message",
    "NotSupportedError",
    "RemoteStream",
    "Sample",
    "SdkError",
    "SentMessage",
    "Silence",
    "Threshold",
    "Tone",
    "Totals",
    "VoiceError",
    "WarningData",
    "WavFile",
    "WavRecorder",
]
