"""Voice clients in Python: `Device` and `Call`, with the surface of the browser SDK and without audio hardware."""

from midcall.core.client import CallState, Direction
from midcall.core.quality import Sample, Totals
from midcall.core.quality_warnings import Threshold, WarningData
from midcall.core.registration import DeviceState
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
from midcall.sdk.words import Codec, EventName, FeedbackIssue, FeedbackScore, IceGatheringFailureReason, MediaFailure

__all__ = [
    "AudioDevice",
    "AudioHelper",
    "AudioProcessor",
    "AudioSink",
    "AudioSource",
    "Call",
    "CallState",
    "CallbackSink",
    "CallerInfo",
    "Chance",
    "Codec",
    "Device",
    "DeviceState",
    "Direction",
    "EventName",
    "FeedbackIssue",
    "FeedbackScore",
    "Frames",
    "IceGatheringFailureReason",
    "IceServer",
    "InvalidArgumentError",
    "InvalidStateError",
    "LevelMeter",
    "LocalStream",
    "MediaFailure",
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
