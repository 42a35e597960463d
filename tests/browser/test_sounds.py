"""The sound host, and what its files hold: the names the SDK asks for, decodable, with the tones they should have."""

from __future__ import annotations

import importlib.util
import io
import math
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import av
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from midcall.browser import sounds

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_sounds.py"


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    app = web.Application()
    sounds.add_routes(app.router)
    async with TestClient(TestServer(app)) as client:
        yield client


async def fetched(client: TestClient, name: str) -> bytes:
    async with client.get(f"{sounds.BASE}/{name}.mp3", params={"cache": "2.18.5"}) as answer:
        assert answer.status == 200
        assert answer.content_type == "audio/mpeg"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        return await answer.read()


def decoded(mp3: bytes) -> tuple[list[float], int]:
    """Samples from -1 to 1, and how many make up a second."""
    samples = array("h")
    with av.open(io.BytesIO(mp3), format="mp3") as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
    return [sample / 32_768 for sample in samples], rate


def strength(samples: list[float], rate: int, hz: float) -> float:
    """How strong one frequency is (one bin of a Fourier transform)."""
    real = sum(sample * math.cos(2 * math.pi * hz * n / rate) for n, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(2 * math.pi * hz * n / rate) for n, sample in enumerate(samples))
    return math.hypot(real, imaginary) / len(samples)


async def test_all_files_that_the_sdk_asks_for_are_there_and_can_be_heard(client: TestClient) -> None:
    for name in sounds.NAMES:
        samples, _ = decoded(await fetched(client, name))
        assert max(samples) > 0.05, name


@pytest.mark.parametrize(("key", "row", "column"), [("1", 697, 1209), ("5", 770, 1336), ("hash", 941, 1477)])
async def test_digits_have_the_two_tones_of_their_key(client: TestClient, key: str, row: int, column: int) -> None:
    samples, rate = decoded(await fetched(client, f"dtmf-{key}"))
    others = {697, 770, 852, 941, 1209, 1336, 1477} - {row, column}
    loudest_other = max(strength(samples, rate, hz) for hz in others)
    assert min(strength(samples, rate, row), strength(samples, rate, column)) > 5 * loudest_other


async def test_the_preflight_sound_lasts_as_long_as_the_test_and_changes_its_level(client: TestClient) -> None:
    samples, rate = decoded(await fetched(client, "cowbell"))
    assert len(samples) > 20 * rate
    levels = [max(samples[at : at + rate // 10]) for at in range(0, len(samples), rate // 10)]
    assert min(levels) < 0.1 < 0.3 < max(levels)


async def test_an_unknown_sound_is_not_found_and_leads_nowhere_else(client: TestClient) -> None:
    for name in ("ringing", "..%2f..%2fauthority", "%2e%2e/sounds/incoming"):
        async with client.get(f"{sounds.BASE}/{name}.mp3") as answer:
            assert answer.status == 404


async def test_a_page_elsewhere_may_ask_with_a_range(client: TestClient) -> None:
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range",
        "Access-Control-Request-Private-Network": "true",
    }
    async with client.options(f"{sounds.BASE}/incoming.mp3", headers=asked) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Headers"] == "Range"
        assert answer.headers["Access-Control-Allow-Private-Network"] == "true"
    async with client.get(f"{sounds.BASE}/incoming.mp3", headers={"Range": "bytes=0-99"}) as answer:
        assert answer.status == 206
        assert len(await answer.read()) == 100


def test_the_files_are_what_the_script_makes() -> None:
    """Compared as sound: another release of the encoder may choose other bytes."""
    made = script().sounds()
    assert sorted(made) == sorted(sounds.NAMES)
    for name in ("dtmf-7", "outgoing", "incoming"):
        heard, rate = decoded((sounds.FOLDER / f"{name}.mp3").read_bytes())
        wanted, same_rate = decoded(script().mp3(made[name]))
        assert rate == same_rate
        assert len(heard) == len(wanted)
        assert max(abs(a - b) for a, b in zip(heard, wanted, strict=True)) < 0.01


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sounds", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
