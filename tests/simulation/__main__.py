"""Run seeds: `python -m simulation --seeds 1000000`, or one of them with everything told: `--seed 123`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from simulation.plan import Kind
from simulation.world import simulate

CHUNK = 200


@dataclass(slots=True)
class Tally:
    runs: int = 0
    crashes: int = 0
    events: int = 0
    turns: int = 0
    failures: list[tuple[int, str, list[str]]] | None = None


def run_chunk(start: int, count: int, kind: str) -> Tally:
    """Run so many seeds from a first one."""
    tally = Tally(failures=[])
    gc.freeze()
    for seed in range(start, start + count):
        result = simulate(seed, Kind(kind))
        tally.runs += 1
        tally.crashes += result.crashes
        tally.events += result.events
        tally.turns += result.turns
        if result.problems:
            assert tally.failures is not None
            tally.failures.append((seed, kind, result.problems))
        if seed % 20 == 0:
            gc.collect()
    return tally


def chunks(first: int, seeds: int, disk_every: int, only: str | None) -> Iterator[tuple[int, int, str]]:
    """Which seeds run where: every so-manieth chunk on SQLite."""
    for number, start in enumerate(range(first, first + seeds, CHUNK)):
        kind = only or ("sqlite" if disk_every and number % disk_every == 0 else "memory")
        yield start, min(CHUNK, first + seeds - start), kind


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed and tell what happened")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many to run")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first of them")
    parser.add_argument("--store", choices=[kind.value for kind in Kind], help="only this store")
    parser.add_argument("--disk-every", type=int, default=10, help="every so-manieth 200 seeds run on SQLite")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.seed is not None:
        kinds = [Kind(arguments.store)] if arguments.store else list(Kind)
        results = [simulate(arguments.seed, kind, tell=True) for kind in kinds]
        for result in results:
            print(result, "", sep="\n")
        return any(result.problems for result in results)
    return _run_many(arguments)


def _run_many(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    total, failed = Tally(), 0
    work = chunks(arguments.first, arguments.seeds, arguments.disk_every, arguments.store)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for tally in pool.map(run_chunk, *zip(*work, strict=True)):
            total.runs += tally.runs
            total.crashes += tally.crashes
            total.events += tally.events
            total.turns += tally.turns
            for seed, kind, problems in tally.failures or ():
                failed += 1
                print(f"seed {seed} on {kind}: {problems[0]} (and {len(problems) - 1} more)")
                print(f"    make simulate SEED={seed} STORE={kind}", flush=True)
            spent = time.monotonic() - began
            if sys.stderr.isatty():
                print(f"\r{total.runs} runs, {total.runs / spent:.0f}/s, {failed} failed", end="", file=sys.stderr)
    spent = time.monotonic() - began
    print(
        f"{total.runs} runs ({total.crashes} crashes, {total.events} events, {total.turns} turns of the loop) "
        f"in {spent:.1f} s: {total.runs / spent:.0f} a second; {failed} failed"
    )
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
