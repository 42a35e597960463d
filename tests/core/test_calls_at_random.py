"""Whole calls under random events in any order: what must hold at any time, with and without a memory.

Each history runs in two worlds at once. In the second one every leg and room is encoded and decoded after every event;
nobody may notice. `support.world` checks the rest while effects pass by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from midcall.core import events
from midcall.core.calls import Status
from midcall.core.leg import Leg
from support.world import World

T = TypeVar("T")

BASE = "https://app.test/"
NUMBER = "+15550100"
BOB = "<Client>bob</Client>"
CAROL = "<Client>carol</Client>"
REPORTED = "statusCallback='/status' statusCallbackEvent='initiated ringing answered completed'"
DIALS = (
    f"<Response><Dial>{BOB}</Dial></Response>",
    f"<Response><Dial answerOnBridge='true' action='/after'>{BOB}{CAROL}</Dial></Response>",
    "<Response><Dial sequential='true' timeout='5' action='/after'><Client>nobody</Client>"
    f"{BOB}{CAROL}</Dial><Pause/></Response>",
    f"<Response><Dial timeout='3'><Client url='/whisper' {REPORTED}>bob</Client>"
    "<Client url='/whisper'>carol</Client></Dial><Hangup/></Response>",
    f"<Response><Dial callerId='+15550199' action='/after'><Number {REPORTED}>{NUMBER}</Number></Dial>"
    "<Pause/></Response>",
    f"<Response><Dial timeout='3'><Number url='/whisper'>{NUMBER}</Number>{BOB}"
    "<Number>+15550111</Number></Dial></Response>",
    f"<Response><Dial hangupOnStar='true' timeLimit='20'>{CAROL}</Dial><Redirect>/again</Redirect></Response>",
)
DOCUMENTS = (
    *DIALS,
    "",
    "<Response><Pause length='2'/><Dial/><Pause length='2'/></Response>",
    "<Response><Reject/></Response>",
    "<Response><Pause length='2'/><Echo/><Hangup/></Response>",
    "<Response><Pause/><Reject reason='busy'/><Redirect>mailto:x</Redirect></Response>",
    "<Response><Dial><Client url='mailto:x'>bob</Client></Dial></Response>",
    "<not TwiML",
    "<Response><Redirect>/again</Redirect></Response>",
)
NAMES = ("bob-phone", "bob-laptop", "carol-phone")

picks = st.integers(0, 1_000)
documents = st.sampled_from(DOCUMENTS)


class RandomCalls(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.plain = self._world(forgetful=False)
        self.forgetful = self._world(forgetful=True)
        self.seen = 0

    def _world(self, *, forgetful: bool) -> World:
        devices = {"bob": ["bob-phone", "bob-laptop"], "carol": ["carol-phone"]}
        return World(forgetful=forgetful, patient=True, devices=devices, numbers={NUMBER: BASE + "number"})

    def both(self, do: Callable[[World], object]) -> None:
        do(self.plain)
        do(self.forgetful)

    def to_leg(self, pick: int, event: events.LegEvent) -> None:
        legs = [owner for owner, machine in self.plain.machines.items() if isinstance(machine, Leg)]
        if legs:
            self.both(lambda world: world.tell(_pick(legs, pick), event))

    @property
    def ringing(self) -> list[str]:
        return [owner for owner, leg in self.plain.machines.items() if isinstance(leg, Leg) and leg.offered]

    # calls begin

    @rule(fallback=st.sampled_from(["", BASE + "fallback"]))
    def a_client_places_a_call(self, fallback: str) -> None:
        if len(self.plain.children) < 12:
            self.both(lambda world: world.place(BASE + "voice", custom=[("a", "b")], fallback=fallback))

    @rule(twiml=documents)
    def rest_creates_a_call(self, twiml: str) -> None:
        if len(self.plain.children) < 12:
            self.both(lambda world: world.create(twiml))

    # the switch gets around to it

    @rule(pick=picks)
    def mail_is_delivered(self, pick: int) -> None:
        if owners := self.plain.pending:
            self.both(lambda world: world.deliver(_pick(owners, pick)))

    @rule()
    def all_mail_is_delivered(self) -> None:
        while owners := self.plain.pending:
            self.both(lambda world: world.deliver(owners[0]))

    @rule(text=st.sampled_from(DIALS), seconds=st.sampled_from([0.0, 1.0, 4.0, 6.0]))
    def a_dial_gets_to_ring(self, text: str, seconds: float) -> None:
        """As calls go mostly: everything follows at once."""
        self.both(World.come_to_rest)
        if not self.plain.fetching:
            self.both(lambda world: world.place(BASE + "voice"))
            self.both(World.come_to_rest)
        self.both(lambda world: world.document(text))
        self.both(World.come_to_rest)
        self.both(lambda world: world.advance(seconds))

    @rule(pick=picks, empty=st.booleans())
    def a_child_gets_answered(self, pick: int, empty: bool) -> None:
        self.both(World.come_to_rest)
        if ringing := self.ringing:
            sid = _pick(ringing, pick)
            device = self.plain.leg(sid).offered[0]
            self.both(lambda world: world.tell(sid, events.Answered(device, "an answer", 30.0)))
            self.both(World.come_to_rest)
        if empty and self.plain.fetching:  # the whisper, mostly
            self.both(lambda world: world.document(""))
            self.both(World.come_to_rest)

    @rule(pick=picks)
    def the_engine_answers(self, pick: int) -> None:
        if count := len(self.plain.replies):
            self.both(lambda world: world.reply(pick % count))

    @rule(text=st.one_of(documents, st.just(11200)))
    def a_document_comes(self, text: str | int) -> None:
        if self.plain.fetching:
            self.both(lambda world: world.document(text))

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 31.0, 15_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.both(lambda world: world.advance(seconds))

    # clients

    @rule(pick=picks, device=st.sampled_from(NAMES))
    def a_device_answers(self, pick: int, device: str) -> None:
        if ringing := self.ringing:
            self.both(lambda world: world.tell(_pick(ringing, pick), events.Answered(device, "an answer", 30.0)))

    @rule(pick=picks, device=st.sampled_from(NAMES))
    def a_device_is_taken_over_from(self, pick: int, device: str) -> None:
        if ringing := self.ringing:
            self.both(lambda world: world.tell(_pick(ringing, pick), events.TakenOver(device, "an offer", 30.0)))

    @rule(pick=picks)
    def a_device_rejects(self, pick: int) -> None:
        if ringing := self.ringing:
            sid = _pick(ringing, pick)
            device = _pick(self.plain.leg(sid).offered, pick)
            self.both(lambda world: world.tell(sid, events.Rejected(device)))

    @rule(pick=picks)
    def a_client_hangs_up(self, pick: int) -> None:
        self.to_leg(pick, events.HungUp())

    @rule(
        pick=picks,
        event=st.sampled_from(
            [
                events.Reinvited("new ice"),
                events.WentAway(),
                events.CameBack(),
                events.CameBack("new ice"),
                events.DeviceJoined("bob-tablet"),
                events.DeviceLost("bob-phone"),
                events.MediaUp(),
                events.MediaDown(),
                events.MediaBroke("no port is free", peers_fault=False),
            ]
        ),
    )
    def something_happens_to_a_client(self, pick: int, event: events.LegEvent) -> None:
        self.to_leg(pick, event)

    @rule(pick=picks, digits=st.sampled_from(["1", "*", "9w9"]), in_band=st.booleans())
    def digits_are_pressed(self, pick: int, digits: str, in_band: bool) -> None:
        legs = [leg.sid for leg in self.plain.machines.values() if isinstance(leg, Leg)]
        if legs:
            sid = _pick(legs, pick)
            self.both(lambda world: world.tell(sid, events.Pressed(sid, digits, in_band)))

    # REST and the server

    @rule(pick=picks, only_unanswered=st.booleans())
    def rest_ends_a_call(self, pick: int, only_unanswered: bool) -> None:
        self.to_leg(pick, events.EndAsked(only_unanswered))

    @rule(pick=picks, twiml=st.one_of(st.none(), documents))
    def rest_redirects_a_call(self, pick: int, twiml: str | None) -> None:
        url = BASE + "redirected" if twiml is None else None
        self.to_leg(pick, events.RedirectAsked(url=url, method="POST", twiml=twiml))

    @rule(pick=picks, limit=st.one_of(st.none(), st.integers(1, 100)), url=st.sampled_from([None, "", BASE + "x"]))
    def rest_changes_settings(self, pick: int, limit: int | None, url: str | None) -> None:
        changed = events.SettingsChanged(
            fallback_url=url, status_callback=url, status_callback_method="GET", time_limit_s=limit
        )
        self.to_leg(pick, changed)

    @rule(pick=picks)
    def the_server_ends_a_call(self, pick: int) -> None:
        self.to_leg(pick, events.ServerStopped())

    # what must hold

    @invariant()
    def nobody_notices_that_machines_were_put_away(self) -> None:
        assert self.plain.log[self.seen :] == self.forgetful.log[self.seen :]
        self.seen = len(self.plain.log)
        assert self.plain.machines == self.forgetful.machines
        assert self.plain.alarms == self.forgetful.alarms

    def teardown(self) -> None:
        """When those that nobody dialed end, everything ends: children, rooms, timers."""
        for world in (self.plain, self.forgetful):
            world.come_to_rest()
            for owner, machine in list(world.machines.items()):
                if isinstance(machine, Leg) and machine.dialed_by is None:
                    world.tell(owner, events.HungUp())
            world.come_to_rest()
            assert not world.machines and not world.alarms and not world.joined
            for machine in world.over.values():
                if isinstance(machine, Leg):
                    _check_the_end(world, machine)
                else:
                    assert world.told[machine.id] == 1


def _check_the_end(world: World, leg: Leg) -> None:
    ends = [report for report in world.reports(leg.sid) if report[0] == "completed"]
    never_rung = leg.call.started_at is None
    if leg.reporting is not None and not (never_rung and leg.status is Status.CANCELED):
        assert len(ends) == 1 and world.reports(leg.sid)[-1] == ends[0]
    assert leg.call.ended_at is not None


def _pick(items: Sequence[T], index: int) -> T:
    return items[index % len(items)]


TestRandomCalls = RandomCalls.TestCase
TestRandomCalls.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
