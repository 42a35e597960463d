"""All benchmarks of the budget, one after the other: JSON files and a plot in build/bench, and one table.

    python benchmarks/run.py [--full] [--quick] [--only messages idle …] [--results build/bench]

`--quick` proves that everything runs, with counts too small to mean anything; `--full` goes up to 10^6 stored messages.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import calls
import idle
import messages
import startup
import stored
import uvloop
from harness.processes import machine
from harness.report import FOLDER, Row, folder, keep_in, met, save, table

ROOT: Final = Path(__file__).parents[1]
STARTUP_TARGET_S: Final = 1.5
ACCEPT_TARGET_MS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    messages: int = 6_400
    repeats: int = 5
    seconds: float = 8.0
    idle_clients: int = 2_000
    calls: int = 640
    browser_calls: int = 20
    starts: int = 5
    stored: tuple[int, ...] = stored.COUNTS


NORMAL: Final = Size()
FULL: Final = Size(stored=(*stored.COUNTS, 1_000_000))
QUICK: Final = Size(
    messages=128, repeats=1, seconds=0.2, idle_clients=20, calls=16, browser_calls=2, starts=1, stored=(400, 800)
)


def run_messages(size: Size) -> list[Row]:
    return uvloop.run(messages.run(messages=size.messages, repeats=size.repeats, seconds=size.seconds))


def run_idle(size: Size) -> list[Row]:
    return uvloop.run(idle.run(clients=size.idle_clients))


def run_calls(size: Size) -> list[Row]:
    return uvloop.run(calls.run(calls=size.calls, repeats=size.repeats))


def run_stored(size: Size) -> list[Row]:
    rows = stored.run(counts=size.stored, messages=size.messages // 2, repeats=min(3, size.repeats))
    return uvloop.run(rows)


def run_startup(size: Size) -> list[Row]:
    found = startup.run(size.starts)
    save("startup", machine=machine(), **found)
    first, again = found["first_start_s"], found["restart_s"]
    return [
        Row(what="first start", value=first, unit="s", target="1.5 s", met=met(first, STARTUP_TARGET_S)),
        Row(what="restart", value=again, unit="s", target="1.5 s", met=met(again, STARTUP_TARGET_S)),
    ]


def run_browser(size: Size) -> list[Row]:
    """The end-to-end test that counts, with more calls; it knows how to start a browser."""
    result = folder().absolute() / "browser.json"
    environ = {**os.environ, "MIDCALL_BENCH_CALLS": str(size.browser_calls), "MIDCALL_BENCH_RESULT": str(result)}
    command = [sys.executable, "-m", "pytest", "-q", "tests/e2e/test_time_to_accept.py"]
    subprocess.run(command, check=True, cwd=ROOT, env=environ, stdout=sys.stderr)
    found = json.loads(result.read_text())
    median = statistics.median(found["accept_ms"])
    save("browser", machine=machine(), **found)
    return [
        Row(
            what="connect() to accept in Chromium, aiortc",
            value=median,
            unit="ms",
            target="60 ms",
            met=met(median, ACCEPT_TARGET_MS),
        )
    ]


BENCHMARKS: Final[dict[str, Callable[[Size], list[Row]]]] = {
    "messages": run_messages,
    "idle": run_idle,
    "calls": run_calls,
    "browser": run_browser,
    "startup": run_startup,
    "stored": run_stored,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the JSON files and the plot")
    arguments = parser.parse_args()
    keep_in(arguments.results)
    size = QUICK if arguments.quick else FULL if arguments.full else NORMAL
    rows: list[Row] = []
    for name in arguments.only:
        print(f"bench: {name}", file=sys.stderr, flush=True)
        rows += BENCHMARKS[name](size)
    print(table(rows))
    print(f"\nJSON and the plot are in {arguments.results}. Machine: {machine()}")


if __name__ == "__main__":
    main()
