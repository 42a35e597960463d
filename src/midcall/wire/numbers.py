"""What REST answers about phone numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, cast

from msgspec import Struct

from midcall.core.numbers import PhoneNumber, StirStatus, is_toll_free
from midcall.wire.dates import rfc2822
from midcall.wire.paging import Page
from midcall.wire.resources import (
    API_VERSION,
    BASE,
    EXTENSION,
    AccountSidText,
    ApplicationSidText,
    Date,
    HttpMethod,
    PhoneNumberSidText,
    http_method,
)


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a number can do: calls, and nothing else."""

    fax: bool = False
    mms: bool = False
    sms: bool = False
    voice: bool = True


class PhoneNumberResource(Struct, frozen=True, kw_only=True):
    """A phone number of the account, and what calls to it run."""

    account_sid: AccountSidText
    address_sid: str | None = None
    address_requirements: Literal["none"] = "none"
    api_version: str = API_VERSION
    beta: bool = False
    capabilities: Capabilities = Capabilities()
    date_created: Date
    date_updated: Date
    friendly_name: str
    identity_sid: str | None = None
    phone_number: str
    origin: Literal["twilio"] = "twilio"
    sid: PhoneNumberSidText
    sms_application_sid: ApplicationSidText | None
    sms_fallback_method: HttpMethod
    sms_fallback_url: str | None
    sms_method: HttpMethod
    sms_url: str | None
    status_callback: str | None
    status_callback_method: HttpMethod
    trunk_sid: str | None = None
    uri: str
    voice_receive_mode: Literal["voice"] = "voice"
    voice_application_sid: ApplicationSidText | None
    voice_caller_id_lookup: bool
    voice_fallback_method: HttpMethod
    voice_fallback_url: str | None
    voice_method: HttpMethod
    voice_url: str | None
    emergency_status: Literal["Inactive"] = "Inactive"
    emergency_address_sid: str | None = None
    emergency_address_status: Literal["unregistered"] = "unregistered"
    bundle_sid: str | None = None
    status: Literal["in-use"] = "in-use"
    type: Literal["local", "toll-free"]
    stir_status: Annotated[StirStatus | None, EXTENSION]


class PhoneNumberPage(Page, frozen=True, kw_only=True):
    incoming_phone_numbers: Sequence[PhoneNumberResource]


def phone_number_resource(number: PhoneNumber) -> PhoneNumberResource:
    return PhoneNumberResource(
        account_sid=number.account_sid,
        date_created=rfc2822(number.created_at),
        date_updated=rfc2822(number.updated_at),
        friendly_name=number.friendly_name,
        phone_number=number.number,
        sid=number.sid,
        sms_application_sid=number.sms_application_sid,
        sms_fallback_method=http_method(number.sms_fallback_method),
        sms_fallback_url=number.sms_fallback_url or None,
        sms_method=http_method(number.sms_method),
        sms_url=number.sms_url or None,
        status_callback=number.status_callback or None,
        status_callback_method=http_method(number.status_callback_method),
        uri=f"{BASE}/{number.account_sid}/IncomingPhoneNumbers/{number.sid}.json",
        voice_application_sid=number.voice_application_sid,
        voice_caller_id_lookup=number.voice_caller_id_lookup,
        voice_fallback_method=http_method(number.voice_fallback_method),
        voice_fallback_url=number.voice_fallback_url or None,
        voice_method=http_method(number.voice_method),
        voice_url=number.voice_url or None,
        type="toll-free" if is_toll_free(number.number) else "local",
        stir_status=cast(StirStatus, number.stir_status) if number.stir_status else None,
    )
