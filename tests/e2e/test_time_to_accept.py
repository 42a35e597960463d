"""From `connect()` to `accept` in Chromium, when the callee accepts at once.

Two calls prove that it works. `make bench` asks for more through MIDCALL_BENCH_CALLS, and reads what they took.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from customers import Customer
from playwright.async_api import Browser
from servers import Server

CALLS = int(os.environ.get("MIDCALL_BENCH_CALLS", "2"))

ONE_PAGE = """
async ([host, alice, bob, to, calls]) => {
  const options = { chunderw: host, logLevel: 'silent', sounds: { incoming: `${location.origin}/incoming.wav` } };
  const [caller, callee] = [new Twilio.Device(alice, options), new Twilio.Device(bob, options)];
  callee.on('incoming', (call) => call.accept());
  await callee.register();
  const taken = [];
  for (let number = 0; number <= calls; number += 1) {
    const began = performance.now();
    const call = await caller.connect({ params: { To: to } });
    await new Promise((resolve, reject) => { call.on('accept', resolve); call.on('error', reject); });
    taken.push(performance.now() - began);
    const over = new Promise((resolve) => call.on('disconnect', resolve));
    call.disconnect();
    await over;
    // the callee's side has ended before the next call rings
    while (callee.isBusy) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  caller.destroy();
  callee.destroy();
  return taken.slice(1); // the first one asks for the microphone
}
"""


@pytest.mark.timeout(60 + 5 * CALLS)
async def test_a_call_that_is_accepted_at_once_is_up_each_time(tmp_path: Path, chromium: Browser, site: str) -> None:
    server = Server(tmp_path / "midcall")
    credentials = await server.start()
    async with Customer(credentials) as customer:
        await customer.point_application_here()
        context = await chromium.new_context()
        page = await context.new_page()
        await page.goto(f"{site}/phone.html")
        tokens = [customer.token("alice"), customer.token("bob")]
        taken = await page.evaluate(ONE_PAGE, [credentials.signaling_host, *tokens, "bob", CALLS])
        await context.close()
    assert await server.stop() == 0
    assert len(taken) == CALLS
    keep({"accept_ms": taken, "engine": "aiortc"})


def keep(result: dict[str, object]) -> None:
    """Leave what was measured where a benchmark asked for it."""
    if wanted := os.environ.get("MIDCALL_BENCH_RESULT"):
        Path(wanted).write_text(json.dumps(result))
