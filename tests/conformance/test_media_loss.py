"""Media that is cut, in its two endings."""

from __future__ import annotations

import asyncio

import pytest

from conformance.common import told, until_heard
from conformance.driver import Kind
from conformance.rows import row
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
    assert not [event for event in await talk.mine.events() if event.name in ("error", "disconnect")]


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
