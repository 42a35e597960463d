"""The account, API key and TwiML application that a server begins with.

Made up on first start, or taken from the settings; later starts find them in the store, where REST may have changed
them meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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

    A key or application that was deleted by REST is replaced by a new one: that is how to rotate the key. A store that
    has lost everything gets back what the data folder remembers.

    Args:
        known: what the data folder says; None on first start.

    Raises:
        SettingsError: mode production, and a secret is weak.
    """
    rows = _Rows(store, settings, clock.now(), entropy)
    wanted = settings.account_sid or (known.account_sid if known else "")
    before = await store.account(AccountSid(wanted)) if wanted else None
    remembered = known if before is None and known and known.account_sid == wanted else None
    account = await rows.account(wanted, before, remembered)
    key = await rows.key(account.sid, known, remembered)
    application = await rows.application(account.sid, known, remembered)
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


@dataclass(frozen=True, slots=True)
class _Rows:
    """Finds or makes one row of each kind. `remembered` is set when the store has lost what the folder knows."""

    store: Store
    settings: Settings
    now: float
    entropy: Entropy

    async def account(self, wanted: str, before: Account | None, remembered: Credentials | None) -> Account:
        if before is not None and self.settings.auth_token in ("", before.auth_token):
            return before
        token = self.settings.auth_token or (remembered.auth_token if remembered else self.entropy(16).hex())
        if before is not None:
            account = replace(before, auth_token=token, updated_at=self.now)
        else:
            sid = AccountSid(wanted or self._mint("AC"))
            account = Account(
                sid=sid,
                owner_sid=sid,
                friendly_name=NAME,
                status=AccountStatus.ACTIVE,
                auth_token=token,
                created_at=self.now,
                updated_at=self.now,
            )
        await self.store.put_account(account)
        return account

    async def key(self, account: AccountSid, known: Credentials | None, remembered: Credentials | None) -> ApiKey:
        wanted = self.settings.api_key_sid or (known.api_key_sid if known else "")
        before = await self.store.key(KeySid(wanted)) if wanted else None
        if before and before.account_sid == account and self.settings.api_key_secret in ("", before.secret):
            return before
        sid = self.settings.api_key_sid or (remembered.api_key_sid if remembered else self._mint("SK"))
        secret = self.settings.api_key_secret or (remembered.api_key_secret if remembered else self.entropy(16).hex())
        key = ApiKey(
            sid=KeySid(sid),
            account_sid=account,
            friendly_name=NAME,
            secret=secret,
            is_main=True,
            created_at=self.now,
            updated_at=self.now,
        )
        await self.store.put_key(key)
        return key

    async def application(
        self, account: AccountSid, known: Credentials | None, remembered: Credentials | None
    ) -> Application:
        wanted = self.settings.application_sid or (known.application_sid if known else "")
        before = await self.store.application(account, ApplicationSid(wanted)) if wanted else None
        if before is not None:
            return before
        sid = self.settings.application_sid or (remembered.application_sid if remembered else self._mint("AP"))
        application = Application(
            sid=ApplicationSid(sid),
            account_sid=account,
            friendly_name=NAME,
            created_at=self.now,
            updated_at=self.now,
            voice_url=self.settings.voice_url,
        )
        await self.store.put_application(application)
        return application

    def _mint(self, prefix: str) -> str:
        return sids.mint(prefix, self.entropy(sids.ENTROPY_BYTES))


def _refuse_weak(what: str, secret: str, settings: Settings) -> None:
    if is_weak(secret):
        raise SettingsError(
            f"the {what} in {settings.data_dir} is too weak for mode production: it needs at least 32 unpredictable "
            "characters; replace it by REST in mode dev, or start with another data folder"
        )
