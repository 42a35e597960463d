"""People with real media: tones, levels and digits go through the server's engine as sound."""

from __future__ import annotations

import base64
import io
import math
import wave
from array import array
from collections.abc import Awaitable, Callable

import pytest

from midcall.testing.people.dtmf import BLOCK, COLUMNS, KEYS, RATE, ROWS, DtmfDecoder, digit_in
from support.control import Kit

StartKit = Callable[..., Awaitable[Kit]]


def sine(samples: int, *tones: tuple[float, float]) -> array[int]:
    """Frequencies with their amplitudes, together."""
    return array(
        "h",
        (
            round(sum(peak * math.sin(2 * math.pi * hertz * n / RATE) for hertz, peak in tones) * 32767)
            for n in range(samples)
        ),
    )


def wav(samples: array[int]) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples.tobytes())
    return base64.b64encode(file.getvalue()).decode()


async def test_tones_levels_and_files_are_heard(start_kit: StartKit) -> None:
    kit = await start_kit("aiortc", media_workers=0)
    assert (await kit.ask("GET", ""))["media"] == "real"
    for name in ("alice", "bob"):
        assert (await kit.person(name))["media"] == "real"
    placed, came = await kit.talk("alice", "bob")
    await kit.post(f"{came}/hears_nothing_for", {"for": "300ms"})

    await kit.post(f"{placed}/speak", {"tone_hz": 440, "for": "10s"})
    assert (await kit.post(f"{came}/expect_sound", {"tone_hz": 440}))["level_dbfs"] > -20
    await kit.post(f"{came}/expect_sound", {"tone_hz": 700, "timeout": "300ms"}, status=422)
    await kit.post(f"{came}/expect_sound", {"level_above_dbfs": -30})
    await kit.post(f"{came}/hears_nothing_for", {"for": "100ms"}, status=422)
    await kit.post(f"{placed}/says_nothing_for", {"for": "100ms"}, status=422)
    await kit.post(f"{placed}/mute", {"on": True})
    await kit.post(f"{placed}/says_nothing_for", {"for": "100ms"})
    await kit.post(f"{placed}/stop_speaking")
    await kit.post(f"{placed}/mute", {"on": False})
    await kit.post(f"{placed}/says_nothing_for", {"for": "100ms"})

    await kit.post(f"{placed}/speak", {"wav": wav(sine(RATE * 2, (600, 0.5))), "file": "six.wav"})
    await kit.post(f"{came}/expect_sound", {"tone_hz": 600})

    await kit.post(f"{placed}/speak", {"label": "hello"}, status=400)
    await kit.post(f"{came}/expect_sound", {"label": "hello"}, status=400)


async def test_digits_that_are_pressed_are_heard(start_kit: StartKit) -> None:
    kit = await start_kit("aiortc", media_workers=0)
    for name in ("alice", "bob"):
        await kit.person(name)
    placed, came = await kit.talk("alice", "bob")
    await kit.post(f"{placed}/send_digits", {"digits": "1590#"})
    await kit.post(f"{came}/expect_digits", {"digits": "1590#"})


async def test_a_phone_has_real_media_too(start_kit: StartKit) -> None:
    kit = await start_kit("aiortc", media_workers=0)
    await kit.person("alice")
    await kit.person("dan", number="+14155550123", on_call=[{"answer": {}}, {"speak": {"tone_hz": 500}}])
    placed = await kit.call("alice", "+14155550123")
    await kit.post(f"{placed}/expect", {"status": "open"})
    await kit.post(f"{placed}/expect_sound", {"tone_hz": 500})
    await kit.post(f"{placed}/send_digits", {"digits": "9"})
    await kit.post("/people/dan/calls/current/expect_digits", {"digits": "9"})


async def test_people_without_media_speak_labels_on_a_server_with_media(start_kit: StartKit) -> None:
    kit = await start_kit("aiortc", media_workers=0)
    for name in ("alice", "bob"):
        assert (await kit.person(name, media="none"))["media"] == "none"
    placed, came = await kit.talk("alice", "bob")
    await kit.post(f"{came}/speak", {"label": "hello"})
    await kit.post(f"{placed}/expect_sound", {"label": "hello"})
    await kit.post(f"{placed}/send_digits", {"digits": "12"})
    await kit.post(f"{came}/expect_digits", {"digits": "12"})
    await kit.post(f"{came}/hears_nothing_for", {"for": "20ms"})


async def test_dtmf_tones_are_decoded(start_kit: StartKit) -> None:
    kit = await start_kit("aiortc", media_workers=0)
    for name in ("alice", "bob"):
        await kit.person(name)
    placed, came = await kit.talk("alice", "bob")
    gap = array("h", bytes(RATE // 10 * 2))
    sound = array("h", gap)
    for digit in "42#":
        sound += pressed(digit, RATE // 10) + gap
    await kit.post(f"{placed}/speak", {"wav": wav(sound)})
    await kit.post(f"{came}/expect_digits", {"digits": "42#"})


def pressed(digit: str, samples: int) -> array[int]:
    row = next(number for number, keys in enumerate(KEYS) if digit in keys)
    return sine(samples, (ROWS[row], 0.3), (COLUMNS[KEYS[row].index(digit)], 0.3))


@pytest.mark.parametrize("digit", "".join(KEYS))
def test_each_digit_is_found_in_its_tones_and_told_once(digit: str) -> None:
    heard: list[str] = []
    decoder = DtmfDecoder(heard.append)
    for _ in range(2):
        decoder.write(pressed(digit, 5 * BLOCK + 37))
        decoder.write(array("h", bytes(8 * BLOCK)))
    assert heard == [digit, digit]


@pytest.mark.parametrize(
    "sound",
    [
        array("h", bytes(2 * BLOCK)),
        sine(BLOCK, (440, 0.5)),
        sine(BLOCK, (697, 0.5)),
        sine(BLOCK, (697, 0.5), (1209, 0.05)),
        sine(BLOCK, (697, 0.005), (1209, 0.005)),
        sine(BLOCK, (697, 0.2), (1209, 0.2), (1000, 0.4)),
    ],
)
def test_what_is_no_digit_is_none(sound: array[int]) -> None:
    assert digit_in(sound) is None
