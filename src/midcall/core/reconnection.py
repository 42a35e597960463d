"""Where a client connects next and how long it waits before that, for `midcall.sdk` (reference sections 1.4 and 1.5).

The numbers and the order are those of the browser SDK, draw for draw of its random numbers; a test runs its own code
beside this one. What it calls URI is an address here. Times are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

Fraction = Callable[[], float]
"""Draws from [0, 1)."""

ALONE_MS: Final = 100
"""The first wait when there is one address, and of the preferred address."""
CROWD_MS: Final = 1000, 5000
"""Between these, both included, lies the first wait when there are several addresses."""
PRIMARY_MAX_MS: Final = 20_000
PREFERRED_MAX_MS: Final = 1000
RETRY_AFTER_MAX_MS: Final = 60_000
RETRY_AFTER_LIMIT_S: Final = 75.0
"""How long a preferred address is tried after the server has named a wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before the next try. Times in milliseconds.

    Attributes:
        exact_first: the first wait is the minimum itself, without jitter and whatever the maximum says.
    """

    minimum_ms: float = ALONE_MS
    maximum_ms: float = PRIMARY_MAX_MS
    factor: float = 2
    jitter: float = 0.4
    exact_first: bool = False

    def delay_s(self, attempt: int, *, fraction: Fraction) -> float:
        """Seconds before try `attempt` (0 is the first)."""
        if self.exact_first and attempt == 0:
            return self.minimum_ms / 1000
        base = min(self.minimum_ms * self.factor ** min(attempt, 64), 1e12)
        drawn = fraction()
        deviation = math.floor(drawn * self.jitter * base)
        subtract = math.floor(drawn * 10) % 2 == 0
        value = base - deviation if subtract else base + deviation
        return math.floor(min(value, self.maximum_ms)) / 1000


class Loss(Enum):
    """How a socket ended, or failed to come about."""

    ABRUPT = auto()
    """It broke, was refused, or TLS failed: WebSocket close codes 1006 and 1015."""
    ORDERLY = auto()
    """The server closed it, with any other code."""
    SILENT = auto()
    """Nothing came for longer than the heartbeat allows."""
    TIMED_OUT = auto()
    """It did not open in time."""


class Reconnection:
    """Decides where to connect next, and when.

    Ask `address` for the first socket; then tell `opened` and `lost`, wait as long as `lost` says, and ask
    `waited`, which has an address or one more wait.

    Attributes:
        preferred_limit_s: how long a preferred address is tried before the others are.
    """

    def __init__(self, addresses: Sequence[str], *, preferred_limit_s: float, fraction: Fraction) -> None:
        """Takes at least one address.

        Args:
            addresses: in the order in which they are tried.
            preferred_limit_s: how long a preferred address is tried before the others are.
            fraction: where jitter comes from.
        """
        self._addresses = tuple(addresses)
        self.preferred_limit_s = preferred_limit_s
        self._fraction = fraction
        self._index = 0
        self._preferred: str | None = None
        self._retry_after_s: float | None = None
        self._may_move = False
        self._is_open = False
        self._tries: int | None = None  # how many failed since the last socket; None before there was one
        self._backoffs: tuple[Backoff, Backoff] | None = None
        self._primary_attempt = self._preferred_attempt = 0
        self._preferred_since = 0.0
        self._waits_for_preferred = False

    def address(self) -> str:
        """Where to connect now."""
        return self._preferred or self._addresses[self._index]

    def prefer(self, address: str | None) -> None:
        """Go back to this address for as long as the limit allows: a call lives there. None: no call is left."""
        self._preferred = address

    def retry_after(self, seconds: float) -> None:
        """The server has asked for a wait. Only the way back to a preferred address obeys, as in the browser SDK."""
        self._retry_after_s = seconds

    def opened(self) -> None:
        """There is a socket: waits begin anew."""
        self._may_move = False
        self._is_open = True
        self._backoffs = self._retry_after_s = None

    def lost(self, loss: Loss, *, now: float) -> float:
        """The socket is gone, or did not come: how long to wait."""
        self._move(loss)
        if self._backoffs is None:
            self._backoffs = self._draw_backoffs()
            self._primary_attempt = self._preferred_attempt = 0
        if self._preferred is None:
            return self._primary_wait()
        _, preferred = self._backoffs
        if self._preferred_attempt == 0:
            self._preferred_since = now
        self._waits_for_preferred = True
        return preferred.delay_s(self._preferred_attempt, fraction=self._fraction)

    def waited(self, *, now: float) -> str | float:
        """The wait is over: the address to try, or how much longer to wait."""
        if not self._waits_for_preferred:
            self._primary_attempt += 1
            return self._addresses[self._index]
        self._preferred_attempt += 1
        if self._preferred is not None and now - self._preferred_since <= self._limit():
            return self._preferred
        self._preferred = None
        return self._primary_wait()

    def _move(self, loss: Loss) -> None:
        """An address is left when it did not answer, unless its socket has only just been lost."""
        if self._is_open:
            self._is_open, self._tries = False, 0
        elif self._tries is not None:
            self._tries += 1
        match loss:
            case Loss.TIMED_OUT:
                self._next()
            case Loss.ABRUPT:
                if self._may_move or self._tries not in (0, 1):
                    self._next()
                self._may_move = True
            case Loss.SILENT:
                self._may_move = True
            case Loss.ORDERLY:
                pass

    def _next(self) -> None:
        self._index = (self._index + 1) % len(self._addresses)

    def _primary_wait(self) -> float:
        assert self._backoffs is not None
        self._waits_for_preferred = False
        return self._backoffs[0].delay_s(self._primary_attempt, fraction=self._fraction)

    def _limit(self) -> float:
        assert self._backoffs is not None
        return RETRY_AFTER_LIMIT_S if self._backoffs[1].exact_first else self.preferred_limit_s

    def _draw_backoffs(self) -> tuple[Backoff, Backoff]:
        """Of all addresses in turn, and of the preferred one."""
        low, high = CROWD_MS
        minimum = math.floor(self._fraction() * (high - low + 1)) + low if len(self._addresses) > 1 else ALONE_MS
        primary = Backoff(minimum_ms=minimum)
        if self._retry_after_s and self._preferred is not None:
            named_ms = 1000 * self._retry_after_s
            return primary, Backoff(minimum_ms=named_ms, maximum_ms=RETRY_AFTER_MAX_MS, exact_first=True)
        return primary, Backoff(maximum_ms=PREFERRED_MAX_MS)
