"""Unpredictable bytes, fetched many at a time: a message needs a few, and each fetch is a call into the system."""

from __future__ import annotations

import os
from typing import Final

POOL_BYTES: Final = 4_096


class PooledEntropy:
    """Implements `ports.Entropy` for one process that does not fork. No byte is handed out twice."""

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._pool):
            self._pool = os.urandom(max(count, POOL_BYTES))
            self._at, end = 0, count
        taken = self._pool[self._at : end]
        self._at = end
        return taken
