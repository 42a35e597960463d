"""CPU of the media worker for bridged calls, forwarding between two legs with the same codec. Prints JSON.

    python benchmarks/media.py [--calls 1 5 10] [--seconds 5] [--codec opus|pcmu]

The clients are cheap (prepared frames, no codecs) and run in this process; only the worker's CPU is counted, in
percent of one core. `delivered` is the share of sent packets that arrived at the other leg.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import secrets
import time
from importlib.metadata import version
from pathlib import Path

from aioice import Candidate

from midcall.core.sids import CallSid
from midcall.media import EngineOptions, sounds
from midcall.media.codecs import FRAME_S, Codec
from midcall.media.description import read_answer
from midcall.media.hooks import PortRange
from midcall.media.peer import Identity, Peer
from midcall.media.workers import WorkerPool
from midcall.ports import AnswerReady, CloseMedia, Join, MediaEvent, Terminate
from midcall.wire import rtp
from midcall.wire.telephone_event import Event

LOOPBACK = ("127.0.0.1",)


class Phone:
    """A client that sends prepared frames and counts what comes back."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.peer = Peer(self, Identity(), addresses=LOOPBACK, ports=PortRange(0, 0))
        self.up = asyncio.Event()
        self.sent = 0
        self.heard = 0
        self.sid = CallSid("CA" + secrets.token_hex(16))

    def connected(self, peer: Peer) -> None:
        self.up.set()

    def lost(self, peer: Peer) -> None:
        pass

    def audio(self, peer: Peer, codec: Codec, packet: rtp.Packet) -> None:
        self.heard += 1

    def event(self, peer: Peer, packet: rtp.Packet, event: Event, rate: int, digit: str | None) -> None:
        pass

    async def accept(self, answer: str) -> None:
        assert self.peer._agent is not None
        for line in answer.split("\r\n"):
            if line.startswith("a=candidate:"):
                await self.peer._agent.add_remote_candidate(Candidate.from_sdp(line.removeprefix("a=candidate:")))
        self.peer.accept(read_answer(answer))
        await self.up.wait()

    def speak(self, payload: bytes, now: float) -> None:
        self.peer.send(self.codec, self.peer.line.step(rate=self.codec.clock_rate, now=now), payload)
        self.sent += 1


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20), 1)


async def speak(phones: list[Phone], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    codec = phones[0].codec
    frames = sounds.ringback(codec)[:90]
    start = loop.time()
    for number in range(round(seconds / FRAME_S)):
        now = time.monotonic()
        for phone in phones:
            phone.speak(frames[number % len(frames)], now)
        await asyncio.sleep(max(0.0, start + (number + 1) * FRAME_S - loop.time()))


async def measure(calls: int, seconds: float, codec: Codec) -> dict[str, object]:
    answers: dict[CallSid, asyncio.Future[str]] = {}

    def on_event(event: MediaEvent) -> None:
        if isinstance(event, AnswerReady):
            answers[event.leg].set_result(event.sdp)

    pool = WorkerPool(EngineOptions(addresses=LOOPBACK))
    await pool.start(on_event)
    phones = [Phone(codec) for _ in range(2 * calls)]
    for phone in phones:
        offer = await phone.peer.offer(codec)
        answers[phone.sid] = asyncio.get_running_loop().create_future()
        pool.do(Terminate(leg=phone.sid, offer=offer))
        await phone.accept(await answers[phone.sid])
    for caller, callee in zip(phones[::2], phones[1::2], strict=True):
        pool.do(Join(leg=caller.sid, other=callee.sid))
    await speak(phones, 1.0)  # past the silence that was on its way
    for phone in phones:
        phone.sent = phone.heard = 0
    (pid,) = pool.pids
    cpu, begun = cpu_seconds(pid), time.monotonic()
    await speak(phones, seconds)
    percent = 100 * (cpu_seconds(pid) - cpu) / (time.monotonic() - begun)
    await asyncio.sleep(0.2)
    result: dict[str, object] = {
        "calls": calls,
        "codec": codec.encoding,
        "cpu_percent": round(percent, 2),
        "cpu_percent_per_call": round(percent / calls, 2),
        "delivered": round(sum(phone.heard for phone in phones) / sum(phone.sent for phone in phones), 4),
        "resident_mib": resident_mib(pid),
    }
    for phone in phones:
        pool.do(CloseMedia(leg=phone.sid))
    await asyncio.gather(*(phone.peer.close() for phone in phones))
    await pool.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 5, 10])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--codec", choices=["opus", "pcmu"], default="opus")
    arguments = parser.parse_args()
    codec = Codec.OPUS if arguments.codec == "opus" else Codec.PCMU
    runs = [asyncio.run(measure(calls, arguments.seconds, codec)) for calls in arguments.calls]
    about = {"python": platform.python_version(), "aiortc": version("aiortc"), "cores": os.cpu_count()}
    print(json.dumps({"benchmark": "media", **about, "runs": runs}, indent=2))


if __name__ == "__main__":
    main()
