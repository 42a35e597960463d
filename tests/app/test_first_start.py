"""What a server begins with: made up once, found again, replaced when it was deleted."""

from __future__ import annotations

from itertools import count

import pytest

from midcall.app.first_start import ensure_credentials
from midcall.core.sids import AccountSid, ApplicationSid, KeySid
from midcall.folder import Credentials
from midcall.ports import Entropy
from midcall.settings import SettingsError, load
from midcall.storage.memory import MemoryStore
from midcall.testing.clock import ManualClock


def counted() -> Entropy:
    numbers = count(0x0123456789ABCDEF)
    return lambda size: (next(numbers) * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big") * (size // 8)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


ENTROPY = counted()


async def start(store: MemoryStore, known: Credentials | None = None, **flags: object) -> Credentials:
    return await ensure_credentials(known, load(flags), store, ManualClock(), ENTROPY)


async def test_the_first_start_makes_an_account_a_main_key_and_an_application(store: MemoryStore) -> None:
    made = await start(store, voice_url="http://127.0.0.1:5000/voice")
    account = await store.account(AccountSid(made.account_sid))
    key = await store.key(KeySid(made.api_key_sid))
    application = await store.application(AccountSid(made.account_sid), ApplicationSid(made.application_sid))
    assert account is not None and account.auth_token == made.auth_token and account.owner_sid == account.sid
    assert key is not None and key.secret == made.api_key_secret and key.is_main
    assert application is not None and application.voice_url == "http://127.0.0.1:5000/voice"
    assert len(made.auth_token) == len(made.api_key_secret) == 32


async def test_a_later_start_finds_the_same(store: MemoryStore) -> None:
    made = await start(store)
    assert await start(store, made) == made


async def test_a_token_that_rest_has_changed_is_taken_over(store: MemoryStore) -> None:
    made = await start(store)
    given = await start(store, made, auth_token="changed")
    assert await start(store, made) == given
    assert given.auth_token == "changed"


async def test_a_deleted_key_is_replaced_by_another(store: MemoryStore) -> None:
    made = await start(store)
    await store.delete_key(AccountSid(made.account_sid), KeySid(made.api_key_sid))
    again = await start(store, made)
    assert again.account_sid == made.account_sid
    assert (again.api_key_sid != made.api_key_sid) and (again.api_key_secret != made.api_key_secret)


async def test_a_deleted_application_is_replaced_by_another(store: MemoryStore) -> None:
    made = await start(store)
    await store.delete_application(AccountSid(made.account_sid), ApplicationSid(made.application_sid))
    assert (await start(store, made)).application_sid != made.application_sid


async def test_an_empty_store_gets_back_what_the_folder_remembers(store: MemoryStore) -> None:
    made = await start(store)
    assert await start(MemoryStore(), made) == made


async def test_settings_win_over_what_is_remembered(store: MemoryStore) -> None:
    made = await start(store)
    mine = {"account_sid": "AC" + "1" * 32, "api_key_sid": "SK" + "2" * 32, "application_sid": "AP" + "3" * 32}
    given = await start(store, made, **mine)
    assert (given.account_sid, given.api_key_sid, given.application_sid) == tuple(mine.values())
    assert given.auth_token != made.auth_token


async def test_production_refuses_a_weak_token_that_dev_accepted(store: MemoryStore) -> None:
    made = await start(store, auth_token="weak")
    with pytest.raises(SettingsError, match=r"auth token in .* is too weak for mode production") as refused:
        await start(store, made, mode="production")
    assert "= weak" not in str(refused.value)
