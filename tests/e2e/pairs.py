"""Two browser phones in a call, and names for people that no other test uses."""

from __future__ import annotations

import itertools
from typing import Final, NamedTuple

from phones import Phone, PhoneCall

AUDIBLE: Final = 0.001
"""Energy per second of Chromium's beeping fake microphone is far above this, and of silence far below."""

_numbers = itertools.count(1)


class Pair(NamedTuple):
    """Two people in a call: alice placed it, bob answered."""

    alice: Phone
    bob: Phone
    placed: PhoneCall
    answered: PhoneCall
    parent: str
    child: str


def name(who: str) -> str:
    """An identity that no other test uses."""
    return f"{who}-{next(_numbers)}"
