"""Codes of refusals: the server's own, or the general ones of a browser that was not asked for more."""

from __future__ import annotations

import asyncio

import pytest

from midcall.sdk.errors import PRECISE, call_fault, device_error
from midcall.wire import signal


@pytest.mark.parametrize(
    ("code", "precise", "general"),
    [
        (31201, 20151, 20151),
        (31204, 20101, 20101),
        (31205, 20104, 20104),
        (31202, 31202, 53000),
        (31105, 31105, 53000),
        (31206, 31206, 31206),
        (20101, 20101, 20101),
        (99999, 99999, 53000),
    ],
)
def test_codes_on_the_device(code, precise, general):
    assert device_error(code).code == precise
    assert device_error(code, precise=False).code == general


@pytest.mark.parametrize(
    ("code", "general"),
    [(31404, 31005), (31486, 31005), (31603, 31005), (99999, 31005), (31008, 31008), (31005, 31005)],
)
def test_codes_of_a_hangup(code, general):
    assert call_fault(code, "words", precise=True) == (code, "words")
    told, words = call_fault(code, "words", precise=False)
    assert told == general
    assert words == ("words" if told == code else f"words ({code})")


def test_nineteen_codes_are_precise():
    assert len(PRECISE) == 19


async def test_a_device_may_be_as_general_as_a_browser(registered):
    device, connection = await registered(enable_improved_signaling_error_precision=False)
    call = await device.connect()
    error, failed = call.wait_for("error", timeout=5), device.wait_for("error", timeout=5)
    invite = await connection.expect(signal.ClientInvite)
    fault = signal.Fault(code=31404, message="no voice URL")
    await connection.send(signal.Hangup(call_sid=invite.call_sid, error=fault), signal.Error(error=fault))
    assert ((await error).code, (await error).detail) == (31005, "no voice URL (31404)")
    assert (await failed).code == 53000


async def test_a_general_code_still_says_that_the_token_is_no_good(server, make_device):
    device = make_device(enable_improved_signaling_error_precision=False)
    device.on("error", lambda error: None)
    registered = asyncio.create_task(device.register())
    connection = await server.connection()
    gone = device.wait_for("unregistered", timeout=5)
    await connection.expect(signal.Listen)
    await connection.send(signal.Error(error=signal.Fault(code=31202, message="signature")))
    await gone
    with pytest.raises(Exception, match="53000"):
        await registered
