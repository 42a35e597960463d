"""Access tokens: what a Voice SDK client shows in `listen`. Whether one is good, and how one is made.

PyJWT reads, verifies and signs; the rules and their order are here. Time and the token's id are passed in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from midcall.core import errors, sids
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid, ApplicationSid, KeySid

ALGORITHMS: Final = ("HS256", "HS384", "HS512")
"""HS256 is the documented one; one official helper library can also sign the others."""

CONTENT_TYPE: Final = "twilio-fpa;v=1"

MAX_TOKEN_CHARS: Final = 16 * 1024
MAX_LIFE_S: Final = 24 * 3600
LEEWAY_S: Final = 60
"""How far the clock of the server that made the token may be off, for `nbf` and for the longest life."""

MAX_IDENTITY_CHARS: Final = 256

_IDENTITY: Final = re.compile(r"[^\x00-\x20\x7f<>#%\"{}|\\^\[\]`]+")
"""Everything but control, space, delimiter and unwise characters (RFC 2396 section 2.4.3)."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who a token says it is from; not verified yet."""

    key_sid: KeySid
    account_sid: AccountSid


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a verified token says.

    Attributes:
        expires_at: epoch seconds.
        starts_at, issued_at: `nbf` and `iat`, epoch seconds, None when absent.
        incoming: calls may come in.
        application_sid: where outgoing calls go; None forbids them.
        parameters: default parameters of outgoing calls.
        home: the token's home region.
    """

    identity: str | None
    expires_at: float
    starts_at: float | None = None
    issued_at: float | None = None
    incoming: bool = False
    application_sid: ApplicationSid | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    home: str | None = None


def issuer_of(token: str | None) -> Issuer:
    """Whose key has to verify the token.

    Raises:
        Refused: TOKEN_MISSING, or TOKEN_INVALID when it is no access token.
    """
    if not token:
        raise Refused(errors.TOKEN_MISSING)
    if len(token) > MAX_TOKEN_CHARS:
        raise Refused(errors.TOKEN_INVALID, "The access token is too long to be one")
    decoded = _decode(token, None)
    header, payload = decoded["header"], decoded["payload"]
    if header.get("alg") not in ALGORITHMS:
        raise Refused(errors.TOKEN_INVALID, f"The access token's alg is none of {', '.join(ALGORITHMS)}")
    if header.get("cty") != CONTENT_TYPE:
        raise Refused(errors.TOKEN_INVALID, f"The access token's cty is not {CONTENT_TYPE}")
    key, account = _sid(payload.get("iss"), "SK"), _sid(payload.get("sub"), "AC")
    if key is None or account is None:
        raise Refused(errors.TOKEN_INVALID, "The access token's iss is no API key sid or its sub no account sid")
    return Issuer(KeySid(key), AccountSid(account))


def verify(token: str, secret: str) -> Claims:
    """Check the signature with the issuer's secret, and read the claims.

    Raises:
        Refused: TOKEN_SIGNATURE, or TOKEN_INVALID when the claims are not those of a voice token.
    """
    decoded = _decode(token, secret)
    payload = decoded["payload"]
    grants = _object(payload.get("grants"))
    voice = grants.get("voice")
    expires_at = _time(payload.get("exp"))
    if not isinstance(voice, dict):
        raise Refused(errors.TOKEN_INVALID, "The access token has no voice grant")
    if expires_at is None:
        raise Refused(errors.TOKEN_INVALID, "The access token has no exp")
    outgoing = _object(voice.get("outgoing"))
    application = _sid(outgoing.get("application_sid"), "AP")
    home = decoded["header"].get("twr")
    return Claims(
        identity=_identity(grants.get("identity")),
        expires_at=expires_at,
        starts_at=_time(payload.get("nbf")),
        issued_at=_time(payload.get("iat")),
        incoming=_object(voice.get("incoming")).get("allow") is True,
        application_sid=ApplicationSid(application) if application else None,
        parameters=tuple((key, _text(value)) for key, value in _object(outgoing.get("params")).items()),
        home=home if isinstance(home, str) and re.fullmatch(r"[a-z0-9-]{1,32}", home) else None,
    )


def check_start(claims: Claims, now: float) -> None:
    """Refuse a token whose time has not come.

    Raises:
        Refused: TOKEN_INVALID.
    """
    if claims.starts_at is not None and claims.starts_at > now + LEEWAY_S:
        raise Refused(errors.TOKEN_INVALID, "The access token is not valid yet")


def check_life(claims: Claims, now: float, *, ended: bool = False) -> None:
    """Refuse a token that has expired (unless its life may have ended), lives too long, or names nobody callable.

    Raises:
        Refused: TOKEN_EXPIRED, TOKEN_TOO_LONG or IDENTITY_INVALID.
    """
    if claims.expires_at <= now and not ended:
        raise Refused(errors.TOKEN_EXPIRED)
    born_at = now if claims.issued_at is None else min(now, claims.issued_at)
    if claims.expires_at - born_at > MAX_LIFE_S + LEEWAY_S:
        raise Refused(errors.TOKEN_TOO_LONG)
    if claims.identity is not None and not is_identity(claims.identity):
        raise Refused(errors.IDENTITY_INVALID)


def is_identity(text: str) -> bool:
    """Whether a client may have this name: 1 to 256 characters, no controls, spaces, delimiters, unwise ones."""
    return len(text) <= MAX_IDENTITY_CHARS and _IDENTITY.fullmatch(text) is not None


def mint(
    *,
    key_sid: KeySid,
    secret: str,
    account_sid: AccountSid,
    now: float,
    token_id: str,
    identity: str | None = None,
    ttl_s: int = 3600,
    incoming: bool = True,
    application_sid: ApplicationSid | None = None,
    parameters: Mapping[str, str] | None = None,
    home: str | None = None,
) -> str:
    """Sign an access token as the official helper libraries do.

    Args:
        token_id: the `jti`; the libraries write the key's sid, a dash and the time.
        incoming: calls may come in; needs an identity to be of use.
        application_sid: where outgoing calls go; None forbids them.
        parameters: defaults of outgoing calls.
    """
    voice: dict[str, object] = {}
    if incoming:
        voice["incoming"] = {"allow": True}
    if application_sid is not None:
        outgoing: dict[str, object] = {"application_sid": application_sid}
        if parameters:
            outgoing["params"] = dict(parameters)
        voice["outgoing"] = outgoing
    grants: dict[str, object] = {"voice": voice}
    if identity is not None:
        grants["identity"] = identity
    headers = {"cty": CONTENT_TYPE, **({"twr": home} if home else {})}
    issued = int(now)
    payload: dict[str, Any] = {
        "jti": token_id,
        "iss": key_sid,
        "sub": account_sid,
        "nbf": issued,
        "exp": issued + ttl_s,
        "grants": grants,
    }
    return jwt.encode(payload, secret, algorithm="HS256", headers=headers)


# PyJWT compares times with its own clock, so every claim is checked here.
_CLAIMS_UNCHECKED: Final[dict[str, Any]] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
_READER: Final = jwt.PyJWT()


def _decode(token: str, secret: str | None) -> dict[str, Any]:
    options: Any = {**_CLAIMS_UNCHECKED, "verify_signature": secret is not None}
    try:
        if secret is None:
            return _READER.decode_complete(token, options=options)
        return _READER.decode_complete(token, secret, algorithms=ALGORITHMS, options=options)
    except jwt.InvalidSignatureError:
        raise Refused(errors.TOKEN_SIGNATURE) from None
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
        # PyJWT trusts that headers and claims have their documented types.
        raise Refused(errors.TOKEN_INVALID) from None


def _sid(value: object, prefix: str) -> str | None:
    return sids.parse(value, prefix) if isinstance(value, str) else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return math.inf
    return None if math.isnan(seconds) else seconds


def _identity(value: object) -> str | None:
    """Absent and empty mean anonymous; what is not a text is no name."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else "\x00"


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)
