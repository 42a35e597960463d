"""Phone numbers that an account owns: what is written of them, and what a call to one runs.

A number means something inside its account only: the same digits may belong to two tenants, and a call never leaves
the tenant that placed it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from midcall.core.sids import AccountSid, ApplicationSid, PhoneNumberSid

E164: Final = r"\+[1-9]\d{6,14}"
"""A country code and a subscriber's number, 7 to 15 digits together (ITU-T E.164)."""

AREA_CODE: Final = r"[2-9]\d{2}"
"""Of North America."""

StirStatus = Literal[
    "TN-Validation-Passed-A",
    "TN-Validation-Passed-B",
    "TN-Validation-Passed-C",
    "TN-Validation-Failed-A",
    "TN-Validation-Failed-B",
    "TN-Validation-Failed-C",
    "TN-Validation-Failed",
    "No-TN-Validation",
]
"""What the called side may be told of a caller's attestation (SHAKEN, ATIS-1000074)."""
STIR_STATUSES: Final[tuple[StirStatus, ...]] = get_args(StirStatus)

VERIFIED: Final = "TN-Validation-Passed-A"
"""The only status with which an SDK calls its caller verified."""

FICTIONAL: Final = range(100, 200)
"""Subscribers behind 555 that are kept free of people in North America: 555-0100 to 555-0199."""

TOLL_FREE: Final = frozenset({"800", "833", "844", "855", "866", "877", "888"})

_E164: Final = re.compile(E164, re.ASCII)
_SEPARATORS: Final = str.maketrans("", "", " -.()")
_NATIONAL: Final = re.compile(r"1?([2-9]\d{9})", re.ASCII)
_NORTH_AMERICAN: Final = re.compile(r"\+1(\d{3})(\d{3})(\d{4})", re.ASCII)
_AREA_CODE: Final = re.compile(AREA_CODE, re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNumber:
    """A number of an account and what calls to it do. Empty text means "not set".

    Attributes:
        number: in E.164; unique in the account.
        voice_application_sid: when set, this application's addresses count instead of the number's own.
        stir_status: how the called side is told that calls from this number are attested (an extension).
    """

    sid: PhoneNumberSid
    account_sid: AccountSid
    number: str
    friendly_name: str
    created_at: float
    updated_at: float
    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    voice_application_sid: ApplicationSid | None = None
    voice_caller_id_lookup: bool = False
    status_callback: str = ""
    status_callback_method: str = "POST"
    sms_url: str = ""
    sms_method: str = "POST"
    sms_fallback_url: str = ""
    sms_fallback_method: str = "POST"
    sms_application_sid: ApplicationSid | None = None
    stir_status: str = ""


def parse(text: str) -> str | None:
    """A number as people write it, in E.164; None when it is none.

    Without a plus it is read as North American: ten digits, or eleven that begin with 1.
    """
    digits = text.strip().translate(_SEPARATORS)
    if _E164.fullmatch(digits):
        return digits
    national = _NATIONAL.fullmatch(digits)
    return None if national is None else f"+1{national[1]}"


def formatted(number: str) -> str:
    """`(415) 867-5308` for North American numbers, all others unchanged."""
    national = _NORTH_AMERICAN.fullmatch(number)
    return number if national is None else "({}) {}-{}".format(*national.groups())


def is_e164(text: str) -> bool:
    """Whether a text is a number already."""
    return _E164.fullmatch(text) is not None


def is_area_code(text: str) -> bool:
    """Whether it could be an area code of North America."""
    return _AREA_CODE.fullmatch(text) is not None


def in_area(area_code: str, subscriber: int) -> str:
    """A number of that area for nobody: `+1AAA5550100` to `+1AAA5550199`."""
    return f"+1{area_code}555{subscriber:04d}"


def matches(number: str, pattern: str) -> bool:
    """Whether a number has this part: digits, perhaps a plus, and `*` for one digit."""
    digits = "".join(r"\d" if letter == "*" else re.escape(letter) for letter in pattern)
    return re.search(digits, number) is not None


def is_toll_free(number: str) -> bool:
    """Whether the called side pays."""
    return number.startswith("+1") and number[2:5] in TOLL_FREE
