"""Worker processes: what they are told, where legs live, and that they never outlive their parent."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall import ports
from midcall.core.sids import CallSid
from midcall.media import EngineOptions, frames, make_media
from midcall.media.workers import WorkerPool
from midcall.ports import (
    ApplyAnswer,
    CloseMedia,
    Join,
    MakeOffer,
    MediaFailed,
    OfferReady,
    SendDigits,
    Terminate,
)
from support.media_clients import Ledger

A, B, C = (CallSid("CA" + letter * 32) for letter in "abc")
LOOPBACK = EngineOptions(addresses=("127.0.0.1",))


def body(frame: frames.Frame) -> bytes:
    return frames.encode(frame)[4:]


@pytest.mark.parametrize(
    "frame",
    [
        Terminate(leg=A, offer="v=0\r\n"),
        MakeOffer(leg=A, like=B),
        MakeOffer(leg=A),
        MediaFailed(leg=A, reason="No.", peers_fault=True),
        frames.LogLine(logger="x", level=20, text="y"),
    ],
)
def test_a_frame_comes_out_as_it_went_in(frame: frames.Frame) -> None:
    assert frames.decode(body(frame)) == frame


def test_every_command_and_event_of_the_port_has_a_frame() -> None:
    kinds = {*ports.MediaCommand.__args__, *ports.MediaEvent.__args__}  # type: ignore[attr-defined]
    assert kinds <= set(frames._KINDS.values())


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\xff",
        msgspec.msgpack.encode(("Explode", {})),
        msgspec.msgpack.encode(("Terminate", {"leg": A})),
        msgspec.msgpack.encode(("Terminate", {"leg": A, "offer": 5})),
        msgspec.msgpack.encode(("Join", {"leg": 1, "other": None})),
    ],
)
def test_what_is_no_frame_is_refused(wrong: bytes) -> None:
    with pytest.raises(frames.BadFrame):
        frames.decode(wrong)


class Wire(asyncio.Transport):
    """Remembers that it was aborted."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True


@given(st.lists(st.integers(1, 40), max_size=30))
def test_frames_survive_any_cutting_of_the_stream(cuts: list[int]) -> None:
    said: list[frames.Frame] = []
    link = frames.FrameProtocol(said.append, lambda: None)
    sent: list[frames.Frame] = [SendDigits(leg=A, digits=str(n)) for n in range(5)]
    stream = b"".join(frames.encode(frame) for frame in sent)
    for cut in cuts:
        link.data_received(stream[:cut])
        stream = stream[cut:]
    link.data_received(stream)
    assert said == sent


@pytest.mark.parametrize("stream", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1"], ids=["too long", "no frame"])
def test_a_stream_that_makes_no_sense_ends_the_connection(stream: bytes) -> None:
    said: list[frames.Frame] = []
    link = frames.FrameProtocol(said.append, lambda: None)
    wire = Wire()
    link.connection_made(wire)
    link.data_received(stream)
    assert wire.aborted and not said


def test_the_control_process_imports_no_media_library() -> None:
    program = (
        "import sys, midcall.media\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('aiortc', 'aioice', 'av', 'pylibsrtp')]\n"
        "sys.exit(repr(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("engine", "options", "word"),
    [
        ("flute", {}, "engine"),
        ("aiortc", {"workers": -1}, "worker"),
        ("aiortc", {"ports": (5, 4)}, "ports"),
        ("aiortc", {"addresses": ("localhost",)}, "localhost"),
        ("silent", {"ports": (0, 70_000)}, "ports"),
    ],
)
def test_unusable_settings_are_named(engine: str, options: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make_media(engine, **options)  # type: ignore[arg-type]


async def test_legs_are_spread_and_a_leg_like_another_shares_its_worker() -> None:
    pool, ledger = WorkerPool(LOOPBACK, workers=2), Ledger()
    await pool.start(ledger.record)
    for command in (MakeOffer(leg=A), MakeOffer(leg=B), MakeOffer(leg=C, like=B)):
        pool.do(command)
        await ledger.take(OfferReady, command.leg)
    assert pool._homes[A] is not pool._homes[B]
    assert pool._homes[C] is pool._homes[B]
    pool.do(Join(leg=C, other=B))
    pool.do(Join(leg=A, other=B))
    failed = await ledger.take(MediaFailed, A)
    assert "different" in failed.reason and not failed.peers_fault
    for leg in (A, B, C):
        pool.do(CloseMedia(leg=leg))
    assert not pool._homes
    await pool.close()


async def test_commands_for_unknown_legs_are_ignored_or_fail() -> None:
    pool, ledger = WorkerPool(LOOPBACK), Ledger()
    await pool.start(ledger.record)
    pool.do(SendDigits(leg=A, digits="1"))
    pool.do(CloseMedia(leg=A))
    pool.do(ApplyAnswer(leg=A, answer="v=0\r\n"))
    await ledger.take(MediaFailed, A)
    assert not ledger.events
    await pool.close()


async def test_what_is_told_between_two_workers_reaches_the_next_one() -> None:
    pool, ledger = WorkerPool(LOOPBACK), Ledger()
    await pool.start(ledger.record)
    pool.do(MakeOffer(leg=A))
    await ledger.take(OfferReady, A)
    told = asyncio.Event()

    def tell(event: ports.MediaEvent) -> None:
        ledger.record(event)
        if isinstance(event, MediaFailed):
            pool.do(MakeOffer(leg=B))
            told.set()

    pool._emit = tell
    os.kill(pool.pids[0], signal.SIGKILL)
    await asyncio.wait_for(told.wait(), 20)
    await ledger.take(OfferReady, B)
    await pool.close()


PARENT = """
import asyncio, os, signal, sys
from midcall.media import EngineOptions
from midcall.media.workers import WorkerPool
from midcall.ports import MakeOffer

async def main():
    ready = asyncio.Event()
    pool = WorkerPool(EngineOptions(addresses=("127.0.0.1",)))
    await pool.start(lambda event: ready.set())
    pool.do(MakeOffer(leg="CA" + "a" * 32))
    await ready.wait()
    holder = os.fork()  # keeps the socket to the worker open, so that its end cannot be what tells the worker
    if holder == 0:
        signal.pause()
    print(pool.pids[0], holder, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_worker_ignores_signals_to_the_group_and_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, holder = map(int, parent.stdout.readline().split())
        watch = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
            assert select.select([watch], [], [], 0.3)[0] == [], "it ended by a signal meant for its parent"
            parent.kill()
            assert select.select([watch], [], [], 10)[0] == [watch], "it outlived its parent"
        finally:
            parent.kill()
            os.kill(holder, signal.SIGKILL)
            os.close(watch)
