"""ICE servers for peer connections that an application makes itself; the Voice SDKs do not ask for them."""

from __future__ import annotations

from typing import Final

from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint
from midcall.wire.requests import NewTokenForm
from midcall.wire.resources import TokenResource, token_resource

CREDENTIAL_BYTES: Final = 32


async def create(api: Api, asked: Asked[NewTokenForm]) -> TokenResource:
    return token_resource(
        asked.account_sid,
        username=api.entropy(CREDENTIAL_BYTES).hex(),
        password=api.entropy(CREDENTIAL_BYTES).hex(),
        ttl_s=asked.form.ttl,
        at=api.clock.now(),
    )


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=f"{ACCOUNT}/Tokens",
        name="CreateToken",
        summary="Ask for ICE servers: there are none, because every leg's media ends at this server, which clients "
        "reach directly; the credentials open nothing.",
        handler=create,
        form=NewTokenForm,
        answer=TokenResource,
        status=201,
    ),
)
