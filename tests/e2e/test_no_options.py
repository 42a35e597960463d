"""Pages that say `new Device(token)` and nothing else, in a Chromium that was told where the vendor's hosts are.

Its resolver knows nothing but localhost and that mapping, so what works here works without leaving the machine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from browsers import Flags, launch
from customers import Customer
from pairs import name
from phones import Phone, PhoneCall
from playwright.async_api import Browser, BrowserContext, Playwright, Request
from servers import Server

from midcall.browser import sounds
from midcall.core.places import REGION_OF, ROAMING

NEWEST, OLDEST = "2.18.5", "2.2.0"
pytestmark = pytest.mark.timeout(180)  # up to nine pages, or twenty seconds of a call, on a machine that may be busy

PAGE_OF = {NEWEST: "", OLDEST: "/2.2.0"}
PUBLIC_EDGES = [ROAMING, *(edge for edge in REGION_OF if not edge.endswith("-ix"))]
AUDIBLE = 0.001
RINGTONE_S = 4.0
DEAD_EDGE = "tokyo"
"""Its host leads to a port where nobody listens."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mapped_chromium(server: Server, playwright: Playwright) -> AsyncIterator[Browser]:
    """One edge is dead, so that a list has to fall back."""
    flags = Flags.of(server.data_dir)
    dead = f"MAP voice-js.{DEAD_EDGE}.twilio.com 127.0.0.1:1"
    async with launch(playwright, pin=flags.pin, hosts=f"{dead}, {flags.rules}", spaces=flags.spaces) as browser:
        yield browser


class Traffic:
    """What a page asked for over HTTP, and what became of it."""

    def __init__(self, context: BrowserContext) -> None:
        self.hosts: set[str] = set()
        self.failed: list[str] = []
        self.sounds: set[str] = set()
        context.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))
        context.on("requestfailed", lambda request: self.failed.append(f"{request.url}: {request.failure}"))
        context.on("requestfinished", self._finished)

    def _finished(self, request: Request) -> None:
        path = urlsplit(request.url).path
        if path.startswith(sounds.BASE):
            self.sounds.add(path.removeprefix(sounds.BASE + "/").removesuffix(".mp3"))


class Opened(NamedTuple):
    phone: Phone
    traffic: Traffic


Open = Callable[..., Any]


@pytest_asyncio.fixture(loop_scope="session")
async def open_phone(mapped_chromium: Browser, site: str) -> AsyncIterator[Open]:
    contexts: list[BrowserContext] = []

    async def open_(who: str, version: str = NEWEST) -> Opened:
        context = await mapped_chromium.new_context()
        contexts.append(context)
        traffic = Traffic(context)
        phone = await Phone.open(context, site + PAGE_OF[version], name(who))
        return Opened(phone, traffic)

    yield open_
    for context in contexts:
        await context.close()


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
async def test_a_device_without_options_registers_calls_and_exchanges_messages(
    customer: Customer, open_phone: Open, version: str
) -> None:
    alice, _ = await open_phone("alice", version)
    bob, traffic = await open_phone("bob", version)
    assert await bob.version() == version
    for phone in (alice, bob):
        await phone.start(customer.token(phone.name), None)
    await bob.register()
    assert await bob.device() == {
        "state": "registered",
        "identity": bob.name,
        "edge": "ashburn",
        "home": "us1",
        "isBusy": False,
    }
    placed = await alice.connect(To=bob.name)
    answered = await bob.incoming()
    await expect_ringtone_before_incoming(bob)
    await placed.wait_for("ringing")
    await answered.accept()
    await placed.wait_for("accept")
    heard = await asyncio.gather(placed.hear(1.5), answered.hear(1.5))
    assert all(each.packets > 40 and each.energy > AUDIBLE for each in heard), heard

    await expect_messages_both_ways(customer, placed)
    await expect_messages_both_ways(customer, answered)
    await answered.disconnect()
    await placed.wait_for("disconnect")

    assert traffic.failed == []
    assert traffic.hosts <= {"localhost", "sdk.twilio.com", "eventgw.us1.twilio.com"}
    assert traffic.sounds == set(sounds.NAMES) - {"cowbell"}
    assert not any("page error" in line or "page rejection" in line for line in bob.console), bob.console


async def expect_ringtone_before_incoming(phone: Phone) -> None:
    """The SDK waits up to two seconds for its ringtone to play; here nothing but that came right before `incoming`."""
    timeline = await phone.timeline()
    assert "sound broken" not in [event.name for event in timeline]
    incoming = await phone.wait_for("incoming")
    before = timeline[incoming.n - 1]
    assert before.name == "sound started", await phone.story()
    assert before.data > RINGTONE_S, await phone.story()


