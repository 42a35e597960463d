"""Names: what classes have, enumerations, listeners."""

from __future__ import annotations

import pytest

import midcall
from conformance.driver import Kind, Thrown, names
from conformance.rows import Reason, because, differs, row
from conformance.stage import Stage, sid_of
from midcall import sdk

SURFACE = "Surface"

CALL = """accept disconnect getLocalStream getRemoteStream ignore isMuted mute postFeedback reject sendDigits
    sendMessage status codec connectToken direction"""
DEVICE = """connect register unregister disconnectAll destroy updateOptions updateToken audio calls edge home identity
    isBusy state token"""
ENUMS = {
    "Call.State": {"pending", "connecting", "ringing", "open", "reconnecting", "closed"},
    "Call.CallDirection": {"INCOMING", "OUTGOING"},
    "Call.Codec": {"opus", "pcmu"},
    "Call.FeedbackScore": {1, 2, 3, 4, 5},
    "Call.FeedbackIssue": {
        "audio-latency",
        "choppy-audio",
        "dropped-call",
        "echo",
        "noisy-call",
        "one-way-audio",
    },
    "Call.IceGatheringFailureReason": {"none", "timeout"},
    "Call.MediaFailure": {"ConnectionDisconnected", "ConnectionFailed", "IceGatheringFailed", "LowBytes"},
    "Device.State": {"destroyed", "unregistered", "registering", "registered"},
    "Device.EventName": {
        "error",
        "incoming",
        "destroyed",
        "unregistered",
        "registering",
        "registered",
        "tokenWillExpire",
    },
}

ERRORS = {
    20101: "AccessTokenInvalid",
    20104: "AccessTokenExpired",
    20151: "AuthenticationFailed",
    31000: "UnknownError",
    31001: "ApplicationNotFoundError",
    31002: "ConnectionDeclinedError",
    31003: "ConnectionTimeoutError",
    31005: "ConnectionError",
    31008: "CallCancelledError",
    31009: "TransportError",
    31100: "MalformedRequestError",
    31101: "MissingParameterArrayError",
    31102: "AuthorizationTokenMissingError",
    31103: "MaxParameterLengthExceededError",
    31104: "InvalidBridgeTokenError",
    31105: "InvalidClientNameError",
    31107: "ReconnectParameterInvalidError",
    31201: "AuthorizationError",
    31202: "AccessTokenSignatureValidationFailed",
    31203: "NoValidAccountError",
    31204: "InvalidJWTTokenError",
    31205: "JWTTokenExpiredError",
    31206: "RateExceededError",
    31207: "JWTTokenExpirationTooLongError",
    31209: "ReconnectAttemptError",
    31210: "CallMessageEventTypeInvalidError",
    31212: "PayloadSizeExceededError",
    31400: "BadRequest",
    31401: "PermissionDeniedError",
    31402: "AcquisitionFailedError",
    31404: "NotFound",
    31480: "TemporarilyUnavailable",
    31486: "BusyHere",
    31603: "Decline",
    53000: "ConnectionError",
    53001: "ConnectionDisconnected",
    53400: "ClientLocalDescFailed",
    53402: "ClientRemoteDescFailed",
    53405: "ConnectionError",
}


@row(SURFACE, "errors have their codes and names")
async def test_errors(client: Kind, stage: Stage) -> None:
    errors = await (await stage.device(client)).errors()
    assert {code: errors.get(code) for code in ERRORS} == ERRORS


@row(SURFACE, "Call has the documented methods and properties")
async def test_members_of_calls(client: Kind, stage: Stage) -> None:
    surface = await (await stage.device(client)).surface()
    assert set(CALL.split()) <= surface.call


@row(SURFACE, "Device has the documented methods and properties")
async def test_members_of_devices(client: Kind, stage: Stage) -> None:
    surface = await (await stage.device(client)).surface()
    assert set(DEVICE.split()) <= surface.device


@pytest.mark.parametrize("name", ENUMS)
def test_the_enumerations_are_those_of_the_python_client(name: str) -> None:
    owner, _, enumeration = name.partition(".")
    assert {member.value for member in getattr(getattr(sdk, owner), enumeration)} == ENUMS[name]


@row(SURFACE, "the other enumerations of Call and Device have their values")
async def test_enumerations(client: Kind, stage: Stage) -> None:
    enums = (await (await stage.device(client)).surface()).enums
    assert {name: set(enums[name]) for name in ENUMS} == ENUMS


@row(SURFACE, "`Device.isSupported` says yes")
async def test_is_supported(client: Kind, stage: Stage) -> None:
    assert (await (await stage.device(client)).surface()).is_supported is True


@differs("midcall", "`Device.packageName` and `Device.version` name the package that the class is from.")
async def our_package(client: Kind, stage: Stage) -> None:
    assert (await (await stage.device(client)).surface()).package == ("midcall", midcall.__version__)


