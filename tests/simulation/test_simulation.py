"""Thousands of runs of the whole message path, each from a seed: nothing lost, doubled or out of order.

A seed that fails is replayed and told by `make simulate SEED=…`. Millions are run by `make simulate SEEDS=…`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.__main__ import run_chunk
from simulation.plan import Kind
from simulation.world import simulate

IN_MEMORY = [(start, 125) for start in range(0, 2_000, 125)]
ON_DISK = [(start, 60) for start in range(10_000, 10_600, 60)]

ONCE_WRONG = [
    (106, "sqlite"),
    (383, "memory"),
    (1145, "memory"),
    (2_001_185, "memory"),
    (2_036_907, "memory"),
    (2_055_225, "memory"),
]
"""Clients that accepted a call and lost one socket after the other."""

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize(("start", "count"), IN_MEMORY)
def test_seeds_on_the_memory_store_keep_every_promise(start: int, count: int) -> None:
    assert run_chunk(start, count, "memory").failures == []


@pytest.mark.parametrize(("start", "count"), ON_DISK)
def test_seeds_on_a_disk_that_forgets_and_tears_keep_every_promise(start: int, count: int) -> None:
    assert run_chunk(start, count, "sqlite").failures == []


@pytest.mark.parametrize(("seed", "kind"), ONCE_WRONG)
def test_seeds_that_found_something_stay_right(seed: int, kind: str) -> None:
    assert simulate(seed, Kind(kind)).problems == []


def test_the_seeds_meet_what_they_are_for() -> None:
    """A simulation in which nothing happens proves nothing."""
    results = [simulate(seed, kind) for seed in range(40) for kind in Kind]
    assert sum(result.crashes for result in results) > 10
    assert sum(result.events for result in results) > 40 * len(results)


PROGRAM = """
from simulation.plan import Kind
from simulation.world import simulate
for seed in range(6):
    for kind in Kind:
        result = simulate(seed, kind, tell=True)
        print(result.digest, *result.lines, sep="\\n")
"""


def test_a_seed_replays_exactly_whatever_the_interpreter_hashes_with() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    }
    assert len(told) == 1
    assert len(told.pop().splitlines()) > 200
