"""The short form of `make soak`, and the judge of growth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from soak import plot, samples
from soak.samples import Sample
from soak.soak import soak
from soak.traffic import Plan


@pytest.mark.timeout(360)
async def test_a_server_under_a_steady_load_grows_nowhere_and_loses_nothing(tmp_path: Path) -> None:
    plan = Plan(calls=6, with_audio=1, per_second=40.0, shortest_s=2.0, longest_s=6.0)
    result = await soak(tmp_path, plan, seconds=150, every_s=1.0, progress=lambda sample: None)
    assert result.faults == []
    assert [str(growth) for growth in result.growths if not growth.holds] == []
    assert result.calls > 60
    assert min(result.sent, result.posted) > 3000
    assert result.samples[-1].media_mb > 20, "the media worker was not watched"
    assert (tmp_path / "samples.csv").read_text().count("\n") == len(result.samples) + 1


QUIET = Sample(
    at_s=0.0,
    server_mb=80.0,
    media_mb=70.0,
    files=60,
    threads=8,
    loop_lag_ms=3.0,
    lanes_waiting=1,
    oldest_undelivered_s=0.01,
    calls=0,
    messages=0,
    database_mb=1.0,
)


def an_hour(**rising: float) -> list[Sample]:
    """A sample every 10 s; each named series rises by so much in the hour, after a steep warm-up."""
    made = []
    for number in range(361):
        warm_up = min(number, 60) * 0.5
        changes = {name: getattr(QUIET, name) + by * number / 360 for name, by in rising.items()}
        made.append(replace(QUIET, at_s=number * 10.0, server_mb=80.0 + warm_up, **changes))
    return made


def broken(series: list[Sample]) -> set[str]:
    return {growth.bound.series for growth in samples.judge(series) if not growth.holds}


def test_a_warm_up_is_no_growth() -> None:
    assert broken(an_hour()) == set()


@pytest.mark.parametrize(
    ("series", "by"),
    [
        ("media_mb", 30.0),
        ("files", 40),
        ("threads", 6),
        ("loop_lag_ms", 900.0),
        ("lanes_waiting", 60),
        ("oldest_undelivered_s", 30.0),
    ],
)
def test_growth_is_named(series: str, by: float) -> None:
    assert broken(an_hour(**{series: by})) == {series}


def test_a_leak_of_the_server_is_named() -> None:
    leaking = [replace(sample, server_mb=80 + sample.at_s / 100) for sample in an_hour()]
    assert broken(leaking) == {"server_mb"}


def test_page_caches_may_fill_and_not_more() -> None:
    filling = [replace(sample, server_mb=80 + sample.at_s / 100, database_mb=sample.at_s / 100) for sample in an_hour()]
    assert broken(filling) == set()  # from 12 to 32 MB of 36
    assert broken([replace(sample, database_mb=sample.database_mb + 30) for sample in filling]) == {"server_mb"}


def test_the_plot_is_well_formed_and_has_every_series(tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"
    plot.draw(an_hour(files=3), path, "50 messages/s & more")
    root = etree.parse(path).getroot()
    lines = [element for element in root if str(element.tag).endswith("polyline")]
    assert len(lines) == len(plot.SERIES)
    assert all(len(line.attrib["points"].split()) == 361 for line in lines)
