"""API keys, under the vendor's two names for them: Keys and SigningKeys show the same rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from midcall.core import errors
from midcall.core.accounts import ApiKey
from midcall.core.errors import Refused
from midcall.core.sids import ENTROPY_BYTES, AccountSid, KeySid, mint
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint, page_request, paging
from midcall.wire.keys import (
    KeyPage,
    KeyResource,
    NewKeyResource,
    SigningKeyPage,
    key_resource,
    new_key_resource,
)
from midcall.wire.paging import PageForm
from midcall.wire.parameters import Nothing
from midcall.wire.requests import KeyForm

SECRET_BYTES: Final = 16
"""32 lower-case hexadecimal digits: the Go library takes letters and digits only."""


async def make(api: Api, account: AccountSid, name: str | None) -> ApiKey:
    """Store a new standard key."""
    now = api.clock.now()
    key = ApiKey(
        sid=KeySid(mint("SK", api.entropy(ENTROPY_BYTES))),
        account_sid=account,
        friendly_name=name or "",
        secret=api.entropy(SECRET_BYTES).hex(),
        is_main=False,
        created_at=now,
        updated_at=now,
    )
    await api.store.put_key(key)
    return key


async def rename(api: Api, key: ApiKey, name: str | None) -> ApiKey:
    """Store a key under another name, or the one it has."""
    key = replace(key, friendly_name=key.friendly_name if name is None else name, updated_at=api.clock.now())
    await api.store.put_key(key)
    return key


async def revoke(api: Api, account: AccountSid, sid: KeySid) -> None:
    """Delete a key, with what its tokens keep open.

    Raises:
        Refused: NOT_FOUND, when the account has none such.
    """
    if not await api.store.delete_key(account, sid):
        raise Refused(errors.NOT_FOUND)
    api.accounts.withdraw(account, sid)


async def create(api: Api, asked: Asked[KeyForm]) -> NewKeyResource:
    return new_key_resource(await make(api, asked.account_sid, asked.form.friendly_name))


async def fetch(api: Api, asked: Asked[Nothing]) -> KeyResource:
    return key_resource(await _known(api, asked))


async def list_keys(api: Api, asked: Asked[PageForm]) -> KeyPage:
    result = await api.store.keys(asked.account_sid, page_request(asked, "SK"))
    return KeyPage(**paging(asked, result), keys=[key_resource(key) for key in result.rows])


async def list_signing_keys(api: Api, asked: Asked[PageForm]) -> SigningKeyPage:
    result = await api.store.keys(asked.account_sid, page_request(asked, "SK"))
    return SigningKeyPage(**paging(asked, result), signing_keys=[key_resource(key) for key in result.rows])


async def update(api: Api, asked: Asked[KeyForm]) -> KeyResource:
    return key_resource(await rename(api, await _known(api, asked), asked.form.friendly_name))


async def delete(api: Api, asked: Asked[Nothing]) -> None:
    await revoke(api, asked.account_sid, KeySid(asked.sid))


async def _known(api: Api, asked: Asked[KeyForm] | Asked[Nothing]) -> ApiKey:
    key = await api.store.key(KeySid(asked.sid))
    if key is None or key.account_sid != asked.account_sid:
        raise Refused(errors.NOT_FOUND)
    return key


def _endpoints(noun: str) -> tuple[AnyEndpoint, ...]:
    path = f"{ACCOUNT}/{noun}s"
    instance = f"{path}/{{Sid}}"
    return (
        Endpoint(
            method="POST",
            path=path,
            name=f"CreateNew{noun}",
            summary="Make an API key; only this answer shows its secret.",
            handler=create,
            form=KeyForm,
            answer=NewKeyResource,
            status=201,
            manages=True,
        ),
        Endpoint(
            method="GET",
            path=path,
            name=f"List{noun}",
            summary="API keys of the account, newest first.",
            handler=list_keys if noun == "Key" else list_signing_keys,
            form=PageForm,
            answer=KeyPage if noun == "Key" else SigningKeyPage,
            manages=True,
        ),
        Endpoint(
            method="GET",
            path=instance,
            name=f"Fetch{noun}",
            summary="One API key, without its secret.",
            handler=fetch,
            form=Nothing,
            answer=KeyResource,
            sid_prefix="SK",
            manages=True,
        ),
        Endpoint(
            method="POST",
            path=instance,
            name=f"Update{noun}",
            summary="Rename an API key.",
            handler=update,
            form=KeyForm,
            answer=KeyResource,
            sid_prefix="SK",
            manages=True,
        ),
        Endpoint(
            method="DELETE",
            path=instance,
            name=f"Delete{noun}",
            summary="Delete an API key; it opens nothing from now on, and neither do tokens that it signed.",
            handler=delete,
            form=Nothing,
            answer=None,
            status=204,
            sid_prefix="SK",
            manages=True,
        ),
    )


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (*_endpoints("Key"), *_endpoints("SigningKey"))
