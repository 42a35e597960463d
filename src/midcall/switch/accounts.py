"""Who is asking: REST credentials and access tokens, checked against the store.

Nothing is remembered between two questions, so a deleted key or a suspended account is refused at once.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from midcall.core import errors, sids, tokens
from midcall.core.accounts import Account, AccountStatus, ApiKey
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid, ApplicationSid, KeySid
from midcall.ports import Clock, PageRequest, Store

NO_CREDENTIALS = "Authentication Error - No credentials provided"
UNKNOWN_USER = "Authentication Error - invalid username"
ACCOUNTS_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated REST caller.

    Attributes:
        account: the account of the path (the caller's own or a subaccount of it).
        may_manage: accounts and keys are open to it (auth token or main key).
    """

    account: Account
    may_manage: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an access token allows. Times are epoch seconds.

    Attributes:
        parameters: default parameters of placed calls, under those that the application gives.
        home: the token's home region; None when it names none.
        key_sid: the key that signed it.
    """

    account_sid: AccountSid
    identity: str | None
    incoming: bool
    application_sid: ApplicationSid | None
    parameters: tuple[tuple[str, str], ...]
    expires_at: float
    home: str | None
    key_sid: KeySid | None = None


async def each_account(store: Store, owner: AccountSid) -> AsyncIterator[Account]:
    """The owner and its subaccounts, read in pages."""
    after: str | None = None
    while True:
        page = await store.accounts(owner, PageRequest(size=ACCOUNTS_PAGE, after=after))
        for account in page.rows:
            yield account
        if not page.has_next:
            return
        after = page.rows[-1].sid


class Accounts:
    """Checks credentials. Remembers none: all it holds is who wants to hear of withdrawals."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._listeners: list[Callable[[AccountSid, KeySid | None], None]] = []

    def on_withdrawal(self, listener: Callable[[AccountSid, KeySid | None], None]) -> None:
        """Call the listener whenever a key (or with None, all of an account) stops opening anything."""
        self._listeners.append(listener)

    def withdraw(self, account: AccountSid, key: KeySid | None = None) -> None:
        """Tell the listeners that the store holds a deleted key, or an account that is not active any more."""
        for listener in self._listeners:
            listener(account, key)

    async def authenticate(self, username: str, password: str, path_account: AccountSid | None) -> Principal:
        """Check basic credentials and that they open the account of the path.

        Raises:
            Refused: AUTHENTICATION_FAILED with the words that client libraries know.
        """
        if not username and not password:
            raise Refused(errors.AUTHENTICATION_FAILED, NO_CREDENTIALS)
        account, secret, may_manage = await self._user(username)
        if not _same(password, secret) or account is None or not await self._is_open(account):
            raise Refused(errors.AUTHENTICATION_FAILED)
        if path_account is None or path_account == account.sid:
            return Principal(account=account, may_manage=may_manage)
        # A suspended subaccount stays open to its owner, who alone can bring it back.
        inner = await self._store.account(path_account)
        if inner is None or inner.owner_sid != account.sid:
            raise Refused(errors.AUTHENTICATION_FAILED)
        return Principal(account=inner, may_manage=may_manage)

    async def _user(self, username: str) -> tuple[Account | None, str, bool]:
        """The account behind a user name, the secret to be shown, and whether it may manage accounts and keys."""
        if (sid := sids.parse(username, "AC")) is not None:
            account = await self._store.account(AccountSid(sid))
            if account is not None:
                return account, account.auth_token, True
        elif (sid := sids.parse(username, "SK")) is not None:
            # A deleted key and one that never was look alike; both are told what a deleted key is told.
            key = await self._store.key(KeySid(sid))
            if key is None:
                return None, "", False
            return await self._store.account(key.account_sid), key.secret, key.is_main
        raise Refused(errors.AUTHENTICATION_FAILED, UNKNOWN_USER)

    async def _is_open(self, account: Account) -> bool:
        """Whether an account may act: it and its owner are active."""
        if account.status is not AccountStatus.ACTIVE:
            return False
        if account.owner_sid == account.sid:
            return True
        owner = await self._store.account(account.owner_sid)
        return owner is not None and owner.status is AccountStatus.ACTIVE

    async def grant(self, token: str, *, ended: bool = False) -> Grant:
        """Check an access token (docs/reference/signalling.md).

        Args:
            ended: its time may be over; the caller looks at `expires_at`.

        Raises:
            Refused: TOKEN_MISSING, TOKEN_INVALID, TOKEN_SIGNATURE, TOKEN_EXPIRED, TOKEN_TOO_LONG, ACCOUNT_INVALID,
                IDENTITY_INVALID.
        """
        issuer = tokens.issuer_of(token)
        key = await self._key_of(issuer)
        claims = tokens.verify(token, key.secret)
        now = self._clock.now()
        tokens.check_start(claims, now)
        account = await self._store.account(issuer.account_sid)
        if account is None or not await self._is_open(account):
            raise Refused(errors.ACCOUNT_INVALID)
        tokens.check_life(claims, now, ended=ended)
        return Grant(
            account_sid=account.sid,
            identity=claims.identity,
            incoming=claims.incoming,
            application_sid=claims.application_sid,
            parameters=claims.parameters,
            expires_at=claims.expires_at,
            home=claims.home,
            key_sid=key.sid,
        )

    async def check(self, grant: Grant) -> None:
        """Check again what may have changed since a token was accepted: its key, its account, and the time.

        Its signature and what it says cannot. Devices register every half minute, and reading a token costs more than
        all else that a registration does.

        Raises:
            Refused: TOKEN_INVALID, TOKEN_EXPIRED, ACCOUNT_INVALID.
        """
        if grant.key_sid is not None:
            await self._key_of(tokens.Issuer(grant.key_sid, grant.account_sid))
        account = await self._store.account(grant.account_sid)
        if account is None or not await self._is_open(account):
            raise Refused(errors.ACCOUNT_INVALID)
        if grant.expires_at <= self._clock.now():
            raise Refused(errors.TOKEN_EXPIRED)

    async def _key_of(self, issuer: tokens.Issuer) -> ApiKey:
        key = await self._store.key(issuer.key_sid)
        if key is None or key.account_sid != issuer.account_sid:
            raise Refused(errors.TOKEN_INVALID, "The access token's API key is unknown in its account")
        return key


def _same(shown: str, secret: str) -> bool:
    """Constant-time comparison; an empty secret is never the same."""
    return hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), secret.encode()) and bool(secret)
