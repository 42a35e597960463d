"""Who owns what: accounts, API keys and TwiML applications, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from midcall.core.sids import AccountSid, ApplicationSid, KeySid


class AccountStatus(StrEnum):
    """Closing is final."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A tenant. Every key in the store begins with its sid. A root account owns itself."""

    sid: AccountSid
    owner_sid: AccountSid
    friendly_name: str
    status: AccountStatus
    auth_token: str
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key signs access tokens and opens the REST API. A main key may also manage accounts and keys."""

    sid: KeySid
    account_sid: AccountSid
    friendly_name: str
    secret: str
    is_main: bool
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Where a call placed by an SDK asks for its TwiML. Empty text means "not set".

    Attributes:
        message_callback: hears every message of legs that run this application, and of the legs they dial, from the
            first on (an extension).
    """

    sid: ApplicationSid
    account_sid: AccountSid
    friendly_name: str
    created_at: float
    updated_at: float
    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    voice_caller_id_lookup: bool = False
    public_application_connect_enabled: bool = False
    sms_url: str = ""
    sms_method: str = "POST"
    sms_fallback_url: str = ""
    sms_fallback_method: str = "POST"
    sms_status_callback: str = ""
    message_status_callback: str = ""
    message_callback: str = ""
    message_callback_method: str = "POST"
