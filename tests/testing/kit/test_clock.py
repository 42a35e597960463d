"""Durations, and a clock that only virtual time can turn."""

import pytest

from midcall.testing.kit.clock import Clock, seconds
from midcall.testing.kit.failures import SwitchboardUnusable


@pytest.mark.parametrize(
    ("text", "expected"),
    [("300ms", 0.3), ("5s", 5), ("2m", 120), ("1h", 3600), ("1.5 h", 5400), ("2d", 172_800), (0.5, 0.5), (3, 3)],
)
def test_a_duration_is_seconds_or_a_text(text, expected):
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5", "s", "5 minutes", "-1s", -1])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is no duration"):
        seconds(text)


async def test_real_time_cannot_be_advanced_and_the_refusal_says_what_to_do():
    with pytest.raises(SwitchboardUnusable, match=r"time='virtual'"):
        await Clock(is_virtual=False).advance("2h")
