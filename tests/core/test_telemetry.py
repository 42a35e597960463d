"""Metrics: plain numbers, written as the Prometheus text format has them."""

from __future__ import annotations

import pytest

from midcall.telemetry import Metrics


def test_nothing_counted_is_an_empty_page() -> None:
    assert Metrics().text() == ""


def test_counters_keep_their_labels_apart_and_escape_them() -> None:
    metrics = Metrics()
    counter = metrics.counter("things_total", "Things.", "kind", "status")
    counter.add("b", "200")
    counter.add('a"\\\n', "500", amount=1_234_567)
    counter.add("b", "200")
    assert metrics.text().splitlines() == [
        "# HELP things_total Things.",
        "# TYPE things_total counter",
        'things_total{kind="a\\"\\\\\\n",status="500"} 1234567',
        'things_total{kind="b",status="200"} 2',
    ]


def test_a_gauge_is_read_when_somebody_asks() -> None:
    metrics = Metrics()
    values = [1.0, 2.5]
    metrics.gauge("level", "A level.", lambda: values.pop(0))
    assert "level 1\n" in metrics.text()
    assert "level 2.5\n" in metrics.text()


def test_histogram_buckets_are_cumulative_and_include_their_bound() -> None:
    metrics = Metrics()
    histogram = metrics.histogram("seconds", "Time.", (0.1, 1.0))
    for value in (0.1, 0.5, 1.0, 7.0):
        histogram.observe(value)
    assert metrics.text().splitlines()[2:] == [
        'seconds_bucket{le="0.1"} 1',
        'seconds_bucket{le="1"} 3',
        'seconds_bucket{le="+Inf"} 4',
        "seconds_sum 8.6",
        "seconds_count 4",
    ]


def test_a_name_is_counted_once() -> None:
    metrics = Metrics()
    metrics.counter("x", "X.")
    with pytest.raises(AssertionError):
        metrics.gauge("x", "X.", lambda: 0)
