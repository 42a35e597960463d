"""Credentials and tokens against a store: who gets in, and what the others are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midcall.core import errors, tokens
from midcall.core.accounts import Account, AccountStatus, ApiKey
from midcall.core.sids import AccountSid, ApplicationSid, KeySid
from midcall.storage.memory import MemoryStore
from midcall.switch.accounts import Accounts
from midcall.testing.clock import ManualClock

ROOT = AccountSid("AC" + "a" * 32)
SUB = AccountSid("AC" + "b" * 32)
STRANGER = AccountSid("AC" + "c" * 32)
MAIN = KeySid("SK" + "1" * 32)
STANDARD = KeySid("SK" + "2" * 32)
SUB_KEY = KeySid("SK" + "3" * 32)
APPLICATION = ApplicationSid("AP" + "d" * 32)


def account(sid: AccountSid, owner: AccountSid | None = None, status: AccountStatus = AccountStatus.ACTIVE) -> Account:
    return Account(
        sid=sid,
        owner_sid=owner or sid,
        friendly_name=sid[2],
        status=status,
        auth_token=sid[2] * 32,
        created_at=0,
        updated_at=0,
    )


def key(sid: KeySid, owner: AccountSid, *, is_main: bool = False) -> ApiKey:
    return ApiKey(
        sid=sid,
        account_sid=owner,
        friendly_name="",
        secret=sid[2] * 32,
        is_main=is_main,
        created_at=0,
        updated_at=0,
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(clock: ManualClock) -> MemoryStore:
    store = MemoryStore()
    for row in (account(ROOT), account(SUB, ROOT), account(STRANGER)):
        await store.put_account(row)
    for row_of_key in (key(MAIN, ROOT, is_main=True), key(STANDARD, ROOT), key(SUB_KEY, SUB)):
        await store.put_key(row_of_key)
    return store


@pytest.fixture
def accounts(store: MemoryStore, clock: ManualClock) -> Accounts:
    return Accounts(store, clock)


@pytest.mark.parametrize(
    ("username", "password", "path", "opened", "may_manage"),
    [
        (ROOT, "a" * 32, ROOT, ROOT, True),
        (ROOT, "a" * 32, None, ROOT, True),
        (ROOT, "a" * 32, SUB, SUB, True),
        (MAIN, "1" * 32, ROOT, ROOT, True),
        (MAIN, "1" * 32, SUB, SUB, True),
        (STANDARD, "2" * 32, ROOT, ROOT, False),
        (STANDARD, "2" * 32, SUB, SUB, False),
        (SUB, "b" * 32, SUB, SUB, True),
        (SUB_KEY, "3" * 32, None, SUB, False),
    ],
)
async def test_good_credentials_open_the_account_of_the_path(
    accounts: Accounts, username: str, password: str, path: AccountSid | None, opened: AccountSid, may_manage: bool
) -> None:
    principal = await accounts.authenticate(username, password, path)
    assert (principal.account.sid, principal.may_manage) == (opened, may_manage)


@pytest.mark.parametrize(
    ("username", "password", "path", "words"),
    [
        ("", "", ROOT, "Authentication Error - No credentials provided"),
        ("alice", "x", ROOT, "Authentication Error - invalid username"),
        (f" {ROOT}", "a" * 32, ROOT, "Authentication Error - invalid username"),
        (f"{ROOT}\n", "a" * 32, ROOT, "Authentication Error - invalid username"),
        ("AC" + "9" * 32, "a" * 32, ROOT, "Authentication Error - invalid username"),
        ("SK" + "9" * 32, "", ROOT, "Authenticate"),
        (ROOT, "b" * 32, ROOT, "Authenticate"),
        (ROOT, "", ROOT, "Authenticate"),
        (ROOT, "é\udc80", ROOT, "Authenticate"),
        (STANDARD, "1" * 32, ROOT, "Authenticate"),
        (ROOT, "a" * 32, STRANGER, "Authenticate"),
        (ROOT, "a" * 32, AccountSid("AC" + "9" * 32), "Authenticate"),
        (SUB, "b" * 32, ROOT, "Authenticate"),
        (SUB_KEY, "3" * 32, ROOT, "Authenticate"),
    ],
)
async def test_bad_credentials_are_told_what_the_vendor_tells(
    accounts: Accounts, username: str, password: str, path: AccountSid, words: str
) -> None:
    with pytest.raises(errors.Refused) as caught:
        await accounts.authenticate(username, password, path)
    assert caught.value.rule is errors.AUTHENTICATION_FAILED
    assert caught.value.detail == words


async def test_a_suspended_account_is_refused_but_its_owner_still_reaches_it(
    accounts: Accounts, store: MemoryStore
) -> None:
    await store.put_account(account(SUB, ROOT, AccountStatus.SUSPENDED))
    with pytest.raises(errors.Refused):
        await accounts.authenticate(SUB, "b" * 32, SUB)
    assert (await accounts.authenticate(ROOT, "a" * 32, SUB)).account.status is AccountStatus.SUSPENDED


async def test_a_suspended_owner_takes_its_subaccounts_along(accounts: Accounts, store: MemoryStore) -> None:
    await store.put_account(account(ROOT, status=AccountStatus.SUSPENDED))
    for username, password in ((ROOT, "a" * 32), (MAIN, "1" * 32), (SUB, "b" * 32)):
        with pytest.raises(errors.Refused):
            await accounts.authenticate(username, password, None)


async def test_a_deleted_key_is_refused_at_once(accounts: Accounts, store: MemoryStore, clock: ManualClock) -> None:
    token = minted(clock)
    await accounts.authenticate(STANDARD, "2" * 32, ROOT)
    await accounts.grant(token)
    await store.delete_key(ROOT, STANDARD)
    with pytest.raises(errors.Refused):
        await accounts.authenticate(STANDARD, "2" * 32, ROOT)
    assert await refusal(accounts, token) == 31204


def minted(clock: ManualClock, **changes: object) -> str:
    values = {
        "key_sid": STANDARD,
        "secret": "2" * 32,
        "account_sid": ROOT,
        "now": clock.now(),
        "token_id": "t",
        "identity": "alice",
        "application_sid": APPLICATION,
        "home": "au1",
        **changes,
    }
    return tokens.mint(**values)  # type: ignore[arg-type]


async def refusal(accounts: Accounts, token: str) -> int | None:
    with pytest.raises(errors.Refused) as caught:
        await accounts.grant(token)
    return caught.value.rule.signalling


async def test_a_good_token_becomes_a_grant(accounts: Accounts, clock: ManualClock) -> None:
    grant = await accounts.grant(minted(clock))
    assert (grant.account_sid, grant.identity, grant.incoming) == (ROOT, "alice", True)
    assert (grant.application_sid, grant.home, grant.key_sid) == (APPLICATION, "au1", STANDARD)
    assert grant.expires_at == clock.now() + 3600


async def test_each_thing_wrong_with_a_token_has_its_code(accounts: Accounts, clock: ManualClock) -> None:
    assert await refusal(accounts, "") == 31102
    assert await refusal(accounts, "garbage") == 31204
    assert await refusal(accounts, minted(clock, key_sid=KeySid("SK" + "9" * 32))) == 31204
    assert await refusal(accounts, minted(clock, account_sid=SUB)) == 31204
    assert await refusal(accounts, minted(clock, secret="x" * 32)) == 31202
    assert await refusal(accounts, minted(clock, ttl_s=90_000)) == 31207
    assert await refusal(accounts, minted(clock, identity="a b")) == 31105
    assert await refusal(accounts, minted(clock, now=clock.now() + 120)) == 31204
    old = minted(clock)
    clock.advance(3600)
    assert await refusal(accounts, old) == 31205


async def test_a_grant_is_checked_for_its_key_its_account_and_its_time(
    accounts: Accounts, store: MemoryStore, clock: ManualClock
) -> None:
    grant = await accounts.grant(minted(clock))
    await accounts.check(grant)
    row = await store.account(ROOT)
    assert row is not None

    await store.put_account(replace(row, status=AccountStatus.SUSPENDED))
    with pytest.raises(errors.Refused, check=lambda refused: refused.rule is errors.ACCOUNT_INVALID):
        await accounts.check(grant)
    await store.put_account(row)
    with pytest.raises(errors.Refused, check=lambda refused: refused.rule is errors.TOKEN_INVALID):
        await accounts.check(replace(grant, key_sid=KeySid("SK" + "9" * 32)))
    clock.advance(3600)
    with pytest.raises(errors.Refused, check=lambda refused: refused.rule is errors.TOKEN_EXPIRED):
        await accounts.check(grant)


async def test_a_token_of_a_suspended_account_names_the_account(
    accounts: Accounts, store: MemoryStore, clock: ManualClock
) -> None:
    row = await store.account(ROOT)
    assert row is not None
    await store.put_account(replace(row, status=AccountStatus.SUSPENDED))
    assert await refusal(accounts, minted(clock)) == 31203
    assert await refusal(accounts, minted(clock, secret="x" * 32)) == 31202
    assert await refusal(accounts, minted(clock, key_sid=SUB_KEY, secret="3" * 32, account_sid=SUB)) == 31203
