"""Calls: create, fetch, list, redirect or end, delete."""

from __future__ import annotations

from typing import Final

from midcall.core import errors, numbers
from midcall.core.calls import CallFilter, Status
from midcall.core.errors import Refused
from midcall.core.sids import ApplicationSid, CallSid
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint, page_request, paging, warn
from midcall.switch.calls import CallUpdate, NewCall
from midcall.wire.dates import time_range
from midcall.wire.forms import Fields
from midcall.wire.parameters import Nothing, surprises
from midcall.wire.requests import URL_PARAMETERS, CallListForm, CallUpdateForm, NewCallForm
from midcall.wire.resources import CallPage, CallResource, call_resource

CLIENT: Final = "client:"
URL_BEFORE_TWIML: Final = 32019
"""Code of the alert about a call that was given both."""

WITHOUT_EFFECT: Final = 20001
"""Code of the alert about parameters that ask for something that Midcall does not do."""

MAX_IDENTITY_CHARS: Final = 256


async def create(api: Api, asked: Asked[NewCallForm]) -> CallResource:
    form = asked.form
    _check_to(form.to)
    new = NewCall(
        account_sid=asked.account_sid,
        to=form.to,
        from_=form.from_,
        url=form.url,
        method=form.method,
        twiml=None if form.url is not None else form.twiml,
        application_sid=None if form.application_sid is None else ApplicationSid(form.application_sid),
        fallback_url=form.fallback_url,
        fallback_method=form.fallback_method,
        status_callback=form.status_callback,
        status_callback_method=form.status_callback_method,
        status_callback_events=form.status_callback_event,
        timeout_s=form.timeout,
        time_limit_s=form.time_limit,
        caller_id=form.caller_id,
        send_digits=(form.send_digits or "").replace("W", "ww"),
    )
    call = await api.calls.create(new)
    if form.url is not None and form.twiml is not None:
        await warn(api, call.account_sid, call.sid, URL_BEFORE_TWIML, "Url and Twiml were both sent; Url is used")
    if inert := _without_effect(form):
        await warn(api, call.account_sid, call.sid, WITHOUT_EFFECT, f"Sent, and without effect here: {inert}")
    return call_resource(call)


def _without_effect(form: NewCallForm) -> str:
    """What was asked for and will not happen, in words; empty when everything will."""
    reasons = [f"{parameter.name} ({parameter.inert.why})" for parameter in surprises(form) if parameter.inert]
    if form.send_digits and form.to.startswith(CLIENT):
        reasons.append("SendDigits (digits are for phone numbers)")
    return ", ".join(reasons)


async def fetch(api: Api, asked: Asked[Nothing]) -> CallResource:
    call = await api.store.call(asked.account_sid, CallSid(asked.sid))
    if call is None:
        raise Refused(errors.NOT_FOUND)
    return call_resource(call)


async def list_(api: Api, asked: Asked[CallListForm]) -> CallPage:
    page = page_request(asked, "CA")
    result = await api.store.calls(asked.account_sid, call_filter(asked.form), page)
    return CallPage(**paging(asked, result), calls=[call_resource(call) for call in result.rows])


async def update(api: Api, asked: Asked[CallUpdateForm]) -> CallResource:
    form = asked.form
    if form.url is not None and form.twiml is not None:
        raise Refused(errors.PARAMETER_INVALID, "Url and Twiml exclude each other")
    changes = CallUpdate(
        status=form.status,
        url=form.url,
        method=form.method,
        twiml=form.twiml,
        fallback_url=form.fallback_url,
        fallback_method=form.fallback_method,
        status_callback=form.status_callback,
        status_callback_method=form.status_callback_method,
        time_limit_s=form.time_limit,
    )
    return call_resource(await api.calls.update(asked.account_sid, CallSid(asked.sid), changes))


async def delete(api: Api, asked: Asked[Nothing]) -> None:
    await api.calls.delete(asked.account_sid, CallSid(asked.sid))


def ignore_urls_beside_application(fields: Fields) -> Fields:
    """With an application, its own URLs count; those of the request are not even looked at."""
    return fields.without(URL_PARAMETERS) if fields.last("ApplicationSid") else fields


def call_filter(form: CallListForm) -> CallFilter:
    """The filters of a list as half-open ranges: the bare name is that day, `<` is before, `>` is on or after."""
    started_from, started_to = time_range(form.start_time, form.start_time_from, form.start_time_before)
    ended_from, ended_to = time_range(form.end_time, form.end_time_from, form.end_time_before)
    return CallFilter(
        to=form.to,
        from_=form.from_,
        parent_sid=None if form.parent_call_sid is None else CallSid(form.parent_call_sid),
        status=None if form.status is None else Status(form.status),
        started_from=started_from,
        started_to=started_to,
        ended_from=ended_from,
        ended_to=ended_to,
    )


def _check_to(to: str) -> None:
    identity = to.removeprefix(CLIENT).partition("?")[0]
    if numbers.parse(to) is not None:
        return
    if not to.startswith(CLIENT):
        reached = "client:<identity> and phone numbers in E.164 format"
        raise Refused(errors.TO_INVALID, f"'{to}' cannot be called: this server reaches {reached}")
    if not identity or len(identity) > MAX_IDENTITY_CHARS or not identity.isprintable():
        raise Refused(errors.TO_INVALID, f"The identity after client: must have 1 to {MAX_IDENTITY_CHARS} characters")


_CALLS: Final = f"{ACCOUNT}/Calls"

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=_CALLS,
        name="CreateCall",
        summary="Call a client or a phone number and run TwiML on the leg when it answers.",
        handler=create,
        form=NewCallForm,
        answer=CallResource,
        status=201,
        before=ignore_urls_beside_application,
        refusals=(errors.SERVER_STOPPING,),
    ),
    Endpoint(
        method="GET",
        path=_CALLS,
        name="ListCall",
        summary="Calls of the account, newest first.",
        handler=list_,
        form=CallListForm,
        answer=CallPage,
    ),
    Endpoint(
        method="GET",
        path=f"{_CALLS}/{{Sid}}",
        name="FetchCall",
        summary="One call as it is now.",
        handler=fetch,
        form=Nothing,
        answer=CallResource,
        sid_prefix="CA",
    ),
    Endpoint(
        method="POST",
        path=f"{_CALLS}/{{Sid}}",
        name="UpdateCall",
        summary="End a call, give it new TwiML, or change where it reports.",
        handler=update,
        form=CallUpdateForm,
        answer=CallResource,
        sid_prefix="CA",
        refusals=(errors.CALL_NOT_REDIRECTABLE, errors.SERVER_STOPPING),
    ),
    Endpoint(
        method="DELETE",
        path=f"{_CALLS}/{{Sid}}",
        name="DeleteCall",
        summary="Forget an ended call with its messages.",
        handler=delete,
        form=Nothing,
        answer=None,
        status=204,
        sid_prefix="CA",
        refusals=(errors.CALL_NOT_DELETABLE,),
    ),
)