async def expect_messages_both_ways(customer: Customer, call: PhoneCall) -> None:
    leg = (await call.properties())["parameters"]["CallSid"]
    await customer.subscribe(leg)
    sid = await call.send_message({"n": 1, "text": "ä"})
    await call.wait_for("messageSent")
    (arrived,) = await customer.asked("messages", CallSid=leg)
    assert arrived["Sid"] == sid
    sent = await customer.send(leg, {"m": 1})
    received = await call.wait_for("messageReceived")
    assert received.data["voiceEventSid"] == sent
    assert received.data["content"] == {"m": 1}


async def test_all_sounds_of_the_newest_sdk_can_be_decoded_by_the_browser(customer: Customer, open_phone: Open) -> None:
    phone, _ = await open_phone("alice")
    await phone.start(customer.token(phone.name), None)
    await phone.wait_for("sound decoded", count=len(sounds.NAMES) - 1)
    assert "sound broken" not in [event.name for event in await phone.timeline()]


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
async def test_each_public_edge_is_there_and_the_device_sees_the_edge_it_asked_for(
    customer: Customer, open_phone: Open, version: str
) -> None:
    async def edge_of(asked: str) -> tuple[str, str]:
        phone, _ = await open_phone("edge", version)
        await phone.start(customer.token(phone.name), None, edge=asked)
        await phone.register()
        device = await phone.device()
        return device["edge"], device["home"]

    asked = [edge for edge in PUBLIC_EDGES if edge != DEAD_EDGE or version == OLDEST]
    assert len(PUBLIC_EDGES) == 9
    seen = {edge: await edge_of(edge) for edge in asked}
    assert seen == {edge: ("ashburn" if edge == ROAMING else edge, "us1") for edge in asked}


async def test_a_call_goes_through_from_one_edge_to_another(customer: Customer, open_phone: Open) -> None:
    alice, _ = await open_phone("alice")
    bob, _ = await open_phone("bob")
    await alice.start(customer.token(alice.name), None, edge="sao-paulo")
    await bob.start(customer.token(bob.name), None, edge="singapore")
    await bob.register()
    placed = await alice.connect(To=bob.name)
    answered = await bob.incoming()
    await answered.accept()
    await placed.wait_for("accept")
    assert (await alice.device())["edge"] == "sao-paulo"
    assert (await bob.device())["edge"] == "singapore"
    await placed.disconnect()
    await answered.wait_for("disconnect")


async def test_a_device_falls_back_to_the_next_edge_of_its_list(customer: Customer, open_phone: Open) -> None:
    phone, _ = await open_phone("alice")
    await phone.start(customer.token(phone.name), None, edge=[DEAD_EDGE, "dublin"])
    await phone.page.evaluate("void phone.register().catch(() => {})")
    await phone.wait_for("registered", timeout=30)
    assert (await phone.device())["edge"] == "dublin"


async def test_a_device_that_changes_its_edge_is_registered_there_and_nowhere_else(
    customer: Customer, open_phone: Open
) -> None:
    alice, _ = await open_phone("alice")
    bob, _ = await open_phone("bob")
    for phone in (alice, bob):
        await phone.start(customer.token(phone.name), None)
    await bob.register()
    await bob.update_options(edge="sydney")
    await bob.wait_for("registered", count=2)
    assert (await bob.device())["edge"] == "sydney"
    assert await bob.open_sockets() == 1
    placed = await alice.connect(To=bob.name)
    answered = await bob.incoming()
    await answered.accept()
    await placed.wait_for("accept")
    await placed.disconnect()
    await answered.wait_for("disconnect")
    assert len([event for event in await bob.timeline() if event.name == "incoming"]) == 1


PREFLIGHT = """
([token]) => {
  const events = [];
  const test = Twilio.Device.runPreflight(token);
  test.on('connected', () => events.push('connected'));
  window.samples = new Promise((resolve) => {
    let count = 0;
    test.on('sample', () => { count += 1; if (count === 4) resolve(count); });
  });
  window.report = new Promise((resolve, reject) => { test.on('completed', resolve); test.on('failed', reject); });
}
"""


