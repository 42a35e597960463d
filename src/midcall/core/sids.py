"""Resource identifiers: two letters that say what it is, and 32 hexadecimal digits.

Entropy is passed in, so that the core stays deterministic; whoever mints reads it from `ports.Entropy`.
Upper-case digits are accepted from outside and folded to lower case, which is how they are stored.
"""

from __future__ import annotations

import re
from typing import Final, NewType

AccountSid = NewType("AccountSid", str)
AlertSid = NewType("AlertSid", str)
ApplicationSid = NewType("ApplicationSid", str)
CallSid = NewType("CallSid", str)
InsightSid = NewType("InsightSid", str)
KeySid = NewType("KeySid", str)
MessageSid = NewType("MessageSid", str)
PhoneNumberSid = NewType("PhoneNumberSid", str)
ReplaySid = NewType("ReplaySid", str)
SubscriptionSid = NewType("SubscriptionSid", str)
SummarySid = NewType("SummarySid", str)

ENTROPY_BYTES: Final = 16

_SHAPE: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}", re.ASCII)


def mint(prefix: str, entropy: bytes) -> str:
    """A new sid such as `CA…` from 16 bytes of entropy.

    Raises:
        ValueError: the prefix is not two letters or the entropy not 16 bytes.
    """
    if len(prefix) != 2 or len(entropy) != ENTROPY_BYTES:
        raise ValueError("a sid is two letters and 16 bytes")
    return prefix + entropy.hex()


def parse(text: str, prefix: str) -> str | None:
    """The sid in its stored spelling (lower case), or None when the text is not a sid with this prefix."""
    if _SHAPE.fullmatch(text) is None or not text.startswith(prefix):
        return None
    return prefix + text[2:].lower()


def to_bytes(sid: str) -> bytes:
    """The 16 bytes behind a sid, which is how databases keep it."""
    return bytes.fromhex(sid[2:])
