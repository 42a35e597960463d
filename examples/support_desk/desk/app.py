"""The web server: what the voice service asks, and what the people of the desk ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request, Response
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from desk.book import UnknownCall
from desk.service import Desk
from desk.settings import Settings

callbacks = APIRouter()
office = APIRouter()


def create_app(settings: Settings | None = None) -> FastAPI:
    """The desk as an ASGI application.

    Args:
        settings: from the environment when left out.
    """
    settings = settings or Settings.from_environment()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncTwilioHttpClient() as http:
            app.state.desk = Desk(settings, Client(settings.account_sid, settings.auth_token, http_client=http))
            yield

    app = FastAPI(title="Support desk", lifespan=lifespan)
    app.state.settings = settings
    app.include_router(callbacks)
    app.include_router(office)
    app.add_exception_handler(UnknownCall, _gone)
    return app


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _own_url(request: Request) -> str:
    """Where the voice service reaches this desk, without a slash behind."""
    settings: Settings = request.app.state.settings
    return settings.url or str(request.base_url).rstrip("/")


async def _signed_fields(request: Request) -> dict[str, str]:
    """The fields of a callback, JSON or form. Nobody but the voice service may tell the desk anything.

    Raises:
        HTTPException: 403, the signature is missing or wrong.
    """
    is_json = request.headers.get("Content-Type", "").startswith("application/json")
    try:
        fields: Any = await request.json() if is_json else dict(await request.form())
    except ValueError:
        fields = None
    is_readable = isinstance(fields, dict) and all(isinstance(value, str) for value in fields.values())
    url = _own_url(request) + str(request.url).removeprefix(str(request.base_url).rstrip("/"))
    validator = RequestValidator(request.app.state.settings.auth_token)
    if not is_readable or not validator.validate(url, fields, request.headers.get("X-Twilio-Signature", "")):
        raise HTTPException(403, "This is not signed with the account's auth token.")
    return dict(fields)


Signed = Annotated[dict[str, str], Depends(_signed_fields)]


@callbacks.post("/voice")
async def voice(request: Request, fields: Signed) -> Response:
    """A customer calls, or has waited a while."""
    return _xml(await _desk(request).welcome(fields, f"{_own_url(request)}/messages"))


@callbacks.post("/dialled")
async def dialled(request: Request, fields: Signed) -> Response:
    """Agents were rung, and that is over."""
    return _xml(await _desk(request).after_dial(fields))


@callbacks.post("/legs", status_code=204)
async def legs(request: Request, fields: Signed, customer: str) -> None:
    """What becomes of an agent's leg."""
    await _desk(request).follow_leg(customer, fields, f"{_own_url(request)}/messages")


@callbacks.post("/messages", status_code=204)
async def messages(request: Request, fields: Signed) -> None:
    """An app on a call says something."""
    try:
        content = json.loads(fields["Content"])
    except ValueError:  # a message that is a plain text comes as that text
        content = fields["Content"]
    await _desk(request).pass_on(fields["CallSid"], fields["Sid"], content)


@callbacks.post("/ended", status_code=204)
async def ended(request: Request, fields: Signed) -> None:
    """A customer's call is over, perhaps before the desk could answer it."""
    with suppress(UnknownCall):
        await _desk(request).close(fields)


# The rest has no login: put yours in front of it.


@office.get("/calls")
async def calls(request: Request) -> list[dict[str, Any]]:
    """The call book."""
    return [entry.summary() for entry in _desk(request).book]


@office.put("/team/{name}", status_code=204)
async def team(request: Request, name: str, on_duty: Annotated[bool, Body(embed=True)]) -> None:
    """An agent comes or goes."""
    try:
        _desk(request).team[name].on_duty = on_duty
    except KeyError:
        raise HTTPException(404, f"There is no agent {name}.") from None


@office.get("/token")
async def token(request: Request, identity: str) -> dict[str, str]:
    """An access token for an app, for an hour."""
    settings: Settings = request.app.state.settings
    made = AccessToken(settings.account_sid, settings.api_key, settings.api_secret, identity=identity, ttl=3600)
    made.add_grant(VoiceGrant(outgoing_application_sid=settings.application_sid or None, incoming_allow=True))
    return {"identity": identity, "token": made.to_jwt()}


async def _gone(_: Request, error: Exception) -> Response:
    # 410 ends a subscription: nobody needs to ask again for a call of before the restart.
    return Response(f"The call {error} is not in the book.", 410)


def _xml(document: str) -> Response:
    return Response(document, media_type="application/xml")
