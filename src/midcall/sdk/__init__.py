"""Voice clients in Python: `Device` and `Call`, with the surface of the browser SDK and without audio hardware."""

from midcall.core.quality import Sample, Totals
from midcall.core.quality_warnings import Threshold, WarningData
from midcall.sdk.audio import (
    AudioProcessor,
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
from midcall.sdk.audio_helper import AudioHelper
from midcall.sdk.call import Call, CallerInfo
from midcall.sdk.chance import Chance
from midcall.sdk.device import Device
from midcall.sdk.errors import InvalidArgumentError, InvalidStateError, NotSupportedError, SdkError, VoiceError
from midcall.sdk.hardware import AudioDevice, Microphone, Speaker
from midcall.sdk.messages import Message, SentMessage
from midcall.sdk.options import IceServer, Options, RtcConfiguration
from midcall.sdk.preflight import PreflightReport, PreflightTest

__all__ = [
    "AudioDevice",
    "AudioHelper",
    "AudioProcessor",
    "AudioSink",
    "AudioSource",
    "Call",
    "CallbackSink",
    "CallerInfo",
    "Chance",
    "Device",
    "Frames",
    "IceServer",
    "InvalidArgumentError",
    "InvalidStateError",
    "LevelMeter",
    "LocalStream",
    "Message",
    "Microphone",
    "NotSupportedError",
    "Options",
    "PreflightReport",
    "PreflightTest",
    "RemoteStream",
    "RtcConfiguration",
    "Sample",
    "SdkError",
    "SentMessage",
    "Silence",
    "Speaker",
    "Threshold",
    "Tone",
    "Totals",
    "VoiceError",
    "WarningData",
    "WavFile",
    "WavRecorder",
]
