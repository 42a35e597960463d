"""Accounts: the caller's own and its subaccounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from midcall.core import errors
from midcall.core.accounts import Account, AccountStatus
from midcall.core.errors import Refused
from midcall.core.sids import ENTROPY_BYTES, AccountSid, mint
from midcall.rest.endpoint import AnyEndpoint, Api, Asked, Endpoint, page_request, paging
from midcall.wire.parameters import Nothing
from midcall.wire.requests import AccountListForm, AccountUpdateForm, NewAccountForm
from midcall.wire.resources import BASE, AccountPage, AccountResource, account_resource

TOKEN_BYTES: Final = 16
"""32 lower-case hexadecimal digits: the Go library takes letters and digits only."""


async def create(api: Api, asked: Asked[NewAccountForm]) -> AccountResource:
    owner = asked.account
    if _is_subaccount(owner):
        raise Refused(errors.SUBACCOUNT_NESTED)
    now = api.clock.now()
    account = Account(
        sid=AccountSid(mint("AC", api.entropy(ENTROPY_BYTES))),
        owner_sid=owner.sid,
        friendly_name=asked.form.friendly_name or f"Subaccount made at {datetime.fromtimestamp(now, UTC):%F %T}",
        status=AccountStatus.ACTIVE,
        auth_token=api.entropy(TOKEN_BYTES).hex(),
        created_at=now,
        updated_at=now,
    )
    await api.store.put_account(account)
    return account_resource(account)


async def fetch(api: Api, asked: Asked[Nothing]) -> AccountResource:
    return account_resource(asked.account)


async def list_(api: Api, asked: Asked[AccountListForm]) -> AccountPage:
    result = await api.store.accounts(
        asked.account_sid,
        page_request(asked, "AC"),
        friendly_name=asked.form.friendly_name,
        status=asked.form.status,
    )
    return AccountPage(**paging(asked, result), accounts=[account_resource(account) for account in result.rows])


async def update(api: Api, asked: Asked[AccountUpdateForm]) -> AccountResource:
    account = asked.account
    status = account.status if asked.form.status is None else AccountStatus(asked.form.status)
    _check_status(account, status)
    name = account.friendly_name if asked.form.friendly_name is None else asked.form.friendly_name
    account = replace(account, friendly_name=name, status=status, updated_at=api.clock.now())
    await api.store.put_account(account)
    if status is not AccountStatus.ACTIVE:
        api.accounts.withdraw(account.sid)
    return account_resource(account)


def _check_status(account: Account, status: AccountStatus) -> None:
    if status is account.status:
        return
    if account.status is AccountStatus.CLOSED:
        raise Refused(errors.PARAMETER_INVALID, "Status cannot change any more: the account is closed")
    if not _is_subaccount(account):
        raise Refused(errors.PARAMETER_INVALID, "Status of a main account cannot be changed: nobody could undo it")


def _is_subaccount(account: Account) -> bool:
    return account.owner_sid != account.sid


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path=BASE,
        name="ListAccount",
        summary="The caller's account and its subaccounts, newest first.",
        handler=list_,
        form=AccountListForm,
        answer=AccountPage,
        manages=True,
    ),
    Endpoint(
        method="POST",
        path=BASE,
        name="CreateAccount",
        summary="Make a subaccount with its own token, keys, applications and calls.",
        handler=create,
        form=NewAccountForm,
        answer=AccountResource,
        status=201,
        manages=True,
        refusals=(errors.SUBACCOUNT_NESTED,),
    ),
    Endpoint(
        method="GET",
        path=f"{BASE}/{{Sid}}",
        name="FetchAccount",
        summary="One account.",
        handler=fetch,
        form=Nothing,
        answer=AccountResource,
        sid_prefix="AC",
        manages=True,
    ),
    Endpoint(
        method="POST",
        path=f"{BASE}/{{Sid}}",
        name="UpdateAccount",
        summary="Rename an account, or suspend, reopen or close a subaccount.",
        handler=update,
        form=AccountUpdateForm,
        answer=AccountResource,
        sid_prefix="AC",
        manages=True,
    ),
)
