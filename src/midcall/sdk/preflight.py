"""A test of the way to the server: registers, calls, measures, reports. The browser SDK's `PreflightTest` in Python.

The call has no parameters, so the token's application has to answer it by itself: `<Response><Echo/></Response>`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self

from midcall.core.preflight import CallQuality, Stats, call_quality, stats
from midcall.core.quality import Sample, Totals
from midcall.core.quality_warnings import WarningData
from midcall.sdk.audio import FRAME_S, TELEPHONE_RATE, AudioSource, Silence, Tone
from midcall.sdk.call import Call
from midcall.sdk.errors import InvalidArgumentError, InvalidStateError, VoiceError
from midcall.sdk.events import Emitter, Tasks
from midcall.sdk.options import RtcConfiguration

if TYPE_CHECKING:
    from aioice import Candidate

    from midcall.sdk.device import Device

FAKE_MIC_S: Final = 20.0
"""How long a test lasts that does not wait for the server to hang up."""
SETTLE_S: Final = 0.01
"""The report comes this long after the device's end, so that a late error is heard first."""
KNOCK_S: Final = 0.2


class PreflightStatus(StrEnum):
    """What a test can be; the values are those of the browser SDK's `PreflightTest.Status`."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(slots=True)
class Timing:
    """When something began and ended, in milliseconds since the epoch, and how long it took; None before its end."""

    start: float
    end: float | None = None

    @property
    def duration(self) -> float | None:
        """Milliseconds."""
        return self.end - self.start if self.end is not None else None


@dataclass(slots=True)
class NetworkTiming:
    """How long it took until there was a way: None for what did not begin.

    Attributes:
        signaling: from the placing of the call to its answer.
        ice: the search for a way.
        dtls: the exchange of keys on it.
        peer_connection: both.
    """

    signaling: Timing | None = None
    ice: Timing | None = None
    dtls: Timing | None = None
    peer_connection: Timing | None = None


@dataclass(frozen=True, slots=True)
class CandidateEnd:
    """One end of the way that media takes: `host`, `srflx`, `prflx` or `relay`, and its address."""

    candidate_type: str
    address: str
    port: int
    protocol: str

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """From what ICE found."""
        return cls(candidate.type, candidate.host, candidate.port, candidate.transport.lower())


@dataclass(frozen=True, slots=True)
class CandidatePair:
    """The way that media takes."""

    local_candidate: CandidateEnd
    remote_candidate: CandidateEnd

    @classmethod
    def of(cls, way: tuple[Candidate, Candidate] | None) -> Self | None:
        """From what ICE found, if it found anything."""
        return cls(CandidateEnd.of(way[0]), CandidateEnd.of(way[1])) if way is not None else None


@dataclass(frozen=True, slots=True)
class PreflightWarning:
    """A warning of the test call, as in `midcall.core.quality_warnings`."""

    name: str
    description: str
    rtc_warning: WarningData


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightReport:
    """What the test found.

    Attributes:
        call_sid: of the test call.
        edge: where the server was; `selected_edge` is the option.
        samples: all of them; `totals` are those of the last one.
        stats: figures from the first MOS on; None, as `call_quality`, when there was none.
        selected_ice_candidate_pair_stats: the way that media took.
        is_turn_required: whether it led through a relay.
    """

    call_sid: str | None
    edge: str | None
    selected_edge: str | tuple[str, ...] | None
    samples: tuple[Sample, ...]
    stats: Stats | None
    totals: Totals | None
    test_timing: Timing
    network_timing: NetworkTiming
    selected_ice_candidate_pair_stats: CandidatePair | None
    is_turn_required: bool | None
    warnings: tuple[PreflightWarning, ...]
    call_quality: CallQuality | None


class _MakeDevice(Protocol):
    def __call__(self, **options: Any) -> Device: ...


@dataclass(slots=True)
class _Found:
    samples: list[Sample] = field(default_factory=list)
    warnings: list[PreflightWarning] = field(default_factory=list)
    timing: NetworkTiming = field(default_factory=NetworkTiming)
    pair: CandidatePair | None = None
    call_sid: str | None = None
    edge: str | None = None


class PreflightTest(Emitter):
    """A running test. Made by `Device.run_preflight`.

    Events, with their arguments: connected(), sample(Sample), warning(PreflightWarning), completed(PreflightReport),
    failed(error).

        test = Device.run_preflight(token, host="…", ca_file="…", fake_mic_input=True)
        report = await test.result()
        print(report.call_quality, report.stats)
    """

    EVENTS: ClassVar[frozenset[str]] = frozenset({"connected", "sample", "warning", "completed", "failed"})

    def __init__(
        self,
        make_device: _MakeDevice,
        *,
        fake_mic_input: bool,
        signaling_timeout_ms: float,
        rtc_configuration: RtcConfiguration | None,
        audio_source: Callable[[], AudioSource] = Silence,
        now: Callable[[], datetime],
    ) -> None:
        """Starts the test, on the running loop."""
        super().__init__(Tasks())
        if not signaling_timeout_ms > 0:
            raise InvalidArgumentError("signaling_timeout_ms is a number of milliseconds above 0")
        self._now = now
        self._rtc_configuration = rtc_configuration
        self._fake_mic_input = fake_mic_input
        self._signaling_s = signaling_timeout_ms / 1000
        self._found = _Found()
        self._test = Timing(self._stamp())
        self._stopped = asyncio.Event()
        self._device = make_device(audio_source=Knocking if fake_mic_input else audio_source)
        self.status = PreflightStatus.CONNECTING
        self.report: PreflightReport | None = None
        self._verdict: asyncio.Future[PreflightReport] = asyncio.get_running_loop().create_future()
        self._tasks.spawn(self._carry_out(), "preflight test")

    @property
    def call_sid(self) -> str | None:
        """Of the test call, once it is up."""
        return self._found.call_sid

    @property
    def latest_sample(self) -> Sample | None:
        """The newest sample."""
        return self._found.samples[-1] if self._found.samples else None

    @property
    def start_time(self) -> float:
        """When the test began, in milliseconds since the epoch."""
        return self._test.start

    @property
    def end_time(self) -> float | None:
        """When it ended; None before that."""
        return self._test.end

    async def result(self) -> PreflightReport:
        """The report, when the test has completed.

        Raises:
            VoiceError: it failed; 31008 after `stop`, 53000 when the server did not register the device in time.
            SdkError: it failed in another way.
        """
        return await asyncio.shield(self._verdict)

    def stop(self) -> None:
        """End the test, which fails with 31008; does nothing when it is over."""
        self._stopped.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        await asyncio.wait([self._verdict])

    async def _carry_out(self) -> None:
        failures = self._device.wait_for("error")
        stopped = asyncio.ensure_future(self._stopped.wait())
        work = asyncio.ensure_future(self._measure())
        try:
            await asyncio.wait({failures, stopped, work}, return_when=asyncio.FIRST_COMPLETED)
            error: BaseException | None = None
            if failures.done():
                error = failures.result()
            elif stopped.done():
                error = VoiceError(31008, "the test was stopped")
            elif work.done():
                error = work.exception()
        finally:
            for task in (stopped, work):
                task.cancel()
            await asyncio.gather(stopped, work, return_exceptions=True)
            await self._device.destroy()
            failures.cancel()
        await asyncio.sleep(SETTLE_S)
        self._test.end = self._stamp()
        self._conclude(error)

    def _conclude(self, error: BaseException | None) -> None:
        if error is None:
            self.status, self.report = PreflightStatus.COMPLETED, self._report()
            self._verdict.set_result(self.report)
            self.emit("completed", self.report)
        else:
            self.status = PreflightStatus.FAILED
            self._verdict.set_exception(error)
            self._verdict.exception()  # seen: whoever does not ask for the result has the event
            self.emit("failed", error)

    async def _measure(self) -> None:
        """Register, call, and watch until the call is over.

        Raises:
            SdkError: something did not work.
        """
        try:
            async with asyncio.timeout(self._signaling_s):
                await self._device.register()
        except TimeoutError:
            raise VoiceError(53000, f"not registered within {self._signaling_s:g} s") from None
        call = await self._device.connect(rtc_configuration=self._rtc_configuration)
        self._found.edge = self._device.edge
        self._found.timing.signaling = Timing(self._stamp())
        over = call.wait_for("disconnect")
        reasons: list[VoiceError] = []
        call.on("error", reasons.append)
        call.once("accept", self._accepted)
        call.on("sample", lambda sample: self._sampled(call, sample))
        call.on("warning", self._warned)
        if call._media.peer is not None:
            call._media.peer.watch(self._connection_changed)
        try:
            async with asyncio.timeout(FAKE_MIC_S if self._fake_mic_input else None):
                await over
        except TimeoutError:
            self._device.disconnect_all()
        if self.status is PreflightStatus.CONNECTING:
            raise reasons[0] if reasons else InvalidStateError("the call ended before it was answered")

    # ---------------------------------------------------------------------------------------------- what the call tells

    def _accepted(self, call: Call) -> None:
        if self._found.timing.signaling is not None:
            self._found.timing.signaling.end = self._stamp()
        self._found.call_sid = call.parameters.get("CallSid")
        self.status = PreflightStatus.CONNECTED
        self.emit("connected")

    def _sampled(self, call: Call, sample: Sample) -> None:
        if self._found.pair is None and call._media.peer is not None:
            self._found.pair = CandidatePair.of(call._media.peer.way())
        self._found.samples.append(sample)
        self.emit("sample", sample)

    def _warned(self, name: str, data: WarningData) -> None:
        warning = PreflightWarning(name, "A warning of the call's media; see rtc_warning.", data)
        self._found.warnings.append(warning)
        self.emit("warning", warning)

    def _connection_changed(self, part: str, state: str) -> None:
        """Of `ice`, `dtls` or `peer_connection`; each is timed once."""
        timing: Timing | None = getattr(self._found.timing, part)
        if state in ("checking", "connecting") and timing is None:
            setattr(self._found.timing, part, Timing(self._stamp()))
        elif state in ("connected", "completed") and timing is not None and timing.end is None:
            timing.end = self._stamp()

    def _report(self) -> PreflightReport:
        found, edge = self._found, self._device.options.edge
        figures = stats(found.samples)
        ends = (found.pair.local_candidate, found.pair.remote_candidate) if found.pair is not None else None
        return PreflightReport(
            call_sid=found.call_sid,
            edge=found.edge,
            selected_edge=edge if edge is None or isinstance(edge, str) else tuple(edge),
            samples=tuple(found.samples),
            stats=figures,
            totals=found.samples[-1].totals if found.samples else None,
            test_timing=self._test,
            network_timing=found.timing,
            selected_ice_candidate_pair_stats=found.pair,
            is_turn_required=any(end.candidate_type == "relay" for end in ends) if ends is not None else None,
            warnings=tuple(found.warnings),
            call_quality=call_quality(figures.mos.average) if figures is not None else None,
        )

    def _stamp(self) -> float:
        return 1000 * self._now().timestamp()


class Knocking:
    """A tone that comes and goes, so that its level is never constant for long."""

    rate = TELEPHONE_RATE

    def __init__(self) -> None:
        self._tone, self._silence = Tone(660, level_dbfs=-12.0), Silence()
        self._read = 0

    async def read(self) -> bytes:
        """The next 20 ms."""
        loud = int(self._read * FRAME_S / KNOCK_S) % 2 == 0
        self._read += 1
        return await (self._tone if loud else self._silence).read()
