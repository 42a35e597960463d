"""Steps a leg through the verbs of its TwiML; its run is data.

Nothing sleeps inside a verb: a verb that takes time leaves a timer or a room behind, and the event that ends it comes
back here (promise C1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, assert_never
from urllib.parse import urljoin, urlsplit

from midcall.core import events, numbers, reading, twiml
from midcall.core.alerts import Level
from midcall.core.calls import Status
from midcall.core.effects import FetchTwiml, LegEffect, OpenDial, RaiseAlert, StartEcho, StopSound
from midcall.core.moves import Move, Shown, Timer
from midcall.core.redaction import redact
from midcall.core.run import Run, Script

if TYPE_CHECKING:
    from midcall.core.leg import Leg

MAX_DOCUMENTS: Final = 10_000
"""Documents one leg may run: more is a loop."""

MAX_URL_CHARS: Final = 2048
"""As much of an unusable address as an alert shows."""

NO_BASE: Final = "a relative address needs a document that was fetched, and an absolute one needs http or https"


_parse = lru_cache(maxsize=256)(reading.parse)


def start(leg: Leg, script: Script, now: float, *, whisper: bool = False) -> Iterator[LegEffect]:
    """Begin a script from its first verb, whatever ran before."""
    leg.run = Run(whisper=whisper)
    if script.twiml is not None:
        yield from _begin_document(leg, leg.run, "", script.twiml, now)
    else:
        yield _fetch(leg, leg.run, script.url, script.method)


def _fetch(
    leg: Leg,
    run: Run,
    url: str,
    method: str,
    *,
    extra: tuple[tuple[str, str], ...] = (),
    fallback: bool = False,
) -> FetchTwiml:
    """What the client gave to connect goes to a placed leg's first request, and to the fallback of that one."""
    first = leg.fetches == 0 or (fallback and leg.fetches == 1 and run.documents == 0)
    custom = tuple(leg.custom) if leg.is_placed and first else ()
    leg.fetches += 1
    run.fetch, run.asked, run.asked_with, run.on_fallback = leg.fetches, url, method, fallback
    return FetchTwiml(fetch=leg.fetches, url=url, method=method, call=leg.call, custom=custom, extra=extra)


def on_document(leg: Leg, event: events.OfTwiml, now: float) -> Iterator[LegEffect]:
    """A document came, or could not be had. Answers to requests that nobody waits for any more are dropped."""
    run = leg.run
    if run is None or run.fetch != event.fetch:
        return
    run.fetch, run.fetched = None, event.fetch
    if isinstance(event, events.TwimlFailed):
        run.asked = event.url
        yield from _unusable(leg, run, event.code, None, event.reason, now)
    else:
        yield from _begin_document(leg, run, event.url, event.text, now)


def _begin_document(leg: Leg, run: Run, url: str, text: str, now: float) -> Iterator[LegEffect]:
    try:
        document = _parse(text)
    except twiml.Unreadable as error:
        run.asked = url
        yield from _unusable(leg, run, error.code, error.line, error.reason, now)
        return
    for problem in document.problems:
        yield _alert(run, problem.code, Level.WARNING, problem.line, problem.reason, url)
    run.url, run.document, run.index = url, text, 0
    run.documents += 1
    if run.documents > MAX_DOCUMENTS:
        yield RaiseAlert(
            code=12400, level=Level.ERROR, reason=f"the leg ran {MAX_DOCUMENTS} documents; it is in a loop"
        )
        yield from leg.end(Move.BROKEN, now)
        return
    yield from _advance(leg, run, now)


def _unusable(leg: Leg, run: Run, code: int, line: int | None, reason: str, now: float) -> Iterator[LegEffect]:
    """No document: ask the fallback once, else the leg is over (docs/reference/twiml.md)."""
    yield _alert(run, code, Level.ERROR, line, reason, run.asked)
    script = leg.script
    if script is None or not script.fallback_url or run.on_fallback or run.whisper:
        yield from leg.end(Move.BROKEN, now)
        return
    extra = (("ErrorCode", str(code)), ("ErrorUrl", redact(run.asked)))
    yield _fetch(leg, run, script.fallback_url, script.fallback_method, extra=extra, fallback=True)


