"""The browser SDK's own test of the way to the server, `Device.runPreflight`, against `<Echo/>`."""

from __future__ import annotations

from typing import Any

import pytest
from customers import Customer
from pairs import AUDIBLE, name

ECHO = "<Response><Echo/></Response>"
FINE_MOS = 4.2
"""Above it the SDK calls a connection excellent."""


async def report_of(phone: Any) -> dict[str, Any]:
    """What a preflight that completes says."""
    return (await phone.wait_for("preflight: completed", timeout=40)).data


async def test_a_caller_hears_itself(customer: Customer, open_phone) -> None:
    alice = await open_phone(name("alice"))
    customer.twiml[f"client:{alice.name}"] = ECHO
    await alice.start(customer.token(alice.name), customer.credentials.signaling_host)
    call = await alice.connect()
    await call.wait_for("accept")
    assert (await call.hear(1.5)).energy > AUDIBLE
    await call.mute()
    await call.hear(0.5)
    assert (await call.hear(1.0)).energy < AUDIBLE


async def test_a_preflight_completes_with_a_report_whichever_side_ends_it(customer: Customer, open_phone) -> None:
    """One lasts until the server hangs up, one for the 20 s of a test without a microphone."""
    spoken, played = await open_phone(name("spoken")), await open_phone(name("played"))
    host = customer.credentials.signaling_host
    for phone in (spoken, played):
        customer.twiml[f"client:{phone.name}"] = ECHO
    await played.preflight(customer.token(played.name), host, fakeMicInput=True, signalingTimeoutMs=10_000)
    await spoken.preflight(customer.token(spoken.name), host)
    await spoken.wait_for("preflight: connected")
    await spoken.wait_for("preflight: sample", count=5)
    (asked,) = await customer.asked("voice", From=f"client:{spoken.name}")
    await customer.rest(lambda client: client.calls(asked["CallSid"]).update(status="completed"))

    report = await report_of(spoken)
    assert report["callSid"] == asked["CallSid"]
    assert (report["selectedEdge"], report["edge"]) == ("roaming", "ashburn")
    assert len(report["samples"]) >= 5
    assert report["totals"]["packetsReceived"] > 100
    assert report["totals"]["packetsLost"] == 0
    assert all(value["duration"] >= 0 for value in report["networkTiming"].values()), report["networkTiming"]
    assert set(report["networkTiming"]) == {"signaling", "ice", "dtls", "peerConnection"}
    assert report["iceCandidateStats"]
    assert report["isTurnRequired"] is False
    # In this browser nobody else's host can be reached, and the SDK says so once.
    assert [warning["name"] for warning in report["warnings"]].count("insights-connection-error") == 1
    assert (await spoken.wait_for("preflight: warning")).data["name"] == "insights-connection-error"
    quality(report)

    report = await report_of(played)
    assert report["testTiming"]["duration"] >= 20_000
    assert len(report["samples"]) >= 15
    quality(report)


def quality(report: dict[str, Any]) -> None:
    """The SDK could work out how good the connection is, and it is."""
    stats = report["stats"]
    assert stats["mos"]["min"] > FINE_MOS, stats
    assert 0 < stats["rtt"]["average"] < 200, stats
    assert 0 <= stats["jitter"]["average"] < 30, stats
    assert report["callQuality"] == "excellent"


async def test_a_preflight_that_is_stopped_fails_and_ends_its_call(customer: Customer, open_phone) -> None:
    alice = await open_phone(name("alice"))
    customer.twiml[f"client:{alice.name}"] = ECHO
    await alice.preflight(customer.token(alice.name), customer.credentials.signaling_host)
    await alice.wait_for("preflight: connected")
    await alice.stop_preflight()
    assert (await alice.wait_for("preflight: failed")).data["code"] == 31008
    (asked,) = await customer.asked("voice", From=f"client:{alice.name}")
    assert await customer.status_becomes(asked["CallSid"], "completed")


@pytest.mark.parametrize(("token", "code"), [("invalid-token", 20101), (None, 20104)], ids=["no token", "expired"])
async def test_a_preflight_with_a_bad_token_fails_with_its_code(
    customer: Customer, open_phone, token: str | None, code: int
) -> None:
    alice = await open_phone(name("alice"))
    token = token or customer.token(alice.name, ttl=-1)
    await alice.preflight(token, customer.credentials.signaling_host)
    assert (await alice.wait_for("preflight: failed")).data["code"] == code
