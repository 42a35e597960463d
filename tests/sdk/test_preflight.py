"""Tests of the way to the server: with real media against a real one, and what goes wrong against a scripted one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from midcall.core.preflight import call_quality
from midcall.folder import Credentials, ServerInfo
from midcall.sdk import Device, InvalidArgumentError, InvalidStateError, VoiceError, preflight
from midcall.wire import signal
from support.served import World, living, serving

ECHO = "<Response><Echo/></Response>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerInfo, Credentials]]:
    with serving(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
async def world(served: tuple[ServerInfo, Credentials]) -> AsyncIterator[World]:
    async with living(served) as world:
        world.twiml = ECHO
        yield world


async def test_a_test_reports_how_good_the_way_is_when_the_server_hangs_up(world):
    token = world.device("alice").token
    test = Device.run_preflight(token, host=world.info.signaling_host, tls=world.tls, audio_source=preflight.Knocking)
    sampled = test.wait_for("sample", where=lambda sample: sample.mos is not None, timeout=20)
    await test.wait_for("connected", timeout=20)
    assert test.status == "connected"
    await sampled
    completed = test.wait_for("completed", timeout=20)
    await world.post(f"/Calls/{test.call_sid}.json", Status="completed")
    report = await test.result()
    assert await completed is report is test.report
    assert (test.status, report.call_sid, report.edge, report.selected_edge) == (
        "completed",
        test.call_sid,
        "ashburn",
        None,
    )
    moses = [sample.mos for sample in report.samples if sample.mos is not None]
    assert (report.stats.mos.min, report.stats.mos.max) == (min(moses), max(moses))
    assert report.stats.mos.average == pytest.approx(sum(moses) / len(moses), rel=1e-4)
    assert report.call_quality is call_quality(report.stats.mos.average)
    assert report.samples[-1] is test.latest_sample
    assert report.totals.packets_received > 0
    timing = report.network_timing
    for part in (report.test_timing, timing.signaling, timing.ice, timing.dtls, timing.peer_connection):
        assert part.duration >= 0
        assert test.start_time <= part.start <= part.end <= test.end_time
    way = report.selected_ice_candidate_pair_stats
    assert (way.remote_candidate.protocol, report.is_turn_required) == ("udp", False)
    assert way.remote_candidate.port > 0


async def test_without_a_microphone_it_hangs_up_by_itself(world, monkeypatch):
    monkeypatch.setattr(preflight, "FAKE_MIC_S", 1.5)
    token = world.device("alice").token
    async with Device.run_preflight(token, host=world.info.signaling_host, tls=world.tls, fake_mic_input=True) as test:
        assert (await test.result()).call_sid is not None


async def test_a_call_that_is_never_answered_fails_with_its_reason(world):
    world.twiml = "<Response><Reject/></Response>"
    token = world.device("alice").token
    test = Device.run_preflight(token, host=world.info.signaling_host, tls=world.tls)
    failed = test.wait_for("failed", timeout=20)
    with pytest.raises((VoiceError, InvalidStateError)) as raised:
        await test.result()
    assert await failed is raised.value
    assert (test.status, test.report) == ("failed", None)


async def test_a_test_that_is_stopped_fails(server):
    test = Device.run_preflight("token", url=server.url)
    await (await server.connection()).expect(signal.Listen)
    test.stop()
    test.stop()
    with pytest.raises(VoiceError) as raised:
        await test.result()
    assert raised.value.code == 31008
    assert (test.call_sid, test.latest_sample) == (None, None)


async def test_a_server_that_does_not_register_in_time_is_a_failure(server):
    test = Device.run_preflight("token", url=server.url, signaling_timeout_ms=50)
    with pytest.raises(VoiceError, match="not registered within") as raised:
        await test.result()
    assert raised.value.code == 53000


async def test_an_error_of_the_device_ends_the_test(unused_tcp_port):
    test = Device.run_preflight("token", url=f"ws://127.0.0.1:{unused_tcp_port}/signal")
    with pytest.raises(VoiceError) as raised:
        await test.result()
    assert raised.value.code == 31005


async def test_leaving_the_block_stops_the_test(server):
    async with Device.run_preflight("token", url=server.url) as test:
        pass
    assert test.status == "failed"
    own = {task for task in asyncio.all_tasks() if "preflight" in task.get_name()}
    await asyncio.gather(*own)


@pytest.mark.parametrize("options", [{"signaling_timeout_ms": 0}, {"edge": 5}, {"chunderw": "x"}])
async def test_unusable_options_are_refused(options):
    with pytest.raises(InvalidArgumentError):
        Device.run_preflight("token", **options)


def test_devices_say_what_they_are():
    assert Device.is_supported()
    assert (Device.package_name, Device.version.count(".")) == ("midcall", 2)
