"""What goes wrong, as exceptions: `VoiceError` carries a documented code, the others are misuse of the SDK.

Codes and names are those of the browser SDK; the words are our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from midcall.sdk.call import Call


class SdkError(Exception):
    """Base of everything this SDK raises."""


class InvalidArgumentError(SdkError, ValueError):
    """An argument cannot be used."""


class InvalidStateError(SdkError):
    """The device or the call is not in a state that allows this."""


class NotSupportedError(SdkError):
    """This client cannot do that."""


NAMES: Final[dict[int, tuple[str, str]]] = {
    20101: ("AccessTokenInvalid", "The server could not validate the access token."),
    20104: ("AccessTokenExpired", "The access token has expired, or its expiry cannot be used."),
    20151: ("AuthenticationFailed", "The access token does not authorise this."),
    31000: ("UnknownError", "Something failed that has no code of its own."),
    31001: ("ApplicationNotFoundError", "The TwiML application of the access token does not exist."),
    31002: ("ConnectionDeclinedError", "The server declined the call."),
    31003: ("ConnectionTimeoutError", "The server did not answer in time."),
    31005: ("ConnectionError", "The connection failed during the call, or the socket ended abnormally."),
    31008: ("CallCancelledError", "The call is already over."),
    31009: ("TransportError", "There is no connection to send on."),
    31100: ("MalformedRequestError", "The server could not read the request."),
    31101: ("MissingParameterArrayError", "The request lacks its parameters."),
    31102: ("AuthorizationTokenMissingError", "No access token was sent."),
    31103: ("MaxParameterLengthExceededError", "The parameters of connect() are longer than 800 bytes."),
    31104: ("InvalidBridgeTokenError", "The bridge token cannot be used."),
    31105: ("InvalidClientNameError", "The identity has characters that are not allowed."),
    31107: ("ReconnectParameterInvalidError", "The reconnect parameter cannot be used."),
    31201: ("AuthorizationError", "The access token does not authorise this."),
    31202: ("AccessTokenSignatureValidationFailed", "The access token's signature does not match."),
    31203: ("NoValidAccountError", "The account of the access token is unknown or not active."),
    31204: ("InvalidJWTTokenError", "The access token is not a valid JWT."),
    31205: ("JWTTokenExpiredError", "The access token has expired."),
    31206: ("RateExceededError", "Too many messages in too little time."),
    31207: ("JWTTokenExpirationTooLongError", "The access token lives longer than allowed."),
    31209: ("ReconnectAttemptError", "The call cannot be resumed."),
    31210: ("CallMessageEventTypeInvalidError", "The server does not know this message type."),
    31211: ("CallMessageUnexpectedStateError", "The call is neither ringing nor in progress."),
    31212: ("PayloadSizeExceededError", "The message is over the size limit."),
    31400: ("BadRequest", "A frame could not be understood."),
    31401: ("PermissionDeniedError", "The audio source may not be used."),
    31402: ("AcquisitionFailedError", "The audio source cannot be opened."),
    31404: ("NotFound", "The number or the application's voice URL does not exist."),
    31480: ("TemporarilyUnavailable", "The callee cannot be reached."),
    31486: ("BusyHere", "The callee is busy."),
    31603: ("Decline", "The callee declined."),
    53000: ("ConnectionError", "A signalling error without a code of its own."),
    53001: ("ConnectionDisconnected", "The signalling connection was lost."),
    53400: ("ClientLocalDescFailed", "The session description could not be made."),
    53402: ("ClientRemoteDescFailed", "The server's session description cannot be applied."),
    53405: ("ConnectionError", "The media connection failed."),
}
"""Code to (name, explanation)."""

AUTHORISATION: Final = frozenset({20101, 20104, 20151, 31102, 31105, 31202, 31203, 31207})
"""Codes after which trying again with the same access token is pointless."""

_RENAMED: Final = {31201: 20151, 31204: 20101, 31205: 20104}

PRECISE: Final = frozenset(
    {31001, 31002, 31003, 31101, 31102, 31103, 31104, 31105, 31107}
    | {31201, 31202, 31203, 31204, 31205, 31207, 31404, 31480, 31486, 31603}
)
"""Codes that a browser shows only to who asks for them, by `enableImprovedSignalingErrorPrecision`."""


class VoiceError(SdkError):
    """An error with a documented code, as the `error` and `reconnecting` events carry it.

    Attributes:
        code: see NAMES.
        name: the error's name.
        explanation: when it happens.
        detail: what the server or the library below said, possibly empty.
        original_error: the exception underneath, or None.
        call: on a device's errors, the pending call that it is about, or None.
    """

    def __init__(self, code: int, detail: str = "", original_error: BaseException | None = None) -> None:
        known = NAMES.get(code)
        self.code = code
        self.name, self.explanation = known or ("UnknownError", "The server sent a code without a documented meaning.")
        self.detail = detail
        self.original_error = original_error
        self.call: Call | None = None
        super().__init__(f"{self.name} ({code}): {detail or self.explanation}")

    @property
    def message(self) -> str:
        """Name, code and words in one line."""
        return str(self)


def device_error(code: int, detail: str = "", *, precise: bool = True) -> VoiceError:
    """An `error` frame about the device; three token codes change to the ones applications know.

    Without precision most others become 53000, as in a browser that was not asked.
    """
    if code in _RENAMED:
        return VoiceError(_RENAMED[code], detail)
    return VoiceError(code if precise or _is_general(code) else 53000, detail)


def call_fault(code: int, message: str, *, precise: bool) -> tuple[int, str]:
    """Code and words of a `hangup` frame's error; without precision most codes become 31005."""
    if precise or _is_general(code):
        return code, message
    return 31005, f"{message} ({code})" if message else f"the server's code is {code}"


def message_error(code: int, detail: str, *, precise: bool) -> VoiceError:
    """An `error` frame about a message; without precision most codes become 31000."""
    return VoiceError(code if precise or _is_general(code) else 31000, detail)


def _is_general(code: int) -> bool:
    return code in NAMES and code not in PRECISE
