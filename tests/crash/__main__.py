"""`make crash`: hundreds of kills, then full disks, then the report; not zero when a promise was broken."""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from crash.campaign import Campaign, Report
from crash.checker import FROM_CLIENT, TO_CLIENT
from crash.disks import fillable_disk

LONGEST_S: Final = 0.8
SECONDS_A_KILL: Final = 1.5
SHOWN: Final = 20

console = Console(highlight=False, soft_wrap=True)


def main(
    kills: Annotated[int, typer.Option(min=1, help="How often the server is killed.")] = 300,
    full_disks: Annotated[int, typer.Option(min=0, help="How often its disk is filled.")] = 20,
    seed: Annotated[
        int | None, typer.Option(help="Of the load and of the moments; the machine's timing is its own.")
    ] = None,
    scratch: Annotated[Path, typer.Option(help="Where data, logs and the ledger go; emptied first.")] = Path(
        "build/crash"
    ),
) -> None:
    """Kill `midcall serve` under load again and again, and compare what it acknowledged with what came of it."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    shutil.rmtree(scratch, ignore_errors=True)
    minutes = ((kills + full_disks) * SECONDS_A_KILL + 30) / 60
    console.print(f"{kills} kills and {full_disks} full disks, seed {seed}; about {minutes:.0f} minutes in {scratch}/")
    killed = uvloop.run(kill_campaign(scratch / "kills", seed, kills))
    show("SIGKILL", killed)
    reports = [killed]
    if full_disks:
        filled, kind = uvloop.run(disk_campaign(scratch / "full-disks", seed, full_disks))
        show(f"Full disk ({kind})", filled)
        reports.append(filled)
    if not all(report.holds for report in reports):
        console.print(f"[bold red]BROKEN[/]: the promises above; the evidence is in {scratch}/*/ledger.jsonl")
        sys.exit(1)
    total = sum(sum(report.kills.values()) for report in reports)
    console.print(f"[bold green]HELD[/]: {total} kills: nothing lost, nothing doubled in effect, nothing out of order")


async def kill_campaign(scratch: Path, seed: int, kills: int) -> Report:
    """The server dies; nothing else goes wrong."""
    campaign = Campaign(scratch, seed)
    began = monotonic()
    async with campaign.open():
        with watching("kills", kills) as watch:
            await campaign.kill_again_and_again(kills, longest_s=LONGEST_S, progress=watch.note)
        report = await campaign.finish()
    report.seconds = monotonic() - began
    return report


async def disk_campaign(scratch: Path, seed: int, times: int) -> tuple[Report, str]:
    """The disk is full in between."""
    with fillable_disk(scratch) as disk:
        campaign = Campaign(scratch, seed, data_dir=disk.data_dir)
        began = monotonic()
        async with campaign.open():
            with watching("full disks", times) as watch:
                await campaign.fill_again_and_again(disk, times, progress=watch.note)
            report = await campaign.finish()
        report.seconds = monotonic() - began
        return report, disk.kind


class watching:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._began = monotonic()
        self._moments: Counter[str] = Counter()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> watching:
        if console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if console.is_terminal:
            self._bar.stop()

    def note(self, done: int, moment: str) -> None:
        self._moments[moment] += 1
        self._bar.update(self._task, completed=done, description=f"{self._what} ({moment})")
        if not console.is_terminal and (done % 20 == 0 or done == self._total):
            console.print(f"{done}/{self._total} {self._what} after {monotonic() - self._began:.0f} s")


def show(title: str, report: Report) -> None:
    """What was promised, what came of it, and what was broken."""
    verdict = report.verdict
    table = Table(title=title, title_justify="left", show_edge=False)
    table.add_column()
    table.add_column("client to server", justify="right")
    table.add_column("server to client", justify="right")
    for words, counts in (
        ("acknowledged", verdict.acknowledged),
        ("delivered", verdict.delivered),
        ("repeated, same ids", verdict.repeats),
        ("listed as undelivered", verdict.listed),
        ("unknown: died before it answered", verdict.unknown),
    ):
        table.add_row(words, f"{counts[FROM_CLIENT]:,}", f"{counts[TO_CLIENT]:,}")
    console.print(table)
    moments = ", ".join(f"{count} {moment}" for moment, count in report.kills.most_common())
    console.print(f"kills: {sum(report.kills.values())} ({moments})")
    console.print(
        f"load: {report.calls} legs, {report.subscriptions} subscriptions, "
        f"{report.resumes} resumes, {verdict.retries} retries",
        end="",
    )
    console.print(f", {report.refused} refused while the disk was full" if report.refused else "")
    console.print(
        f"ready again: {report.worst_recovery_s:.2f} s at worst; drained {report.drained_in_s:.1f} s after the last"
    )
    if report.resumed_in_s:
        console.print(f"served again without a restart {max(report.resumed_in_s):.2f} s after there was room, at worst")
    console.print(f"took {report.seconds:.0f} s")
    for violation in verdict.violations[:SHOWN]:
        console.print(f"[red]{violation}[/]", markup=True)
    if len(verdict.violations) > SHOWN:
        console.print(f"[red]and {len(verdict.violations) - SHOWN} more[/]")
    console.print()


if __name__ == "__main__":
    typer.run(main)
