"""Durations, and a clock that only virtual time can turn."""

import pytest

from midcall.testing.kit.clock import Clock
from midcall.testing.kit.failures import SwitchboardUnusable


@pytest.mark.parametrize("text", ["", "5", "s", "5 minutes", "-1s", -1])
async def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is no duration"):
        await Clock(is_virtual=False).sleep(text)


async def test_real_time_cannot_be_advanced_and_the_refusal_says_what_to_do():
    with pytest.raises(SwitchboardUnusable, match=r"time='virtual'"):
        await Clock(is_virtual=False).advance("2h")