async def test_a_preflight_test_without_options_reports_the_concrete_edge(customer: Customer, open_phone: Open) -> None:
    alice, _ = await open_phone("alice")
    bob, _ = await open_phone("bob")
    await bob.start(customer.token(bob.name), None)
    await bob.register()
    customer.twiml[f"client:{alice.name}"] = f"<Response><Dial><Client>{bob.name}</Client></Dial></Response>"
    await alice.page.evaluate(PREFLIGHT, [customer.token(alice.name)])
    answered = await bob.incoming()
    await answered.accept()
    await alice.page.evaluate("window.samples")
    await answered.disconnect()
    report = await alice.page.evaluate("window.report")
    assert (report["selectedEdge"], report["edge"]) == (ROAMING, "ashburn")
    assert report["stats"]["mos"]["average"] > 3
    assert report["samples"]


async def test_a_page_of_a_public_site_is_let_through_to_the_server(
    customer: Customer, server: Server, playwright: Playwright, site: str
) -> None:
    """Chromium keeps pages of public addresses away from loopback; here the page's own address counts as public."""
    flags = Flags.of(server.data_dir)
    public_page = f"{urlsplit(site).port}=public"
    kept_away = f"--ip-address-space-overrides=127.0.0.1:{public_page}"
    for spaces, expected in ((f"{flags.spaces},127.0.0.1:{public_page}", True), (kept_away, False)):
        async with launch(playwright, pin=flags.pin, hosts=flags.rules, spaces=spaces) as browser:
            phone = await Phone.open(await browser.new_context(), site, name("public"))
            await phone.start(customer.token(phone.name), None)
            await phone.page.evaluate("void phone.register().catch(() => {})")
            await phone.wait_for("registered" if expected else "error")
            assert ((await phone.device())["state"] == "registered") is expected


DEAD_MICROPHONE = """
() => {
  const context = new AudioContext();
  window.microphone = new MediaStreamAudioDestinationNode(context);
  const nothing = new ConstantSourceNode(context, { offset: 0 });
  nothing.connect(window.microphone);
  nothing.start();
  navigator.mediaDevices.getUserMedia = async () => window.microphone.stream.clone();
}
"""
"""Silence without a break, about which the SDK warns."""


async def test_samples_a_warning_and_feedback_of_a_call_are_kept_and_shown(
    customer: Customer, server: Server, open_phone: Open
) -> None:
    alice, traffic = await open_phone("alice")
    bob, _ = await open_phone("bob")
    await alice.page.evaluate(DEAD_MICROPHONE)
    for phone in (alice, bob):
        await phone.start(customer.token(phone.name), None)
    await bob.register()
    placed = await alice.connect(To=bob.name)
    answered = await bob.incoming()
    await answered.accept()
    await placed.wait_for("accept")
    warned = await placed.wait_for("warning", timeout=30)
    assert warned.data == "constant-audio-input-level"
    await placed.wait_for("sample", count=21, timeout=30)
    await placed.post_feedback(2, "echo")
    await answered.post_feedback(5)
    await placed.disconnect()
    await answered.wait_for("disconnect")

    parent = (await placed.properties())["parameters"]["CallSid"]
    child = (await answered.properties())["parameters"]["CallSid"]
    samples = await insights(customer, parent, Kind="sample")
    assert len(samples) >= 20
    assert {row["name"] for row in samples} == {"metrics-sample"}
    assert all(row["payload"]["audio_codec"] in ("PCMU", "opus") for row in samples)
    assert [row for row in samples if row["payload"]["mos"] is not None]

    (warning,) = await insights(customer, parent, Level="warning")
    assert (warning["group"], warning["name"]) == ("audio-level-warning-raised", "constant-audio-input-level")
    told = {(row["group"], row["name"]) for row in await insights(customer, parent, Kind="event")}
    assert {("connection", "outgoing"), ("connection", "accepted-by-remote"), ("feedback", "received")} <= told
    assert {row["payload"]["sdk_version"] for row in await insights(customer, child)} == {NEWEST}

    assert await feedback(customer, parent) == (2, ["echo"])
    assert await feedback(customer, child) == (5, [])
    assert traffic.failed == []


async def insights(customer: Customer, call_sid: str, **query: str) -> list[dict[str, Any]]:
    return (await fetched(customer, f"Calls/{call_sid}/Insights.json", PageSize="1000", **query))["insights"]


async def feedback(customer: Customer, call_sid: str) -> tuple[int, list[str]]:
    found = await fetched(customer, f"Calls/{call_sid}/Feedback.json")
    return found["quality_score"], found["issues"]


async def fetched(customer: Customer, path: str, **query: str) -> dict[str, Any]:
    account = f"{customer.credentials.http_url}/2010-04-01/Accounts/{customer.credentials.account_sid}"
    answer = await customer.rest(lambda client: client.request("GET", f"{account}/{path}", params=query))
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text)
