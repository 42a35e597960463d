"""TwiML applications: where a call placed by an SDK asks what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from msgspec import structs

from midcall.core import errors
from midcall.core.accounts import Application
from midcall.core.errors import Refused
from midcall.core.sids import ENTROPY_BYTES, ApplicationSid, mint
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint, page_request, paging
from midcall.wire.parameters import Nothing, parameters
from midcall.wire.requests import ApplicationForm, ApplicationListForm
from midcall.wire.resources import ApplicationPage, ApplicationResource, application_resource


async def create(api: Api, asked: Asked[ApplicationForm]) -> ApplicationResource:
    now = api.clock.now()
    blank = Application(
        sid=ApplicationSid(mint("AP", api.entropy(ENTROPY_BYTES))),
        account_sid=asked.account_sid,
        friendly_name="",
        created_at=now,
        updated_at=now,
    )
    application = changed(blank, asked.form, at=now)
    await api.store.put_application(application)
    return application_resource(application)


async def fetch(api: Api, asked: Asked[Nothing]) -> ApplicationResource:
    return application_resource(await _known(api, asked))


async def list_(api: Api, asked: Asked[ApplicationListForm]) -> ApplicationPage:
    page = page_request(asked, "AP")
    result = await api.store.applications(asked.account_sid, page, friendly_name=asked.form.friendly_name)
    return ApplicationPage(**paging(asked, result), applications=[application_resource(row) for row in result.rows])


async def update(api: Api, asked: Asked[ApplicationForm]) -> ApplicationResource:
    application = changed(await _known(api, asked), asked.form, at=api.clock.now())
    await api.store.put_application(application)
    return application_resource(application)


async def delete(api: Api, asked: Asked[Nothing]) -> None:
    if not await api.store.delete_application(asked.account_sid, ApplicationSid(asked.sid)):
        raise Refused(errors.NOT_FOUND)


def changed(application: Application, form: ApplicationForm, *, at: float) -> Application:
    """The application with the form's values: its fields have the same names; None means unchanged."""
    inert = {parameter.field for parameter in parameters(ApplicationForm) if parameter.inert is not None}
    given = structs.asdict(form).items()
    sent = {name: value for name, value in given if value is not None and name not in inert}
    return replace(application, **sent, updated_at=at)


async def _known(api: Api, asked: Asked[ApplicationForm] | Asked[Nothing]) -> Application:
    application = await api.store.application(asked.account_sid, ApplicationSid(asked.sid))
    if application is None:
        raise Refused(errors.NOT_FOUND)
    return application


_APPLICATIONS: Final = f"{ACCOUNT}/Applications"

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=_APPLICATIONS,
        name="CreateApplication",
        summary="Make a TwiML application.",
        handler=create,
        form=ApplicationForm,
        answer=ApplicationResource,
        status=201,
    ),
    Endpoint(
        method="GET",
        path=_APPLICATIONS,
        name="ListApplication",
        summary="Applications of the account, newest first.",
        handler=list_,
        form=ApplicationListForm,
        answer=ApplicationPage,
    ),
    Endpoint(
        method="GET",
        path=f"{_APPLICATIONS}/{{Sid}}",
        name="FetchApplication",
        summary="One application.",
        handler=fetch,
        form=Nothing,
        answer=ApplicationResource,
        sid_prefix="AP",
    ),
    Endpoint(
        method="POST",
        path=f"{_APPLICATIONS}/{{Sid}}",
        name="UpdateApplication",
        summary="Change an application; calls placed from now on use it.",
        handler=update,
        form=ApplicationForm,
        answer=ApplicationResource,
        sid_prefix="AP",
    ),
    Endpoint(
        method="DELETE",
        path=f"{_APPLICATIONS}/{{Sid}}",
        name="DeleteApplication",
        summary="Delete an application.",
        handler=delete,
        form=Nothing,
        answer=None,
        status=204,
        sid_prefix="AP",
    ),
)
