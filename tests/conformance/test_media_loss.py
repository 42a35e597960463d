"""Media that is cut, in its two endings."""

from __future__ import annotations

import asyncio

import pytest

from conformance.common import told, until_heard
from conformance.driver import Call, Kind
from conformance.rows import differs, row
from conformance.stage import Stage
from conformance.test_media import nothing_to_measure

LOST = "Media is lost"
PATIENT_S = 40
pytestmark = pytest.mark.timeout(150)  # ICE takes its time: seconds until a way counts as lost, fifteen until as failed


@row(
    LOST,
    "`low-bytes-received`, then `ice-connectivity-lost` and `reconnecting` with 53405; when the way is back, "
    "`reconnected`, the warnings are cleared, and both hear each other",
    none=nothing_to_measure,
)
async def test_media_comes_back(client: Kind, stage: Stage) -> None:
    cable = await stage.media_cable()
    talk = await stage.placed(client, sound=True, media=cable)
    await until_heard(talk.mine)
    await talk.mine.wait_for("sample", count=6)  # nothing is judged before
    cable.cut()
    low = await told(talk.mine, "warning", "low-bytes-received", timeout=PATIENT_S)
    data = low.args[1]
    assert (data["name"], data["threshold"]) == ("bytesReceived", {"name": "min", "value": 1})
    assert list(data["values"]) == [0, 0, 0]
    assert [sample["bytesReceived"] for sample in data["samples"]] == [0, 0, 0]
    await told(talk.mine, "warning", "ice-connectivity-lost", timeout=PATIENT_S)
    lost = await talk.mine.wait_for("reconnecting", timeout=PATIENT_S)
    assert (lost.arg["code"], lost.arg["name"], lost.status) == (53405, "ConnectionError", "reconnecting")
    cable.mend()
    await talk.mine.wait_for("reconnected", timeout=PATIENT_S)
    await told(talk.mine, "warning-cleared", "ice-connectivity-lost", timeout=PATIENT_S)
    await told(talk.mine, "warning-cleared", "low-bytes-received", timeout=PATIENT_S)
    await asyncio.gather(until_heard(talk.mine), until_heard(talk.theirs))
    assert (await talk.mine.facts()).status == "open"
    events = [event for event in await talk.mine.events() if event.name != "audio"]
    ours = [event for event in events if event.name.startswith("reconnect") or event.arg == "ice-connectivity-lost"]
    assert [event.name for event in ours] == ["warning", "reconnecting", "warning-cleared", "reconnected"]
    assert not [event for event in events if event.name in ("error", "disconnect")]


@row(
    LOST,
    "when it stays away longer than the restarts of ICE are tried: `disconnect`, `error` 53405; the other side is told",
    none=nothing_to_measure,
)
async def test_media_stays_away(client: Kind, stage: Stage) -> None:
    cable = await stage.media_cable()
    talk = await stage.placed(client, sound=True, media=cable)
    await until_heard(talk.mine)
    with stage.short_of_patience():
        cable.cut()
        await talk.mine.wait_for("reconnecting", timeout=PATIENT_S)
        await stage.lose_patience(talk.me)
        await talk.mine.wait_for("disconnect", timeout=PATIENT_S)
    assert (await talk.mine.wait_for("error")).arg["code"] == 53405
    assert (await talk.mine.facts()).status == "closed"
    await talk.theirs.wait_for("disconnect")


# ------ a line that is bad, not gone

WARNINGS = "Warnings of a bad line"


async def warning(call: Call, name: str) -> dict:
    """The data of a warning."""
    return (await told(call, "warning", name, timeout=PATIENT_S)).args[1]


@row(
    WARNINGS,
    "`high-packet-loss` and `high-packets-lost-fraction`, with threshold, values and samples, when packets are lost",
    none=nothing_to_measure,
)
async def test_a_lossy_line(client: Kind, stage: Stage) -> None:
    cable = await stage.media_cable()
    talk = await stage.placed(client, sound=True, media=cable)
    cable.loses = 4
    loss = await warning(talk.mine, "high-packet-loss")
    assert (loss["name"], loss["threshold"]) == ("packetsLostFraction", {"name": "max", "value": 1})
    assert sum(value > 1 for value in loss["values"]) >= 3
    assert list(loss["values"]) == [sample["packetsLostFraction"] for sample in loss["samples"]]
    mean = await warning(talk.mine, "high-packets-lost-fraction")
    assert (mean["name"], mean["threshold"]) == ("packetsLostFraction", {"name": "maxAverage", "value": 3})


@row(WARNINGS, "`high-rtt`, with the last values above 400 ms, when packets are slow", none=nothing_to_measure)
async def test_a_slow_line(client: Kind, stage: Stage) -> None:
    cable = await stage.media_cable()
    talk = await stage.placed(client, sound=True, media=cable)
    cable.delay_s = 0.3
    data = await warning(talk.mine, "high-rtt")
    assert (data["name"], data["threshold"]) == ("rtt", {"name": "max", "value": 400})
    assert sum(value > 400 for value in data["values"]) >= 3


async def a_short_cut(client: Kind, stage: Stage) -> tuple:
    """Arguments of `warning-cleared`, when media was away for so short a time that nothing else came of it."""
    cable = await stage.media_cable()
    talk = await stage.placed(client, sound=True, media=cable)
    await talk.mine.wait_for("sample", count=6)
    cable.cut()
    await warning(talk.mine, "low-bytes-received")
    cable.mend()
    cleared = await told(talk.mine, "warning-cleared", "low-bytes-received", timeout=PATIENT_S)
    assert (await talk.mine.facts()).status == "open"
    return cleared.args


@differs("a name", "`warning-cleared` of `midcall.sdk` has one argument; the browser SDK's second one is always null.")
async def cleared_by_name(client: Kind, stage: Stage) -> None:
    assert await a_short_cut(client, stage) == ("low-bytes-received",)


@row(
    WARNINGS,
    "`low-bytes-received` is cleared when bytes come again: `warning-cleared(name, null)`",
    media=cleared_by_name,
    none=nothing_to_measure,
)
async def test_a_short_cut(client: Kind, stage: Stage) -> None:
    assert await a_short_cut(client, stage) == ("low-bytes-received", None)