def _advance(leg: Leg, run: Run, now: float) -> Iterator[LegEffect]:
    """Run verbs until one of them takes time."""
    verbs = _parse(run.document).verbs
    while run.index < len(verbs):
        verb = verbs[run.index]
        match verb:
            case twiml.Hangup():
                yield from leg.end(Move.FINISHED, now)
                return
            case twiml.Pause():
                yield from _pause(leg, run, verb, now)
                return
            case twiml.Echo():
                yield from _echo(leg, run, now)
                return
            case twiml.Redirect():
                yield from _go_to(leg, run, verb.url, verb.method, verb.line, now)
                return
            case twiml.Dial():
                yield from _dial(leg, run, verb, now)
                return
            case twiml.Reject():
                if leg.status is Status.RINGING and run.silent_so_far and leg.is_placed:
                    yield from _reject(leg, verb, now)
                    return
                yield _warning(run, 12200, verb.line, "<Reject> counts only as the first verb of a placed call")
            case _:
                assert_never(verb)
        run.index += 1
    if run.whisper:
        yield from leg.be_bridged()
    else:
        yield from leg.end(Move.FINISHED, now)


def _warning(run: Run, code: int, line: int, reason: str) -> RaiseAlert:
    return _alert(run, code, Level.WARNING, line, reason, run.url)


def _alert(run: Run, code: int, level: Level, line: int | None, reason: str, url: str) -> RaiseAlert:
    """An alert about a document, and about the request that brought it, unless it came with the call itself."""
    method = None if run.fetched is None else run.asked_with
    return RaiseAlert(
        code=code, level=level, line=line, reason=reason, url=_named(url), method=method, fetch=run.fetched
    )


def _named(url: str) -> str | None:
    """An address for an alert: without secrets; None for TwiML that has no address."""
    return redact(url) or None


def _reject(leg: Leg, verb: twiml.Reject, now: float) -> Iterator[LegEffect]:
    if verb.reason == "busy":
        yield from leg.end(Move.BUSY, now, code=31486, message="Busy")
    else:
        yield from leg.end(Move.DECLINED, now, code=31603, message="Declined")


def _pause(leg: Leg, run: Run, verb: twiml.Pause, now: float) -> Iterator[LegEffect]:
    """A leading pause waits unanswered; a later one is silence, which the client has to hear."""
    yield from leg.show(Shown.RINGING if leg.status is Status.RINGING else Shown.ANSWERED)
    run.silent_so_far = False
    leg.timers[Timer.PAUSE] = now + verb.length_s


def on_pause_over(leg: Leg, now: float) -> Iterator[LegEffect]:
    """The pause is over: the next verb."""
    assert leg.run is not None
    leg.run.index += 1
    yield from _advance(leg, leg.run, now)


def _echo(leg: Leg, run: Run, now: float) -> Iterator[LegEffect]:
    """It has no end of its own: the client, REST or a time limit ends it."""
    yield from leg.pick_up(now)
    yield from leg.show(Shown.ANSWERED)
    run.silent_so_far = False
    run.echoing = True
    yield StartEcho()


def _go_to(leg: Leg, run: Run, url: str, method: str, line: int, now: float) -> Iterator[LegEffect]:
    target = _resolve(run, url)
    if target is None:
        yield from _unresolved(leg, run, url, line, now)
    else:
        yield _fetch(leg, run, target, method)


def _unresolved(leg: Leg, run: Run, url: str, line: int, now: float) -> Iterator[LegEffect]:
    run.asked = url[:MAX_URL_CHARS]
    yield from _unusable(leg, run, 15004, line, NO_BASE, now)


def _resolve(run: Run, url: str) -> str | None:
    """An address of a document, absolute (docs/reference/twiml.md); None when that cannot be had."""
    try:
        target = urljoin(run.url, url)
        parts = urlsplit(target)
    except ValueError:
        return None
    return target if parts.scheme in ("http", "https") and parts.hostname else None


# dialling


