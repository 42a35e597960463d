"""A token bucket: so many a second, with a burst of one second's worth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Attributes: tokens left, and the time (monotonic seconds) they were last counted."""

    tokens: float
    counted_at: float

    def take(self, *, per_second: float, now: float) -> bool:
        """Take one token; False when there is none."""
        self.tokens = min(per_second, self.tokens + (now - self.counted_at) * per_second)
        self.counted_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
