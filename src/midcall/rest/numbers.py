"""Phone numbers of the account: which TwiML a call to one runs, and how calls from it are attested."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import PhoneNumberSid
from midcall.ports import PageResult
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint, page_request, paging
from midcall.wire.numbers import PhoneNumberPage, PhoneNumberResource, phone_number_resource
from midcall.wire.parameters import Nothing
from midcall.wire.requests import NewPhoneNumberForm, PhoneNumberForm, PhoneNumberListForm, PhoneNumberUpdateForm

HOSTED: Final = "hosted"
"""Origin of numbers that another carrier holds; there are none here."""

_CHANGEABLE: Final = {field.name for field in fields(PhoneNumber)} - {"account_sid"}
_SIDS: Final = ("voice_application_sid", "sms_application_sid")


async def create(api: Api, asked: Asked[NewPhoneNumberForm]) -> PhoneNumberResource:
    form = asked.form

    def wanted(number: PhoneNumber) -> PhoneNumber:
        return changed(number, form)

    if form.phone_number is not None:
        return phone_number_resource(await api.numbers.add(asked.account_sid, form.phone_number, wanted))
    return phone_number_resource(await api.numbers.add_in(asked.account_sid, form.area_code or "", wanted))


async def fetch(api: Api, asked: Asked[Nothing]) -> PhoneNumberResource:
    return phone_number_resource(await _known(api, asked))


async def list_(api: Api, asked: Asked[PhoneNumberListForm]) -> PhoneNumberPage:
    form, page = asked.form, page_request(asked, "PN")
    result: PageResult[PhoneNumber] = PageResult((), has_next=False, has_previous=False)
    if form.origin != HOSTED:
        result = await api.store.phone_numbers(
            asked.account_sid, page, friendly_name=form.friendly_name, part=form.phone_number
        )
    return PhoneNumberPage(
        **paging(asked, result), incoming_phone_numbers=[phone_number_resource(row) for row in result.rows]
    )


async def update(api: Api, asked: Asked[PhoneNumberUpdateForm]) -> PhoneNumberResource:
    number = await _known(api, asked)
    if asked.form.account_sid not in (None, asked.account_sid):
        raise Refused(
            errors.PARAMETER_INVALID,
            "A number stays with its account: delete it here and create it in the other account",
        )
    return phone_number_resource(await api.numbers.put(changed(number, asked.form)))


async def delete(api: Api, asked: Asked[Nothing]) -> None:
    if not await api.store.delete_phone_number(asked.account_sid, PhoneNumberSid(asked.sid)):
        raise Refused(errors.NOT_FOUND)


def changed(number: PhoneNumber, form: PhoneNumberForm) -> PhoneNumber:
    """The number with the form's values: its fields have the same names; None means unchanged."""
    names = _CHANGEABLE & set(form.__struct_fields__)
    sent = {name: value for name in names if (value := getattr(form, name)) is not None}
    sent |= {name: sent[name] or None for name in _SIDS if name in sent}
    return replace(number, **sent)


async def _known(api: Api, asked: Asked[PhoneNumberUpdateForm] | Asked[Nothing]) -> PhoneNumber:
    number = await api.store.phone_number(asked.account_sid, PhoneNumberSid(asked.sid))
    if number is None:
        raise Refused(errors.NOT_FOUND)
    return number


_NUMBERS: Final = f"{ACCOUNT}/IncomingPhoneNumbers"

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=_NUMBERS,
        name="CreateIncomingPhoneNumber",
        summary="Make a number the account's own: the one that is named, or any of an area.",
        handler=create,
        form=NewPhoneNumberForm,
        answer=PhoneNumberResource,
        status=201,
        refusals=(errors.PHONE_NUMBER_TAKEN, errors.AREA_CODE_EXHAUSTED),
    ),
    Endpoint(
        method="GET",
        path=_NUMBERS,
        name="ListIncomingPhoneNumber",
        summary="Numbers of the account, newest first.",
        handler=list_,
        form=PhoneNumberListForm,
        answer=PhoneNumberPage,
    ),
    Endpoint(
        method="GET",
        path=f"{_NUMBERS}/{{Sid}}",
        name="FetchIncomingPhoneNumber",
        summary="One number.",
        handler=fetch,
        form=Nothing,
        answer=PhoneNumberResource,
        sid_prefix="PN",
    ),
    Endpoint(
        method="POST",
        path=f"{_NUMBERS}/{{Sid}}",
        name="UpdateIncomingPhoneNumber",
        summary="Change a number; calls from now on use it.",
        handler=update,
        form=PhoneNumberUpdateForm,
        answer=PhoneNumberResource,
        sid_prefix="PN",
    ),
    Endpoint(
        method="DELETE",
        path=f"{_NUMBERS}/{{Sid}}",
        name="DeleteIncomingPhoneNumber",
        summary="Give a number up; calls that it is in go on.",
        handler=delete,
        form=Nothing,
        answer=None,
        status=204,
        sid_prefix="PN",
    ),
)