def _dial(leg: Leg, run: Run, verb: twiml.Dial, now: float) -> Iterator[LegEffect]:
    if run.whisper:
        run.asked = run.url
        yield from _unusable(leg, run, 13201, verb.line, "<Dial> cannot stand in the TwiML of a noun's url", now)
        return
    for noun in verb.nouns:
        if noun.url is not None and _resolve(run, noun.url) is None:
            yield from _unresolved(leg, run, noun.url, noun.line, now)
            return
        if noun.status_callback is not None and _resolve(run, noun.status_callback.url) is None:
            yield _warning(run, 15004, noun.line, f"{NO_BASE}; this leg's status is not reported")
    caller_id, problem = _caller_id(leg, verb)
    if problem is not None:
        yield _warning(run, 13214, verb.line, problem)
    if not (verb.answer_on_bridge and run.silent_so_far):
        yield from leg.pick_up(now)
        yield from leg.show(Shown.RINGING)
    run.silent_so_far = False
    leg.dials += 1
    leg.dialing = f"{leg.sid}/dial/{leg.dials}"
    yield OpenDial(
        room=leg.dialing,
        nouns=tuple(_absolute(run, noun) for noun in verb.nouns),
        caller_id=caller_id,
        timeout_s=verb.timeout_s,
        time_limit_s=verb.time_limit_s,
        hangup_on_star=verb.hangup_on_star,
        sequential=verb.sequential,
    )


def _caller_id(leg: Leg, verb: twiml.Dial) -> tuple[str, str | None]:
    """Who the dialled legs say is calling, and what is wrong with it. Clients are shown any text, phones are not."""
    if not any(isinstance(noun, twiml.Number) for noun in verb.nouns):
        return verb.caller_id or leg.call.from_, None
    caller, problem = leg.call.from_, None
    if verb.caller_id is not None:
        number = numbers.parse(verb.caller_id)
        if number is not None or verb.caller_id.startswith("client:"):
            caller = number or verb.caller_id
        else:
            problem = f"callerId={verb.caller_id[:64]!r} is no phone number in E.164 format; {caller!r} is used"
    if problem is None and not numbers.is_e164(caller):
        problem = f"{caller!r} calls a phone number here; a phone network wants callerId with a number of yours"
    return caller, problem


def _absolute(run: Run, noun: twiml.Noun) -> twiml.Noun:
    """The noun with addresses that stand by themselves; a status callback that cannot is left out."""
    callback = noun.status_callback
    if callback is not None:
        url = _resolve(run, callback.url)
        callback = replace(callback, url=url) if url is not None else None
    return replace(noun, status_callback=callback, url=_resolve(run, noun.url) if noun.url else None)


def on_dial(leg: Leg, event: events.OfDial, now: float) -> Iterator[LegEffect]:
    """News from the room of this leg's dial; from an older room they are dropped."""
    if event.room != leg.dialing:
        return
    match event:
        case events.DialRang():
            yield from leg.ring_back()
        case events.DialAnswered():
            yield from leg.pick_up(now)
            yield from leg.show(Shown.ANSWERED)
        case events.DialOver():
            leg.dialing = None
            yield StopSound()
            yield from _after_dial(leg, event, now)
        case _:
            assert_never(event)


def _after_dial(leg: Leg, event: events.DialOver, now: float) -> Iterator[LegEffect]:
    run, verb = _dialed(leg)
    if verb.action is None:
        run.index += 1
        yield from _advance(leg, run, now)
        return
    target = _resolve(run, verb.action)
    if target is None:
        yield from _unresolved(leg, run, verb.action, verb.line, now)
    else:
        yield _fetch(leg, run, target, verb.method, extra=_result(event))


def on_dial_over_after_the_end(leg: Leg, event: events.DialOver) -> Iterator[LegEffect]:
    """The parent is over: its action is still requested, and the answer ignored (docs/reference/twiml.md)."""
    leg.dialing = None
    run, verb = _dialed(leg)
    target = _resolve(run, verb.action) if verb.action is not None else None
    if target is not None:
        yield replace(_fetch(leg, run, target, verb.method, extra=_result(event)), discard=True)


def _dialed(leg: Leg) -> tuple[Run, twiml.Dial]:
    """The verb that opened the room which the leg is in, and the run that it stands in."""
    assert leg.run is not None
    verb = _parse(leg.run.document).verbs[leg.run.index]
    assert isinstance(verb, twiml.Dial)
    return leg.run, verb


def _result(event: events.DialOver) -> tuple[tuple[str, str], ...]:
    """What a Dial tells its action (docs/reference/twiml.md)."""
    pairs = [("DialCallStatus", str(event.status))]
    if event.child is not None:
        pairs.append(("DialCallSid", event.child))
    if event.duration_s is not None:
        pairs.append(("DialCallDuration", str(event.duration_s)))
    pairs.append(("DialBridged", "true" if event.bridged else "false"))
    return tuple(pairs)
