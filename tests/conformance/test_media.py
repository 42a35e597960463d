"""Sound, and how good it is."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from conformance.common import told, until_heard, until_quiet
from conformance.driver import Call, Kind
from conformance.reasons import NO_MEDIA
from conformance.rows import because, row
from conformance.stage import Stage

SOUND = "Sound"
OPUS_FIRST = ["opus", "pcmu"]


@because(NO_MEDIA)
async def nothing_to_hear(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, sound=True)
    facts = await talk.mine.facts()
    assert (facts.local, facts.remote, facts.codec) == (False, False, None)
    await talk.theirs.wait_for("sample")
    assert "audio" not in [event.name for event in await talk.mine.events()]


@row(SOUND, "both sides hear each other, in calls of both directions", none=nothing_to_hear)
async def test_both_hear_each_other(client: Kind, stage: Stage) -> None:
    for calling in (stage.placed, stage.called):
        talk = await calling(client, sound=True)
        await until_heard(talk.mine)
        await until_heard(talk.theirs)


@row(
    SOUND, "`getLocalStream`, `getRemoteStream`: streams from the moment that media is agreed on", none=nothing_to_hear
)
async def test_streams(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    before = await talk.mine.facts()
    assert (before.local, before.remote) == (False, False)
    await talk.mine.accept()
    await talk.mine.wait_for("accept")
    after = await talk.mine.facts()
    assert (after.local, after.remote) == (True, True)


@row(SOUND, "`audio` comes with early media, before `accept`", none=nothing_to_hear)
async def test_audio_while_ringing(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    await talk.mine.wait_for("audio")
    assert (await talk.mine.facts()).status == "ringing"


@row(SOUND, "while muted the other side hears nothing; afterwards it hears again", none=nothing_to_hear)
async def test_muting_is_heard(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, sound=True)
    await until_heard(talk.theirs)
    await talk.mine.mute()
    await until_quiet(talk.theirs)
    await talk.mine.mute(False)
    await until_heard(talk.theirs)
    await until_heard(talk.mine)


@row(SOUND, "`codec` is PCMU unless `codecPreferences` say opus; `sample` has the same name", none=nothing_to_hear)
async def test_codecs(client: Kind, stage: Stage) -> None:
    for options, codec in (({}, "PCMU"), ({"codec_preferences": OPUS_FIRST}, "opus")):
        talk = await stage.placed(client, sound=True, **options)
        assert (await talk.mine.wait_for("sample", count=2)).arg["codecName"] == codec
        assert (await talk.mine.facts()).codec == codec


@row(SOUND, "`dscp` and `maxAverageBitrate` are taken, and both sides hear each other", none=nothing_to_hear)
async def test_options_of_media(client: Kind, stage: Stage) -> None:
    options = {"dscp": False, "max_average_bitrate": 16_000, "codec_preferences": OPUS_FIRST}
    talk = await stage.placed(client, sound=True, **options)
    await until_heard(talk.mine)
    await until_heard(talk.theirs)


# ------ figures

QUALITY = "Quality"
COUNTS = ["bytesReceived", "bytesSent", "packetsLost", "packetsReceived", "packetsSent"]
SAMPLE = {
    *COUNTS,
    "audioInputLevel",
    "audioOutputLevel",
    "codecName",
    "jitter",
    "mos",
    "packetsLostFraction",
    "rtt",
    "timestamp",
    "totals",
}


@because(NO_MEDIA)
async def nothing_to_measure(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, sound=True)
    await talk.theirs.wait_for("sample", count=2)
    assert await talk.mine.volumes() == []
    told = {event.name for event in talk.me.kept}  # type: ignore[attr-defined]
    assert not told & {"sample", "warning", "warning-cleared"}


async def samples(call: Call, count: int) -> list[Any]:
    """The first ones."""
    return [(await call.wait_for("sample", count=n)).arg for n in range(1, count + 1)]


@row(
    QUALITY,
    "`sample` has exactly the documented keys, counts since the one before, and totals",
    none=nothing_to_measure,
)
async def test_samples(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, sound=True)
    seen = await samples(talk.mine, 4)
    for sample in seen:
        assert set(sample) == SAMPLE
        assert set(sample["totals"]) == {*COUNTS, "packetsLostFraction"}
        assert all(isinstance(sample[key], int) and sample[key] >= 0 for key in COUNTS), sample
        assert isinstance(sample["audioInputLevel"], int) and 0 <= sample["audioInputLevel"] <= 32767
        assert isinstance(sample["audioOutputLevel"], int) and 0 <= sample["audioOutputLevel"] <= 32767
        assert 0 <= sample["packetsLostFraction"] <= 100
    for before, after in itertools.pairwise(seen):
        for key in COUNTS:
            assert after["totals"][key] == before["totals"][key] + after[key], (key, before, after)
        assert after["timestamp"] > before["timestamp"] > 1.7e12
    assert seen[-1]["totals"]["packetsReceived"] > 50
    assert seen[-1]["totals"]["packetsSent"] > 50
    assert seen[-1]["packetsLost"] == 0


@row(
    QUALITY, "`mos`, `rtt` and `jitter`: no MOS in the first sample, a good one on a good line", none=nothing_to_measure
)
async def test_figures(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, sound=True)
    seen = await samples(talk.mine, 1)
    assert seen[0]["mos"] is None
    while seen[-1]["mos"] is None:
        assert len(seen) < 8, seen
        seen.append((await talk.mine.wait_for("sample", count=len(seen) + 1)).arg)
    assert 4.0 < seen[-1]["mos"] < 4.5, seen[-1]
    assert 0 <= seen[-1]["rtt"] < 200, seen[-1]
    assert 0 <= seen[-1]["jitter"] < 30, seen[-1]


@row(QUALITY, "levels and `volume` rise with what is said and heard", none=nothing_to_measure)
async def test_levels(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, sound=True)
    count = 1
    while True:
        sample = (await talk.mine.wait_for("sample", count=count)).arg
        volumes = await talk.mine.volumes()
        said, heard = (max((pair[side] for pair in volumes), default=0) for side in (0, 1))
        if min(sample["audioInputLevel"], sample["audioOutputLevel"]) > 0 and min(said, heard) > 0.05:
            break
        assert count < 8, (sample, volumes)
        count += 1
    assert len(volumes) > 10
    assert all(0 <= level <= 1 for pair in volumes for level in pair)


# ------ warnings

WARNINGS = "Warnings"
PATIENT_S = 40


@row(
    WARNINGS,
    "`constant-audio-input-level` for a microphone that hears nothing, with its deviation and threshold",
    none=nothing_to_measure,
)
async def test_a_silent_microphone(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, silent=True)
    _, data = (await told(talk.mine, "warning", "constant-audio-input-level", timeout=PATIENT_S)).args
    assert data["name"] == "audioInputLevel"
    assert data["threshold"] == {"name": "minStandardDeviation", "value": pytest.approx(327.67)}
    assert 0 <= data["value"] < 327.67


@row(WARNINGS, "no `constant-audio-input-level` while muted", none=nothing_to_measure)
async def test_a_muted_microphone(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, silent=True)
    await talk.mine.mute()
    await talk.mine.wait_for("sample", count=13, timeout=PATIENT_S)  # without mute it comes after ten
    told = [event.arg for event in await talk.mine.events() if event.name == "warning"]
    assert "constant-audio-input-level" not in told
