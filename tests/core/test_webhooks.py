"""Names of webhooks: different ones differ, and a leg's requests for TwiML are told from its callbacks."""

from __future__ import annotations

from midcall.core import webhooks


def test_each_webhook_of_a_call_has_its_own_name() -> None:
    names = [
        webhooks.of_delivery("ZY1", "KX1"),
        webhooks.of_delivery("ZY1", "KX2"),
        webhooks.of_delivery("ZY2", "KX1"),
        webhooks.of_fetch(1),
        webhooks.of_fetch(2),
    ]
    assert len(set(names)) == len(names)
