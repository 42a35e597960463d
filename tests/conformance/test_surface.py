"""Names: what classes have, enumerations, listeners."""

from __future__ import annotations

import pytest

from conformance.driver import Kind, names
from conformance.rows import Reason, because, row
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


NO_SOUNDS = Reason(
    "not",
    "plays no sounds",
    "`SoundName` names the sounds that a page plays when it rings, dials and hangs up. `midcall.sdk` plays none.",
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
