"""Where the SDK's chance comes from: identifiers and the jitter of waiting times.

Everything random in `Device`, `Call` and `Transport` is drawn here, so that one seed decides what they do.
"""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Callable
from typing import Self

from midcall.core import sids


class Chance:
    """Draws identifiers and numbers from one source of random bytes."""

    def __init__(self, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        """Takes a function that makes so many random bytes; the system's is the default."""
        self._entropy = entropy

    @classmethod
    def seeded(cls, seed: int | str | bytes) -> Self:
        """One that draws the same things in the same order each time. For tests: its identifiers can be guessed."""
        return cls(random.Random(seed).randbytes)  # noqa: S311 - repeatable on purpose

    def fraction(self) -> float:
        """A number from [0, 1), evenly spread."""
        return (int.from_bytes(self._entropy(7)) >> 3) / (1 << 53)  # as many bits as a float holds

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.fraction() * (high - low + 1))

    def message_sid(self) -> str:
        """A voice event sid, `KX…`."""
        return sids.mint("KX", self._entropy(sids.ENTROPY_BYTES))

    def connection_id(self) -> str:
        """A call's temporary id, `TJS` and a version-4 UUID."""
        return f"TJS{uuid.UUID(bytes=self._entropy(16), version=4)}"
