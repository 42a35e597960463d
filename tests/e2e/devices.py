"""Calls between `midcall.sdk` clients, for tests that need no browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from customers import Customer

from midcall.sdk import Call, Device


@asynccontextmanager
async def open_call(customer: Customer) -> AsyncIterator[Call]:
    """alice calls bob; both are `midcall.sdk` clients without media."""
    host, ca_file = customer.credentials.signaling_host, customer.credentials.ca_file
    async with (
        Device(customer.token("alice"), host=host, ca_file=ca_file, media="none") as alice,
        Device(customer.token("bob"), host=host, ca_file=ca_file, media="none") as bob,
    ):
        await bob.register()
        rings = bob.wait_for("incoming", timeout=10)
        call = await alice.connect(params={"To": "bob"})
        accepted = call.wait_for("accept", timeout=10)
        (await rings).accept()
        await accepted
        yield call
