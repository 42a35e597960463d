"""`make soak`: an hour at a steady load, recorded; not zero when something grew or a message was lost."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from soak.samples import Sample
from soak.soak import Result, soak
from soak.traffic import Plan

SHOWN: Final = 20

console = Console(highlight=False, soft_wrap=True)


def main(
    minutes: Annotated[float, typer.Option(min=0.5, help="How long.")] = 60.0,
    per_second: Annotated[float, typer.Option(min=1, help="Messages per second, each way.")] = 50.0,
    calls: Annotated[int, typer.Option(min=1, help="Calls at the same time; each lasts some seconds.")] = 10,
    with_audio: Annotated[int, typer.Option(min=0, help="How many of them have audio.")] = 1,
    scratch: Annotated[Path, typer.Option(help="For data, samples and the plot; emptied first.")] = Path("build/soak"),
) -> None:
    """Keep a server at a steady load and watch its memory, files, threads and lags."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    plan = Plan(calls=calls, with_audio=with_audio, per_second=per_second)
    console.print(f"{minutes:g} minutes at {per_second:g} messages/s each way over {calls} calls, in {scratch}/")
    every_s = min(5.0, minutes)
    result = uvloop.run(soak(scratch, plan, seconds=minutes * 60, every_s=every_s, progress=Progress(minutes).note))
    show(result, scratch)
    if not result.holds:
        sys.exit(1)


class Progress:
    """A line at the beginning and then twenty times."""

    def __init__(self, minutes: float) -> None:
        self._every_s = minutes * 60 / 20
        self._next_s = 0.0

    def note(self, sample: Sample) -> None:
        if sample.at_s < self._next_s:
            return
        self._next_s = sample.at_s + self._every_s
        console.print(
            f"{sample.at_s / 60:6.1f} min  {sample.server_mb:6.1f} + {sample.media_mb:5.1f} MB  {sample.files:3} files"
            f"  {sample.threads} threads  loop {sample.loop_lag_ms:5.1f} ms  {sample.lanes_waiting} lanes waiting"
            f"  {sample.calls} calls  {sample.messages:,} messages"
        )


def show(result: Result, scratch: Path) -> None:
    """The verdict."""
    console.print(f"{result.calls} calls, {result.sent:,} messages to the endpoint, {result.posted:,} to clients")
    for growth in result.growths:
        console.print(f"[{'green' if growth.holds else 'red'}]{growth}[/]")
    for fault in result.faults[:SHOWN]:
        console.print(fault, style="red", markup=False)
    verdict = "[bold green]STEADY[/]: nothing grew, nothing was lost" if result.holds else "[bold red]NOT STEADY[/]"
    console.print(f"{verdict}; see {scratch}/plot.svg and samples.csv")


if __name__ == "__main__":
    typer.run(main)
