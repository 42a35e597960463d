"""Bytes from the pool are like bytes from the system: as many as asked for, and never the same ones again."""

from __future__ import annotations

from midcall.app.entropy import POOL_BYTES, PooledEntropy


def test_each_piece_has_its_length_whatever_is_left_in_the_pool() -> None:
    entropy = PooledEntropy()
    sizes = [16, 1, 24, POOL_BYTES - 40, 16, POOL_BYTES, POOL_BYTES * 3, 1, 16]
    assert [len(entropy(size)) for size in sizes] == sizes


def test_no_piece_comes_twice() -> None:
    entropy = PooledEntropy()
    pieces = [entropy(16) for _ in range(10_000)]
    assert len(set(pieces)) == len(pieces)
