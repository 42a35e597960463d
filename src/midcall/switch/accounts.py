"""Who is asking: REST credentials and access tokens, checked against the store."""

from __future__ import annotations

from dataclasses import dataclass

from midcall.core.accounts import Account
from midcall.core.sids import AccountSid, ApplicationSid


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
    """What an access token allows. Times are epoch seconds."""

    account_sid: AccountSid
    identity: str | None
    incoming: bool
    application_sid: ApplicationSid | None
    parameters: tuple[tuple[str, str], ...]
    expires_at: float
    home: str | None


class Accounts:
    async def authenticate(self, username: str, password: str, path_account: AccountSid | None) -> Principal:
        """Check basic credentials and that they open the account of the path.

        Raises:
            Refused: AUTHENTICATION_FAILED with the vendor's words (rest-api.md section 1).
        """
        raise NotImplementedError

    async def grant(self, token: str) -> Grant:
        """Check an access token (voice-sdk-wire.md section 5).

        Raises:
            Refused: TOKEN_MISSING, TOKEN_INVALID, TOKEN_SIGNATURE, TOKEN_EXPIRED, TOKEN_TOO_LONG, ACCOUNT_INVALID,
                IDENTITY_INVALID.
        """
        raise NotImplementedError
