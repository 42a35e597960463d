"""API keys as the vendor's newer key API shows them: the same rows as Keys and SigningKeys."""

from __future__ import annotations

from typing import Final

from midcall.core import errors
from midcall.core.accounts import ApiKey
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid, KeySid
from midcall.rest import keys
from midcall.rest.endpoint import V1, AnyEndpoint, Api, Asked, Endpoint, meta, page_request
from midcall.wire.keys import (
    IamKeyPage,
    IamKeyResource,
    NewIamKeyResource,
    iam_key_resource,
    listed_iam_key,
    new_iam_key_resource,
)
from midcall.wire.parameters import Nothing
from midcall.wire.requests import IamKeyForm, IamKeyListForm, NewIamKeyForm


async def create(api: Api, asked: Asked[NewIamKeyForm]) -> NewIamKeyResource:
    form = asked.form
    _refuse_restrictions(form.key_type, form.policy)
    account = await _own(api, asked, AccountSid(form.account_sid))
    return new_iam_key_resource(await keys.make(api, account, form.friendly_name))


async def list_(api: Api, asked: Asked[IamKeyListForm]) -> IamKeyPage:
    account = await _own(api, asked, AccountSid(asked.form.account_sid))
    result = await api.store.keys(account, page_request(asked, "SK"))
    return IamKeyPage(keys=[listed_iam_key(key) for key in result.rows], meta=meta(asked, result, "keys"))


async def fetch(api: Api, asked: Asked[Nothing]) -> IamKeyResource:
    return iam_key_resource(await _known(api, asked))


async def update(api: Api, asked: Asked[IamKeyForm]) -> IamKeyResource:
    _refuse_restrictions(None, asked.form.policy)
    return iam_key_resource(await keys.rename(api, await _known(api, asked), asked.form.friendly_name))


async def delete(api: Api, asked: Asked[Nothing]) -> None:
    key = await _known(api, asked)
    await keys.revoke(api, key.account_sid, key.sid)


def _refuse_restrictions(key_type: str | None, policy: str | None) -> None:
    """A key that opens more than was asked for would be worse than none."""
    if key_type is not None or policy is not None:
        raise Refused(errors.PARAMETER_INVALID, "Restricted keys are not made here: no policy would be kept")


async def _own(api: Api, asked: Asked[IamKeyListForm] | Asked[NewIamKeyForm], sid: AccountSid) -> AccountSid:
    """The account, if it is the caller's or a subaccount of it."""
    if not await _owns(api, asked.account_sid, sid):
        raise Refused(errors.AUTHENTICATION_FAILED)
    return sid


async def _owns(api: Api, caller: AccountSid, sid: AccountSid) -> bool:
    if sid == caller:
        return True
    account = await api.store.account(sid)
    return account is not None and account.owner_sid == caller


async def _known(api: Api, asked: Asked[Nothing] | Asked[IamKeyForm]) -> ApiKey:
    key = await api.store.key(KeySid(asked.sid))
    if key is None or not await _owns(api, asked.account_sid, key.account_sid):
        raise Refused(errors.NOT_FOUND)
    return key


_KEYS: Final = f"{V1}Keys"

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=_KEYS,
        name="IamCreateNewKey",
        summary="Make an API key; only this answer shows its secret. Restricted keys are refused.",
        handler=create,
        form=NewIamKeyForm,
        answer=NewIamKeyResource,
        status=201,
        manages=True,
    ),
    Endpoint(
        method="GET",
        path=_KEYS,
        name="IamListGetKeys",
        summary="API keys of an account, newest first.",
        handler=list_,
        form=IamKeyListForm,
        answer=IamKeyPage,
        manages=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_KEYS}/{{Sid}}",
        name="IamFetchKey",
        summary="One API key, without its secret.",
        handler=fetch,
        form=Nothing,
        answer=IamKeyResource,
        sid_prefix="SK",
        manages=True,
    ),
    Endpoint(
        method="POST",
        path=f"{_KEYS}/{{Sid}}",
        name="IamUpdateKey",
        summary="Rename an API key.",
        handler=update,
        form=IamKeyForm,
        answer=IamKeyResource,
        sid_prefix="SK",
        manages=True,
    ),
    Endpoint(
        method="DELETE",
        path=f"{_KEYS}/{{Sid}}",
        name="IamDeleteKey",
        summary="Delete an API key; it opens nothing from now on, and neither do tokens that it signed.",
        handler=delete,
        form=Nothing,
        answer=None,
        status=204,
        sid_prefix="SK",
        manages=True,
    ),
)