@row(SURFACE, "`Device.packageName` and `Device.version` are @twilio/voice-sdk and 2.18.5", python=our_package)
async def test_the_package(client: Kind, stage: Stage) -> None:
    assert (await (await stage.device(client)).surface()).package == ("@twilio/voice-sdk", "2.18.5")


NO_SOUNDS = Reason(
    "not",
    "plays no sounds",
    "A page plays sounds when it rings, dials and hangs up: `SoundName` names them, the audio helper turns them off. "
    "`midcall.sdk` plays none.",
)


@because(NO_SOUNDS)
async def no_names_of_sounds(client: Kind, stage: Stage) -> None:
    assert "Device.SoundName" not in (await (await stage.device(client)).surface()).enums


@row(SURFACE, "the enumeration `Device.SoundName`", python=no_names_of_sounds)
async def test_names_of_sounds(client: Kind, stage: Stage) -> None:
    enums = (await (await stage.device(client)).surface()).enums
    assert {"incoming", "outgoing", "disconnect", "dtmf0", "dtmfs", "dtmfh"} <= enums["Device.SoundName"]


@row(SURFACE, "a call and a device say what they are as a text, without the token")
async def test_texts(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    assert "Call" in await talk.mine.text()
    assert "Device" in (text := await talk.me.text())
    assert (await talk.me.facts()).token not in text


@row(SURFACE, "`removeAllListeners` of a call silences it; listening again brings what comes from then on")
async def test_removing_listeners(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.remove_all_listeners()
    await talk.mine.mute()
    await talk.mine.listen()
    await talk.mine.mute(False)
    told = [event.args for event in await talk.mine.events() if event.name == "mute"]
    assert told == [(False, {"call": 0})]
    await stage.customer.send(await sid_of(talk.mine), "x")
    await talk.mine.wait_for("messageReceived")
    assert names(await talk.mine.events()).count("messageReceived") == 1


# ------ the audio helper

AUDIO = "Audio helper"
HELPER = """availableInputDevices availableOutputDevices inputDevice isOutputSelectionSupported isVolumeSupported
    setInputDevice unsetInputDevice addProcessor removeProcessor"""


@row(AUDIO, "`device.audio` is there until the device is destroyed")
async def test_the_audio_helper(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    assert (await me.facts()).audio is True
    await me.destroy()
    assert (await me.facts()).audio is False


@row(AUDIO, "lists of devices, the input device, processors: the helper has them")
async def test_members_of_the_audio_helper(client: Kind, stage: Stage) -> None:
    found = (await (await stage.device(client)).surface()).audio
    # Fields of a browser's helper are no members of its prototype.
    fields = {"availableInputDevices", "availableOutputDevices", "isOutputSelectionSupported", "isVolumeSupported"}
    assert set(HELPER.split()) - found <= (fields if client is Kind.BROWSER else set())


@row(AUDIO, "one local and one remote processor at a time; what is none, or was not added, is refused")
async def test_processors(client: Kind, stage: Stage) -> None:
    assert await (await stage.device(client)).processors() == [
        "InvalidArgumentError",
        "InvalidArgumentError",
        "InvalidArgumentError",
        "ok",
        "NotSupportedError",
        "InvalidArgumentError",
        "ok",
        "ok",
        "ok",
    ]


@differs(
    "needs PortAudio",
    "Microphones and speakers of `midcall.sdk` are those of PortAudio; where that is not installed, asking for one is "
    "a NotSupportedError. Calls need neither.",
)
async def hardware_by_portaudio(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    assert me.device.audio is not None  # type: ignore[attr-defined]
    has_portaudio = me.device.audio.is_output_selection_supported  # type: ignore[attr-defined]
    with pytest.raises(Thrown) as thrown:
        await me.set_input("no-such-microphone")
    assert thrown.value.name == ("InvalidArgumentError" if has_portaudio else "NotSupportedError")


@row(AUDIO, "`setInputDevice` of a device that does not exist: InvalidArgumentError", python=hardware_by_portaudio)
async def test_a_microphone_that_does_not_exist(client: Kind, stage: Stage) -> None:
    with pytest.raises(Thrown) as thrown:
        await (await stage.device(client)).set_input("no-such-microphone")
    assert thrown.value.name == "InvalidArgumentError"


@because(NO_SOUNDS)
async def no_sounds_to_turn_off(client: Kind, stage: Stage) -> None:
    found = (await (await stage.device(client)).surface()).audio
    assert not {"incoming", "outgoing", "disconnect", "ringtoneDevices"} & found


@row(AUDIO, "the sounds of ringing, dialling and hanging up can be turned off", python=no_sounds_to_turn_off)
async def test_sounds(client: Kind, stage: Stage) -> None:
    assert await (await stage.device(client)).sounds() == [True, False, False, True]
