"""The short form of `make crash`: a dozen deaths of a real server under real clients, and disks that are full."""

from __future__ import annotations

from pathlib import Path

import pytest

from crash.campaign import Campaign, Report
from crash.disks import LimitedDisk
from crash.load import Mix

pytestmark = pytest.mark.timeout(300)


def explain(report: Report) -> str:
    return "\n".join(str(violation) for violation in report.verdict.violations[:20])


async def test_what_was_acknowledged_survives_every_kill(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, seed=20)
    async with campaign.open():
        await campaign.kill_again_and_again(12, longest_s=0.6, progress=lambda done, moment: None)
        report = await campaign.finish()
    assert report.holds, explain(report)
    assert sum(report.kills.values()) == 12
    assert len(report.kills) >= 4, "the moments are not varied"
    for counts in (report.verdict.acknowledged, report.verdict.delivered):
        assert min(counts.values()) > 20, "there was next to no load"


async def test_what_was_accepted_survives_a_full_disk_and_what_was_refused_left_nothing(tmp_path: Path) -> None:
    disk = LimitedDisk(tmp_path / "data")
    campaign = Campaign(tmp_path, seed=7, mix=Mix(bad_lines=0), data_dir=disk.data_dir)
    async with campaign.open():
        await campaign.fill_again_and_again(disk, 2, progress=lambda done, moment: None)
        report = await campaign.finish()
    assert report.holds, explain(report)
    assert report.refused > 0
    assert len(report.resumed_in_s) == 1
