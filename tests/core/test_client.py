"""The client's tables, event by event, and a client against a model of the server."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from midcall.core.client import (
    MEDIA_LOST,
    AcceptAsked,
    Answered,
    ApplyRemote,
    ApplyRestart,
    BeginRestarts,
    BytesFlow,
    BytesRanLow,
    CallEvent,
    CallState,
    Cancelled,
    DisconnectAsked,
    EmitAccept,
    EmitCancel,
    EmitDisconnect,
    EmitError,
    EmitReconnected,
    EmitReconnecting,
    EmitReject,
    EmitRinging,
    EmitWarning,
    EmitWarningCleared,
    EndRestarts,
    Fault,
    HungUp,
    IceChanged,
    IceState,
    IgnoreAsked,
    LocalAnswerMade,
    MediaBroke,
    OfferRestart,
    Rang,
    RejectAsked,
    RemoteApplied,
    RestartAgain,
    RestartDue,
    RestartOffered,
    RestartsSpent,
    SendAnswer,
    SendHangup,
    SendReinvite,
    SendReject,
    SendResume,
    SendWaitingMessages,
    SignallingBack,
    SignallingEnded,
    SignallingLost,
    StartAnswer,
    StopMedia,
)
from midcall.core.client_call import CallMachine
from midcall.core.client_messages import Outstanding, check_digits, check_message
from midcall.core.registration import Misused

SID = "CA" + "0" * 32


def outgoing(*events: CallEvent) -> CallMachine:
    return after(CallMachine.outgoing(), *events)


def incoming(*events: CallEvent) -> CallMachine:
    return after(CallMachine.incoming(SID, "token"), *events)


def after(call: CallMachine, *events: CallEvent) -> CallMachine:
    for event in events:
        call.handle(event)
    return call


def test_an_outgoing_call_opens_when_it_is_answered_and_the_description_is_applied():
    call = outgoing()
    assert call.handle(Rang(SID)) == [EmitRinging(False)]
    assert call.handle(Answered(SID, "sdp", "token")) == [ApplyRemote("sdp")]
    assert call.state is CallState.RINGING
    assert call.handle(RemoteApplied()) == [EmitAccept()]
    assert (call.state, call.call_sid, call.reconnect) == (CallState.OPEN, SID, "token")


def test_early_media_is_applied_once_and_the_answer_opens_the_call():
    call = outgoing()
    assert call.handle(Rang(SID, "early")) == [EmitRinging(True), ApplyRemote("early")]
    assert call.handle(Rang(SID, "early")) == [EmitRinging(True)]
    assert call.handle(RemoteApplied()) == []
    assert call.handle(Answered(SID, "ignored", "token")) == [EmitAccept()]


def test_an_answer_while_early_media_is_being_applied_waits_for_it():
    call = outgoing(Rang(SID, "early"))
    assert call.handle(Answered(SID, "other", "token")) == []
    assert call.handle(RemoteApplied()) == [EmitAccept()]


def test_an_incoming_call_is_open_when_our_answer_is_made():
    call = incoming()
    assert call.handle(AcceptAsked()) == [StartAnswer()]
    assert call.state is CallState.CONNECTING
    assert call.handle(LocalAnswerMade("sdp")) == [SendAnswer("sdp"), EmitAccept()]
    assert call.handle(Answered(SID, None, "newer")) == []
    assert (call.state, call.reconnect) == (CallState.OPEN, "newer")


def test_rejecting_ends_a_pending_call_and_only_that():
    assert incoming().handle(RejectAsked()) == [SendReject(), EmitReject()]
    assert outgoing().handle(RejectAsked()) == []
    assert incoming(AcceptAsked()).handle(RejectAsked()) == []


def test_an_ignored_call_says_nothing_until_the_server_takes_it_back():
    call = incoming()
    assert call.handle(IgnoreAsked()) == []
    assert call.state is CallState.CLOSED
    assert call.handle(Cancelled()) == [EmitCancel()]
    assert call.handle(Cancelled()) == []


def test_disconnecting_a_pending_call_does_nothing():
    call = incoming()
    assert call.handle(DisconnectAsked()) == []
    assert call.handle(HungUp()) == []
    assert call.state is CallState.PENDING


@pytest.mark.parametrize(
    "call",
    [
        outgoing(),
        outgoing(Rang(SID)),
        incoming(AcceptAsked()),
        incoming(AcceptAsked(), LocalAnswerMade("sdp")),
        incoming(AcceptAsked(), LocalAnswerMade("sdp"), SignallingLost()),
    ],
    ids=["connecting", "ringing", "accepting", "open", "reconnecting"],
)
def test_a_call_that_is_under_way_can_be_disconnected(call):
    assert call.handle(DisconnectAsked()) == [SendHangup(), StopMedia(), EmitDisconnect()]
    assert call.handle(HungUp()) == []


def test_a_hangup_with_an_error_shows_the_error_first():
    call = outgoing(Rang(SID))
    fault = Fault(31480, "Nobody can be reached")
    assert call.handle(HungUp(fault)) == [StopMedia(), EmitError(fault), EmitDisconnect()]


def test_a_cancelled_call_emits_cancel_and_no_disconnect():
    assert incoming(AcceptAsked(), LocalAnswerMade("sdp")).handle(Cancelled()) == [StopMedia(), EmitCancel()]


def test_broken_media_ends_the_call_with_the_reason():
    fault = Fault(53405, "lost")
    call = incoming(AcceptAsked(), LocalAnswerMade("sdp"))
    assert call.handle(MediaBroke(fault)) == [SendHangup("lost"), StopMedia(), EmitError(fault), EmitDisconnect()]


def test_a_call_resumes_with_its_token_and_sends_waiting_messages_before_it_says_so():
    call = incoming(AcceptAsked(), LocalAnswerMade("sdp"))
    assert call.handle(SignallingLost()) == [EmitReconnecting(Fault(53001))]
    assert call.handle(SignallingLost()) == [EmitReconnecting(Fault(53001))]
    assert call.handle(SignallingBack()) == [SendResume("token")]
    assert call.handle(Answered(SID, None, "next")) == [SendWaitingMessages(), EmitReconnected()]
    assert (call.state, call.reconnect) == (CallState.OPEN, "next")


def test_a_resume_that_is_refused_ends_the_call():
    call = incoming(AcceptAsked(), LocalAnswerMade("sdp"), SignallingLost(), SignallingBack())
    fault = Fault(31209)
    assert call.handle(HungUp(fault)) == [StopMedia(), EmitError(fault), EmitDisconnect()]


@pytest.mark.parametrize("loss", [SignallingLost(), SignallingEnded()])
def test_a_call_without_a_token_does_not_outlive_its_socket(loss):
    call = outgoing(Rang(SID))
    assert call.handle(loss) == [StopMedia(), EmitError(Fault(31005)), EmitDisconnect()]
    assert call.state is CallState.CLOSED


def test_an_open_call_ends_when_the_server_closes_the_stream_for_good():
    call = incoming(AcceptAsked(), LocalAnswerMade("sdp"))
    assert call.handle(SignallingEnded()) == [StopMedia(), EmitError(Fault(31005)), EmitDisconnect()]


def test_a_pending_call_is_withdrawn_when_the_socket_is_lost():
    call = incoming()
    assert call.handle(SignallingLost()) == [EmitCancel()]
    assert call.handle(AcceptAsked()) == []


def test_a_takeover_is_an_outgoing_call_with_a_sid():
    call = CallMachine.outgoing(SID, "token")
    assert call.handle(Answered(SID, "sdp", "next")) == [ApplyRemote("sdp")]
    assert call.handle(RemoteApplied()) == [EmitAccept()]


# ---------------------------------------------------------------------------------------------------------- lost media

BEGUN = [BeginRestarts(), EmitReconnecting(MEDIA_LOST)]
WARNED = EmitWarning("ice-connectivity-lost")
CLEARED = EmitWarningCleared("ice-connectivity-lost")


def opened(*events: CallEvent) -> CallMachine:
    return incoming(AcceptAsked(), LocalAnswerMade("sdp"), IceChanged(IceState.CONNECTED), *events)


def test_media_counts_as_lost_when_nobody_answers_and_nothing_comes_in_either_order():
    call = opened()
    assert call.handle(IceChanged(IceState.DISCONNECTED)) == [WARNED]
    assert call.state is CallState.OPEN
    assert call.handle(BytesRanLow()) == BEGUN
    assert call.state is CallState.RECONNECTING

    call = opened()
    assert call.handle(BytesRanLow()) == []
    assert call.handle(IceChanged(IceState.DISCONNECTED)) == [WARNED, *BEGUN]


def test_bytes_that_flow_again_and_a_way_that_answers_again_lose_nothing():
    call = opened(BytesRanLow(), BytesFlow())
    assert call.handle(IceChanged(IceState.DISCONNECTED)) == [WARNED]
    assert call.handle(IceChanged(IceState.CONNECTED)) == [CLEARED]
    assert call.handle(BytesRanLow()) == []


def test_a_way_that_failed_is_lost_whatever_flows():
    assert opened().handle(IceChanged(IceState.FAILED)) == BEGUN
    assert opened(IceChanged(IceState.DISCONNECTED)).handle(IceChanged(IceState.FAILED)) == BEGUN


def test_a_restart_is_offered_answered_and_found():
    call = opened(IceChanged(IceState.DISCONNECTED), BytesRanLow())
    assert call.handle(RestartDue()) == [OfferRestart()]
    assert call.handle(RestartOffered("offer")) == [SendReinvite("offer")]
    assert call.handle(Answered(SID, "answer", "next")) == [ApplyRestart("answer")]
    assert (call.state, call.media_lost) == (CallState.OPEN, True)
    assert call.handle(IceChanged(IceState.CONNECTED)) == [CLEARED, EndRestarts(), EmitReconnected()]
    assert call.state is CallState.OPEN
    assert call.handle(Answered(SID, "late", "next")) == []
    assert call.handle(RestartDue()) == []
    assert call.handle(RestartOffered("late")) == []


def test_restarts_that_fail_are_tried_again_until_the_time_is_spent():
    call = opened(IceChanged(IceState.FAILED), RestartDue(), RestartOffered("offer"))
    assert call.handle(IceChanged(IceState.FAILED)) == [RestartAgain()]
    assert call.handle(RestartsSpent()) == []
    assert call.handle(IceChanged(IceState.FAILED)) == [
        SendHangup(MEDIA_LOST.message),
        StopMedia(),
        EmitDisconnect(),
        EmitError(MEDIA_LOST),
    ]
    assert call.state is CallState.CLOSED


def test_the_time_is_counted_anew_for_the_next_loss():
    call = opened(IceChanged(IceState.FAILED), RestartsSpent(), IceChanged(IceState.CONNECTED))
    assert call.handle(RestartsSpent()) == []
    assert call.handle(IceChanged(IceState.FAILED)) == BEGUN
    assert call.handle(IceChanged(IceState.FAILED)) == [RestartAgain()]


def test_a_restart_without_a_socket_waits_for_the_resume_and_its_answer():
    call = opened(IceChanged(IceState.FAILED), SignallingLost(), RestartDue())
    assert call.handle(RestartOffered("offer")) == []
    assert call.handle(SignallingBack()) == [SendResume("token")]
    assert call.handle(Answered(SID, "answer", "next")) == [ApplyRestart("answer"), SendWaitingMessages()]
    assert call.state is CallState.OPEN
    assert call.handle(IceChanged(IceState.CONNECTED)) == [EndRestarts(), EmitReconnected()]


def test_media_that_is_found_first_waits_for_signalling():
    call = opened(IceChanged(IceState.FAILED), SignallingLost())
    assert call.handle(IceChanged(IceState.CONNECTED)) == [EndRestarts()]
    assert call.state is CallState.RECONNECTING
    assert call.handle(Answered(SID, None, "next")) == [SendWaitingMessages(), EmitReconnected()]


def test_early_media_may_be_lost_and_found_while_it_rings_and_meanwhile_the_call_may_be_answered():
    early = (Rang(SID, "early"), RemoteApplied())
    call = outgoing(*early)
    assert call.handle(IceChanged(IceState.FAILED)) == BEGUN
    assert call.handle(IceChanged(IceState.CONNECTED)) == [EndRestarts(), EmitReconnected()]
    assert call.state is CallState.RINGING

    call = outgoing(*early, IceChanged(IceState.FAILED))
    assert call.handle(Answered(SID, None, "token")) == [EmitAccept()]
    assert (call.state, call.media_lost) == (CallState.OPEN, True)


def test_media_that_has_failed_before_it_was_agreed_upon_counts_when_the_call_opens():
    call = outgoing(IceChanged(IceState.FAILED), Answered(SID, "sdp", "token"))
    assert call.handle(RemoteApplied()) == [EmitAccept(), *BEGUN]
    assert call.state is CallState.RECONNECTING
    call = incoming(AcceptAsked(), IceChanged(IceState.FAILED))
    assert call.handle(LocalAnswerMade("sdp")) == [SendAnswer("sdp"), EmitAccept(), *BEGUN]


# -------------------------------------------------------------------------------------- client against a model server


class ClientAgainstServer(RuleBasedStateMachine):
    """A client's outgoing call, a network that drops everything in flight, and a server that stores what it gets.

    The server promises what it acknowledges. Whatever the order of losses, resumes and verdicts: nothing is stored
    twice, the order of sending is the order of storing, and every message is judged or still outstanding.
    """

    def __init__(self) -> None:
        super().__init__()
        self.call = outgoing()
        self.outstanding = Outstanding()
        self.to_server: list[bytes] = []
        self.to_client: list[str] = []
        self.connected = True
        self.stored: list[bytes] = []
        self.sent: list[bytes] = []
        self.judged: set[str] = set()
        self.events: list[object] = []

    def feed(self, event: CallEvent) -> None:
        for effect in self.call.handle(event):
            match effect:
                case SendWaitingMessages():
                    self.to_server += self.outstanding.frames()
                case ApplyRemote():
                    self.feed(RemoteApplied())
                case _:
                    self.events.append(effect)

    @precondition(lambda self: self.call.state is CallState.CONNECTING)
    @rule()
    def ringing(self) -> None:
        self.feed(Rang(SID))

    @precondition(lambda self: self.call.state in (CallState.CONNECTING, CallState.RINGING) and self.connected)
    @rule()
    def answer(self) -> None:
        self.feed(Answered(SID, "sdp", "token"))

    @precondition(lambda self: self.call.call_sid is not None and self.call.state is not CallState.CLOSED)
    @rule()
    def send_message(self) -> None:
        frame = f"KX{len(self.sent)}".encode()
        self.sent.append(frame)
        self.outstanding.sent(frame.decode(), frame)
        if self.connected and not self.call.signalling_lost:
            self.to_server.append(frame)

    @precondition(lambda self: self.to_server)
    @rule()
    def server_reads(self) -> None:
        frame = self.to_server.pop(0)
        if frame not in self.stored:
            self.stored.append(frame)
        self.to_client.append(frame.decode())

    @precondition(lambda self: self.to_client)
    @rule()
    def client_reads_verdict(self) -> None:
        sid = self.to_client.pop(0)
        if self.outstanding.judged(sid):
            assert sid not in self.judged
            self.judged.add(sid)

    @precondition(lambda self: self.connected)
    @rule()
    def socket_is_lost(self) -> None:
        self.connected = False
        self.to_server.clear()
        self.to_client.clear()
        self.feed(SignallingLost())

    @precondition(lambda self: not self.connected)
    @rule()
    def socket_is_back(self) -> None:
        self.connected = True
        self.feed(SignallingBack())

    @precondition(lambda self: self.connected and self.call.signalling_lost and self.call.state is not CallState.CLOSED)
    @rule()
    def server_resumes(self) -> None:
        self.feed(Answered(SID, "restarted" if self.call.restarting else None, "token"))

    @precondition(lambda self: self.call.applied and self.call.state is not CallState.CLOSED)
    @rule(event=st.sampled_from([*map(IceChanged, IceState), BytesRanLow(), BytesFlow()]))
    def media_reports(self, event: CallEvent) -> None:
        self.feed(event)

    @precondition(lambda self: self.call.media_lost)
    @rule(event=st.sampled_from([RestartDue(), RestartOffered("restart"), RestartsSpent()]))
    def restart_goes_on(self, event: CallEvent) -> None:
        self.feed(event)

    @rule()
    def hangup(self) -> None:
        self.feed(HungUp())

    @invariant()
    def nothing_is_stored_out_of_order(self) -> None:
        assert self.stored == [frame for frame in self.sent if frame in self.stored]

    @invariant()
    def every_message_is_judged_or_outstanding(self) -> None:
        assert len(self.judged) + len(self.outstanding) == len(self.sent)

    @invariant()
    def accept_and_disconnect_come_once_at_most(self) -> None:
        assert sum(isinstance(event, EmitAccept) for event in self.events) <= 1
        assert sum(isinstance(event, EmitDisconnect) for event in self.events) == (self.call.state is CallState.CLOSED)

    @invariant()
    def reconnected_follows_reconnecting(self) -> None:
        kinds = [type(event) for event in self.events if isinstance(event, EmitReconnecting | EmitReconnected)]
        for before, kind in zip([EmitReconnected, *kinds], kinds, strict=False):
            assert kind is EmitReconnecting or before is EmitReconnecting

    @invariant()
    def it_says_that_it_reconnects_as_long_as_something_is_lost(self) -> None:
        kinds = [type(event) for event in self.events if isinstance(event, EmitReconnecting | EmitReconnected)]
        lost = self.call.signalling_lost or self.call.media_lost
        if self.call.state is not CallState.CLOSED:
            assert (kinds[-1:] == [EmitReconnecting]) == lost
            assert lost or self.call.state is not CallState.RECONNECTING

    @invariant()
    def what_begins_ends_before_it_begins_again(self) -> None:
        for first, last in ((BeginRestarts, EndRestarts), (EmitWarning, EmitWarningCleared)):
            kinds = [type(event) for event in self.events if isinstance(event, first | last)]
            assert kinds == ([first, last] * len(kinds))[: len(kinds)]

    @precondition(lambda self: self.connected and self.call.state is CallState.OPEN and not self.call.signalling_lost)
    @rule()
    def everything_arrives_when_the_network_behaves(self) -> None:
        while self.to_server:
            self.server_reads()
        while self.to_client:
            self.client_reads_verdict()
        assert self.stored == self.sent
        assert len(self.outstanding) == 0


TestClientAgainstServer = ClientAgainstServer.TestCase
TestClientAgainstServer.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)

EVENTS = st.sampled_from(
    [
        AcceptAsked(),
        RejectAsked(),
        IgnoreAsked(),
        DisconnectAsked(),
        LocalAnswerMade("sdp"),
        RemoteApplied(),
        MediaBroke(Fault(53405)),
        Rang(SID),
        Rang(SID, "sdp"),
        Answered(SID, "sdp", "token"),
        Answered(SID),
        HungUp(),
        HungUp(Fault(31005)),
        Cancelled(),
        SignallingLost(),
        SignallingEnded(),
        SignallingBack(),
        *map(IceChanged, IceState),
        BytesRanLow(),
        BytesFlow(),
        RestartDue(),
        RestartOffered("restart"),
        RestartsSpent(),
    ]
)
ENDINGS = (EmitCancel, EmitReject, EmitDisconnect)


@given(st.booleans(), st.lists(EVENTS, max_size=25))
def test_no_order_of_events_breaks_a_call_or_ends_it_twice(is_incoming, events):
    call = CallMachine.incoming(SID, None) if is_incoming else CallMachine.outgoing()
    effects = []
    for event in events:
        was_closed = call.state is CallState.CLOSED
        produced = call.handle(event)
        assert not was_closed or produced in ([], [EmitCancel()])
        effects += produced
    ends = sum(isinstance(effect, ENDINGS) for effect in effects)
    ignored_for_good = call.ignored
    assert ends == (call.state is CallState.CLOSED and not ignored_for_good)


# ---------------------------------------------------------------------------------------------------------- messages


def test_the_first_verdict_wins():
    outstanding = Outstanding()
    outstanding.sent("KX1", b"frame")
    assert outstanding.judged("KX1")
    assert not outstanding.judged("KX1")
    assert not outstanding.judged("KX2")


def test_giving_up_names_what_was_never_judged_in_order():
    outstanding = Outstanding()
    for sid in ("KX1", "KX2", "KX3"):
        outstanding.sent(sid, sid.encode())
    outstanding.judged("KX2")
    assert outstanding.frames() == [b"KX1", b"KX3"]
    assert outstanding.give_up() == ["KX1", "KX3"]
    assert len(outstanding) == 0


@pytest.mark.parametrize(
    ("content", "kind", "sid", "error"),
    [
        (None, None, None, ValueError),
        ("x", None, None, ValueError),
        ("x", "", None, ValueError),
        ("x", "user-defined-message", None, Misused),
    ],
)
def test_a_message_is_checked_in_the_order_of_the_browser_sdk(content, kind, sid, error):
    with pytest.raises(error):
        check_message(content, kind, sid)


def test_the_server_judges_types_and_falsy_content():
    check_message(0, "anything", SID)


@pytest.mark.parametrize("digits", ["A", "12 3", "1\n", "١"])
def test_digits_are_refused_when_they_are_none(digits):
    with pytest.raises(ValueError, match="digits"):
        check_digits(digits)


@pytest.mark.parametrize("digits", ["12w#*", ""])
def test_digits_may_pause_and_be_none(digits):
    check_digits(digits)
