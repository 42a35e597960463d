"""The account, API key and TwiML application that a server begins with.

Made up on first start, or taken from the settings; later starts find them in the store, where REST may have changed
them meanwhile.
"""

from __future__ import annotations

from midcall.core import sids
from midcall.core.accounts import Account, AccountStatus, ApiKey, Application
from midcall.core.sids import AccountSid, ApplicationSid, KeySid
from midcall.folder import Credentials
from midcall.ports import Clock, Entropy, Store
from midcall.settings import Settings, SettingsError, is_weak

NAME = "Made by Midcall"


async def ensure_credentials(
    known: Credentials | None, settings: Settings, store: Store, clock: Clock, entropy: Entropy
) -> Credentials:
    """Make sure that the rows exist, and say what they are now.

    A key or application that was deleted is replaced by a new one: that is how to rotate the key.

    Args:
        known: what the data folder says; None on first start.

    Raises:
        SettingsError: mode production, and a secret is weak.
    """
    account = await _account(known, settings, store, clock, entropy)
    key = await _key(known, settings, store, account.sid, clock, entropy)
    application = await _application(known, settings, store, account.sid, clock, entropy)
    if settings.is_production:
        _refuse_weak("auth token", account.auth_token, settings)
        _refuse_weak("API key secret", key.secret, settings)
    return Credentials(
        account_sid=account.sid,
        auth_token=account.auth_token,
        api_key_sid=key.sid,
        api_key_secret=key.secret,
        application_sid=application.sid,
    )


async def _account(
    known: Credentials | None, settings: Settings, store: Store, clock: Clock, entropy: Entropy
) -> Account:
    wanted = settings.account_sid or (known.account_sid if known else "")
    account = await store.account(AccountSid(wanted)) if wanted else None
    if account is not None and settings.auth_token in ("", account.auth_token):
        return account
    now = clock.now()
    sid = AccountSid(wanted or sids.mint("AC", entropy(sids.ENTROPY_BYTES)))
    remembered = known.auth_token if known and known.account_sid == sid else ""
    account = Account(
        sid=sid,
        owner_sid=sid,
        friendly_name=account.friendly_name if account else NAME,
        status=account.status if account else AccountStatus.ACTIVE,
        auth_token=settings.auth_token or remembered or entropy(16).hex(),
        created_at=account.created_at if account else now,
        updated_at=now,
    )
    await store.put_account(account)
    return account


async def _key(
    known: Credentials | None,
    settings: Settings,
    store: Store,
    account: AccountSid,
    clock: Clock,
    entropy: Entropy,
) -> ApiKey:
    wanted = settings.api_key_sid or (known.api_key_sid if known else "")
    key = await store.key(KeySid(wanted)) if wanted else None
    if key is not None and key.account_sid == account and settings.api_key_secret in ("", key.secret):
        return key
    now = clock.now()
    key = ApiKey(
        sid=KeySid(settings.api_key_sid or sids.mint("SK", entropy(sids.ENTROPY_BYTES))),
        account_sid=account,
        friendly_name=NAME,
        secret=settings.api_key_secret or entropy(16).hex(),
        is_main=True,
        created_at=now,
        updated_at=now,
    )
    await store.put_key(key)
    return key


async def _application(
    known: Credentials | None,
    settings: Settings,
    store: Store,
    account: AccountSid,
    clock: Clock,
    entropy: Entropy,
) -> Application:
    wanted = settings.application_sid or (known.application_sid if known else "")
    application = await store.application(account, ApplicationSid(wanted)) if wanted else None
    if application is not None:
        return application
    now = clock.now()
    application = Application(
        sid=ApplicationSid(settings.application_sid or sids.mint("AP", entropy(sids.ENTROPY_BYTES))),
        account_sid=account,
        friendly_name=NAME,
        created_at=now,
        updated_at=now,
        voice_url=settings.voice_url,
    )
    await store.put_application(application)
    return application


def _refuse_weak(what: str, secret: str, settings: Settings) -> None:
    if is_weak(secret):
        raise SettingsError(
            f"the {what} in {settings.data_dir} is too weak for mode production: it needs at least 32 unpredictable "
            "characters; replace it by REST in mode dev, or start with another data folder"
        )
