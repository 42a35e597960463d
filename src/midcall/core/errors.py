"""Every rule that can refuse something, in one table: its REST pair, its signalling code, its words.

A rule raises `Refused`. Three places render it: `rest` as the JSON body that client libraries expect,
`signalling` as an `error` or `hangup` frame, `sdk` as the exception on the call or the device.
Numbers are the vendor's wherever the vendor has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to say no.

    Attributes:
        name: the name of the constant, for docs and logs.
        text: one sentence for a person; REST and signalling show it when no detail is given.
        rest: (HTTP status, code) of the REST answer.
        signalling: code of the signalling frame; None when no client can meet the rule there.
        temporary: the same request may succeed later.
    """

    name: str
    text: str
    rest: tuple[int, int]
    signalling: int | None = None
    temporary: bool = False


class Refused(Exception):
    """The caller's fault, and we can say so. `detail` replaces the rule's own sentence where it knows more."""

    def __init__(self, rule: Rule, detail: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(detail or rule.text)
        self.rule = rule
        self.detail = detail or rule.text
        self.retry_after = retry_after


def _rule(
    name: str, text: str, rest: tuple[int, int], signalling: int | None = None, *, temporary: bool = False
) -> Rule:
    rule = Rule(name, text, rest, signalling, temporary)
    RULES[name] = rule
    return rule


RULES: Final[dict[str, Rule]] = {}
"""All rules by name; the error page of the docs is printed from here."""

# Credentials and tokens
AUTHENTICATION_FAILED = _rule("AUTHENTICATION_FAILED", "Authenticate", (401, 20003), 31201)
TOKEN_MISSING = _rule("TOKEN_MISSING", "No access token was sent", (401, 20003), 31102)
TOKEN_INVALID = _rule("TOKEN_INVALID", "The access token is not valid", (401, 20101), 31204)
TOKEN_SIGNATURE = _rule("TOKEN_SIGNATURE", "The access token's signature does not match", (401, 20107), 31202)
TOKEN_EXPIRED = _rule("TOKEN_EXPIRED", "The access token has expired", (401, 20104), 31205)
TOKEN_TOO_LONG = _rule("TOKEN_TOO_LONG", "The access token lives longer than 24 hours", (401, 20106), 31207)
ACCOUNT_INVALID = _rule("ACCOUNT_INVALID", "The account is unknown or not active", (401, 20003), 31203)
IDENTITY_INVALID = _rule("IDENTITY_INVALID", "The identity has characters that are not allowed", (400, 20105), 31105)
INCOMING_NOT_ALLOWED = _rule(
    "INCOMING_NOT_ALLOWED",
    "The access token does not allow incoming calls, or has no identity",
    (403, 20403),
    31201,
)

# Placing calls
OUTGOING_NOT_ALLOWED = _rule(
    "OUTGOING_NOT_ALLOWED", "The access token does not allow outgoing calls", (403, 20403), 31002
)
APPLICATION_NOT_FOUND = _rule("APPLICATION_NOT_FOUND", "The TwiML application does not exist", (400, 21218), 31001)
APPLICATION_WITHOUT_URL = _rule(
    "APPLICATION_WITHOUT_URL", "The TwiML application has no voice URL", (400, 21218), 31404
)
PARAMETERS_TOO_LONG = _rule(
    "PARAMETERS_TOO_LONG", "The call's parameters are longer than 800 bytes", (400, 20001), 31103
)
MEDIA_REFUSED = _rule(
    "MEDIA_REFUSED",
    "This server runs without media; the client would have to declare that it has none",
    (400, 20001),
    31002,
)
SDP_UNUSABLE = _rule("SDP_UNUSABLE", "The session description cannot be used", (400, 20001), 31100)
RESUME_REFUSED = _rule("RESUME_REFUSED", "The call cannot be resumed with this token", (400, 20001), 31209)
CALLEE_UNAVAILABLE = _rule("CALLEE_UNAVAILABLE", "Nobody can be reached", (400, 20001), 31480)
CALL_GONE = _rule("CALL_GONE", "The call is already over or was answered elsewhere", (404, 20404), 31008)
SERVER_STOPPING = _rule(
    "SERVER_STOPPING", "The server is stopping and takes no new work", (503, 20503), 31003, temporary=True
)
STORE_UNAVAILABLE = _rule(
    "STORE_UNAVAILABLE",
    "The server cannot store anything right now; nothing was done",
    (503, 20503),
    31003,
    temporary=True,
)

# Messages and subscriptions
CALL_NOT_ACTIVE = _rule(
    "CALL_NOT_ACTIVE",
    "Call is not active. User-defined messages need a ringing or in-progress call.",
    (400, 21220),
    31211,
)
NOT_AN_SDK_LEG = _rule("NOT_AN_SDK_LEG", "Nobody with a Voice SDK is on this leg of the call", (400, 21220), 31211)
IDENTITY_NOT_ON_CALL = _rule("IDENTITY_NOT_ON_CALL", "No client of this identity is on this call", (400, 21220))
IDENTITY_AMBIGUOUS = _rule("IDENTITY_AMBIGUOUS", "Several legs of this call have this identity", (400, 20001))
MESSAGE_TYPE_INVALID = _rule("MESSAGE_TYPE_INVALID", "Call Message Event Type is invalid", (400, 20001), 31210)
MESSAGE_TOO_LARGE = _rule("MESSAGE_TOO_LARGE", "The message is over the size limit", (400, 32703), 31212)
MESSAGE_NOT_JSON = _rule("MESSAGE_NOT_JSON", "Content is missing or is not JSON", (400, 32702), 31100)
MESSAGE_WRONG_TYPE = _rule(
    "MESSAGE_WRONG_TYPE", "The request's Content-Type cannot be read; send a form or JSON", (400, 32701)
)
RATE_EXCEEDED = _rule("RATE_EXCEEDED", "Too Many Requests", (429, 20429), 31206, temporary=True)
CLIENT_AWAY = _rule(
    "CLIENT_AWAY", "Too many messages wait for a client that is away", (429, 20429), 31206, temporary=True
)
IDEMPOTENCY_CONFLICT = _rule("IDEMPOTENCY_CONFLICT", "This IdempotencyKey was used with other parameters", (409, 20409))
TOO_MANY_SUBSCRIPTIONS = _rule("TOO_MANY_SUBSCRIPTIONS", "A call takes at most 10 subscriptions", (400, 20001))

# Frames
FRAME_MALFORMED = _rule("FRAME_MALFORMED", "The frame cannot be read", (400, 20001), 31100)

# REST in general
CROSS_SITE = _rule("CROSS_SITE", "Another site's page may not navigate or post here", (403, 20403))
NOT_FOUND = _rule("NOT_FOUND", "The requested resource was not found", (404, 20404), 31404)
METHOD_NOT_ALLOWED = _rule("METHOD_NOT_ALLOWED", "Method not allowed", (405, 20004))
BODY_TOO_LARGE = _rule("BODY_TOO_LARGE", "The request body is over the limit", (413, 20413))
PARAMETER_INVALID = _rule("PARAMETER_INVALID", "A parameter is missing or cannot be used", (400, 20001))
PARAMETER_TOO_LONG = _rule("PARAMETER_TOO_LONG", "A parameter is too long", (400, 20002))
PAGE_SIZE_TOO_LARGE = _rule("PAGE_SIZE_TOO_LARGE", "PageSize is over 1000", (400, 20007))
INTERNAL = _rule("INTERNAL", "An internal error occurred; nothing was done", (500, 20500), 31000)
CALL_NOT_DELETABLE = _rule("CALL_NOT_DELETABLE", "A call can be deleted only after it has ended", (400, 20009))
CALL_NOT_REDIRECTABLE = _rule("CALL_NOT_REDIRECTABLE", "Call is not in-progress. Cannot redirect.", (400, 21220))
TO_MISSING = _rule("TO_MISSING", "No 'To' number is specified", (400, 21201))
TO_INVALID = _rule("TO_INVALID", "The 'To' endpoint cannot be called", (400, 21211))
FROM_MISSING = _rule("FROM_MISSING", "No 'From' number is specified", (400, 21213))
FROM_INVALID = _rule("FROM_INVALID", "The 'From' endpoint is not valid", (400, 21212))
URL_MISSING = _rule("URL_MISSING", "Url parameter is required.", (400, 21205))
URL_INVALID = _rule("URL_INVALID", "Url is not a valid URL", (400, 21205))
TIMEOUT_INVALID = _rule("TIMEOUT_INVALID", "Timeout is not valid", (400, 21208))
METHOD_INVALID = _rule("METHOD_INVALID", "Method must be GET or POST", (400, 21209))
DIGITS_INVALID = _rule("DIGITS_INVALID", "SendDigits is not valid", (400, 21206))
TWIML_TOO_LONG = _rule("TWIML_TOO_LONG", "Twiml is longer than 4000 characters", (400, 32018))
PHONE_NUMBER_INVALID = _rule("PHONE_NUMBER_INVALID", "PhoneNumber is not a number in E.164 format", (400, 21421))
PHONE_NUMBER_MISSING = _rule("PHONE_NUMBER_MISSING", "PhoneNumber or AreaCode is needed", (400, 21421))
PHONE_NUMBER_TAKEN = _rule("PHONE_NUMBER_TAKEN", "PhoneNumber is not available", (400, 21422))
AREA_CODE_INVALID = _rule("AREA_CODE_INVALID", "AreaCode is not an area code of North America", (400, 21451))
AREA_CODE_EXHAUSTED = _rule("AREA_CODE_EXHAUSTED", "No number is left in this AreaCode", (400, 21452))
SUBACCOUNT_NESTED = _rule("SUBACCOUNT_NESTED", "A subaccount cannot have subaccounts", (400, 21101))
