"""Telephones that are clients of this server: what a phone network would have at its other end.

Only the test kit plugs any in. A phone is no number of the account: the leg that calls it rings its client directly,
and the leg by which it calls a number of the account is that number's inbound leg, so nobody sees a leg that a real
network would not have shown.
"""

from __future__ import annotations

from typing import Final

from midcall.core.sids import AccountSid

PREFIX: Final = "phone:"
"""Before the number, in the identity of a phone's client."""


class Phones:
    """Which numbers are plugged in, by account. Nothing is stored."""

    def __init__(self) -> None:
        self._identities: dict[tuple[AccountSid, str], str] = {}
        self._numbers: dict[tuple[AccountSid, str], str] = {}

    def plug_in(self, account: AccountSid, number: str) -> str:
        """Let calls to a number ring the client with the identity that is returned.

        Raises:
            ValueError: there is a phone with that number.
        """
        if (account, number) in self._identities:
            raise ValueError(f"{number} is plugged in already")
        identity = f"{PREFIX}{number}"
        self._identities[account, number] = identity
        self._numbers[account, identity] = number
        return identity

    def unplug(self, account: AccountSid, number: str) -> None:
        """Nobody is behind the number any more."""
        identity = self._identities.pop((account, number), None)
        if identity is not None:
            del self._numbers[account, identity]

    def client_of(self, account: AccountSid, number: str) -> str | None:
        """Identity of the client that answers a number; None when no phone has it."""
        return self._identities.get((account, number))

    def number_of(self, account: AccountSid, identity: str | None) -> str | None:
        """Number of a phone's client; None for every other client."""
        return None if identity is None else self._numbers.get((account, identity))
