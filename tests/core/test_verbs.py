"""TwiML runs: documents, fallbacks, redirects, pauses, rejections."""

from __future__ import annotations

import pytest

from midcall.core import events, verbs
from midcall.core.calls import Status
from midcall.core.effects import FetchTwiml, OpenDial, RaiseAlert, ShowAnswer, ShowHangup, StartEcho, StopEcho
from support.world import World

VOICE = "https://app.test/app/voice"
FALLBACK = "https://app.test/fallback"
PAUSED = "<Response><Pause length='60'/></Response>"


def placed(document: str | int, *, fallback: str = "", **web: str | int) -> tuple[World, str]:
    world = World(devices={"bob": ["bob-phone"]})
    world.web[VOICE] = document
    world.web |= {f"https://app.test/{name}": text for name, text in web.items()}
    return world, world.place(VOICE, custom=[("To", "bob"), ("From", "client:mallory")], fallback=fallback)


def in_progress(twiml: str = PAUSED) -> tuple[World, str]:
    world = World(devices={"bob": ["bob-phone"]})
    sid = world.create(twiml)
    world.tell(sid, events.Answered("bob-phone", "an answer", 30.0))
    return world, sid


def asked(world: World, sid: str) -> list[tuple[str, str]]:
    return [(request.method, request.url) for request in world.requests(sid)]


# ------ requests


def test_client_parameters_go_to_the_first_request_only() -> None:
    world, sid = placed("<Response><Redirect>next</Redirect></Response>")
    first, second = world.requests(sid)
    assert first.custom == (("To", "bob"), ("From", "client:mallory"))
    assert (second.custom, second.extra) == ((), ())


def test_client_parameters_go_to_the_fallback_of_the_first_request_too() -> None:
    world, sid = placed(11200, fallback=FALLBACK)
    _, fallback = world.requests(sid)
    assert fallback.custom == (("To", "bob"), ("From", "client:mallory"))


def test_client_parameters_do_not_go_to_later_fallbacks() -> None:
    world, sid = placed("<Response><Redirect>/next</Redirect></Response>", fallback=FALLBACK, next=11205)
    assert [bool(request.custom) for request in world.requests(sid)] == [True, False, False]


def test_rest_redirects_without_the_clients_parameters() -> None:
    world, sid = placed("<Response><Dial><Client>bob</Client></Dial></Response>")
    world.tell(sid, events.RedirectAsked(url="https://app.test/new", method="GET", twiml=None))
    request = world.requests(sid)[-1]
    assert (request.url, request.method, request.custom) == ("https://app.test/new", "GET", ())


def test_what_rings_has_no_client_parameters() -> None:
    world, sid = in_progress("<Response><Redirect>https://app.test/x</Redirect></Response>")
    assert world.requests(sid)[0].custom == ()


def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    world, sid = in_progress("<Response><Redirect>https://app.test/slow</Redirect></Response>")
    world.tell(sid, events.RedirectAsked(url=None, method="POST", twiml=PAUSED))
    world.document("<Response><Hangup/></Response>")
    assert world.leg(sid).status is Status.IN_PROGRESS
    world.tell(sid, events.TwimlFailed(99, "https://app.test/x", 11200, "late"))
    assert world.alerts(sid) == []


# ------ what cannot be run


@pytest.mark.parametrize(
    ("text", "code", "line"), [(11205, 11205, None), ("<Response>\n<", 12100, 2), ("<X/>", 12102, 1)]
)
def test_an_unusable_document_ends_an_unanswered_call_as_failed(text: str | int, code: int, line: int | None) -> None:
    world, sid = placed(text)
    assert world.leg(sid).status is Status.FAILED
    assert world.alerts(sid) == [(code, "error", line)]
    assert world.shown(sid) == [ShowHangup()]


def test_an_unusable_document_completes_a_call_that_was_answered() -> None:
    world, sid = in_progress("<Response><Redirect>https://app.test/x</Redirect></Response>")
    world.document(11200)
    assert world.leg(sid).status is Status.COMPLETED
    assert world.reports(sid)[-1][3] == 200


def test_the_fallback_is_told_what_went_wrong() -> None:
    world, sid = placed("<Response>", fallback=FALLBACK)
    fallback = world.requests(sid)[1]
    assert (fallback.url, fallback.method, fallback.call.status) == (FALLBACK, "POST", Status.RINGING)
    assert fallback.extra == (("ErrorCode", "12100"), ("ErrorUrl", VOICE))


def test_the_fallback_runs_like_any_document() -> None:
    world, sid = placed(11200, fallback=FALLBACK)
    world.document("<Response><Redirect>relative</Redirect></Response>")
    assert asked(world, sid)[-1] == ("POST", "https://app.test/relative")
    world.document(11200)
    assert asked(world, sid)[-1] == ("POST", FALLBACK)


def test_a_fallback_that_fails_too_is_not_asked_again() -> None:
    world, sid = placed(11200, fallback=FALLBACK)
    world.document(11210)
    assert world.leg(sid).status is Status.FAILED
    assert [code for code, *_ in world.alerts(sid)] == [11200, 11210]
    assert len(world.requests(sid)) == 2


def test_rest_gives_a_running_call_a_fallback() -> None:
    world, sid = in_progress("<Response><Redirect>https://app.test/x</Redirect></Response>")
    world.tell(sid, events.SettingsChanged(fallback_url=FALLBACK, fallback_method="GET"))
    world.document(11200)
    assert asked(world, sid)[-1] == ("GET", FALLBACK)


def test_rest_takes_a_fallback_away() -> None:
    world, sid = placed("<Response><Redirect>/slow</Redirect></Response>", fallback=FALLBACK)
    world.tell(sid, events.SettingsChanged(fallback_method="GET"))
    world.tell(sid, events.SettingsChanged(fallback_url=""))
    world.document(11200)
    assert world.leg(sid).status is Status.FAILED


def test_the_fallback_outlives_a_redirect_by_rest() -> None:
    world, sid = placed("<Response><Dial><Client>bob</Client></Dial></Response>", fallback=FALLBACK)
    world.tell(sid, events.RedirectAsked(url="https://app.test/new", method="POST", twiml=None))
    world.document(11200)
    assert asked(world, sid)[-1] == ("POST", FALLBACK)


def test_a_child_that_is_given_a_fallback_uses_it_after_its_redirect_and_is_still_bridged() -> None:
    world, alice = placed("<Response><Dial><Client>bob</Client></Dial></Response>")
    (bob,) = world.children
    world.tell(bob, events.SettingsChanged(fallback_url=FALLBACK))
    world.tell(bob, events.Answered("bob-phone", "an answer", 30.0))
    assert world.joined == {(alice, bob)}
    world.tell(bob, events.RedirectAsked(url="https://app.test/new", method="POST", twiml=None))
    world.document(11200)
    assert asked(world, bob)[-1] == ("POST", FALLBACK)


def test_a_leg_that_runs_documents_in_a_circle_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "MAX_DOCUMENTS", 3)
    world, sid = placed("<Response><Redirect/></Response>")
    assert len(world.requests(sid)) == 4
    assert world.alerts(sid) == [(12400, "error", None)]
    assert world.leg(sid).status is Status.FAILED


# ------ addresses


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("next", "https://app.test/app/next"),
        ("/next?a=1", "https://app.test/next?a=1"),
        ("?a=1", "https://app.test/app/voice?a=1"),
        ("", VOICE),
        ("//other.test/x", "https://other.test/x"),
        (" http://user:pw@other.test/x#rc=2 ", "http://user:pw@other.test/x#rc=2"),
    ],
)
def test_addresses_refer_to_the_document_they_stand_in(written: str, meant: str) -> None:
    world = World()
    sid = world.place(VOICE)
    world.document(f"<Response><Redirect method='GET'>{written}</Redirect></Response>")
    assert asked(world, sid)[1:] == [("GET", meant)]


def test_addresses_refer_to_where_the_document_was_found() -> None:
    world = World()
    sid = world.place(VOICE)
    world.document("<Response><Redirect>next</Redirect></Response>", url="https://moved.test/there/voice")
    assert asked(world, sid)[1:] == [("POST", "https://moved.test/there/next")]


@pytest.mark.parametrize(
    "written", ["mailto:bob@app.test", "javascript:x", "http://[", "http://", "file:///etc/passwd"]
)
def test_an_address_that_is_not_of_the_web_is_an_error(written: str) -> None:
    world, sid = placed(f"<Response>\n<Redirect>{written}</Redirect></Response>")
    assert world.alerts(sid) == [(15004, "error", 2)]
    assert world.leg(sid).status is Status.FAILED


@pytest.mark.parametrize(
    "inner",
    [
        "<Redirect>next</Redirect>",
        "<Dial action='after'/>",
        "<Dial action=''/>",
        "<Dial><Client url='whisper'>bob</Client></Dial>",
    ],
)
def test_twiml_given_by_rest_needs_absolute_addresses(inner: str) -> None:
    world, sid = in_progress(f"<Response>{inner}</Response>")
    assert world.alerts(sid) == [(15004, "error", 1)]
    assert world.leg(sid).status is Status.COMPLETED
    assert world.requests(sid) == []


def test_a_status_callback_without_an_address_is_a_warning_and_the_client_rings() -> None:
    world, sid = in_progress("<Response><Dial><Client statusCallback='s'>bob</Client></Dial></Response>")
    assert world.alerts(sid) == [(15004, "warning", 1)]
    (opened,) = world.of(sid, OpenDial)
    assert isinstance(opened, OpenDial) and opened.nouns[0].status_callback is None


@pytest.mark.parametrize(
    ("attribute", "nouns", "shown", "codes"),
    [
        ("callerId='+1 555 0199'", "<Number>+15550100</Number>", "+15550199", []),
        ("callerId='client:x'", "<Number>+15550100</Number>", "client:x", [13214]),
        ("callerId='shop'", "<Number>+15550100</Number>", "client:alice", [13214]),
        ("", "<Number>+15550100</Number>", "client:alice", [13214]),
        ("callerId='shop'", "<Client>bob</Client>", "shop", []),
        ("", "<Client>bob</Client>", "client:alice", []),
    ],
)
def test_a_phone_is_shown_a_number_or_a_client_and_a_client_anything(
    attribute: str, nouns: str, shown: str, codes: list[int]
) -> None:
    world, sid = placed(f"<Response><Dial {attribute}>{nouns}</Dial></Response>")
    (opened,) = world.of(sid, OpenDial)
    assert isinstance(opened, OpenDial) and opened.caller_id == shown
    assert [code for code, _, _ in world.alerts(sid)] == codes


def test_addresses_of_a_client_become_absolute() -> None:
    client = "<Client url='whisper' statusCallback='/status'>bob</Client>"
    world, sid = placed(f"<Response><Dial>{client}</Dial></Response>")
    (opened,) = world.of(sid, OpenDial)
    assert isinstance(opened, OpenDial)
    (bob,) = opened.nouns
    assert bob.status_callback is not None
    assert (bob.url, bob.status_callback.url) == ("https://app.test/app/whisper", "https://app.test/status")


def test_an_action_without_an_address_is_not_asked_after_the_end() -> None:
    world, sid = in_progress("<Response><Dial action='after'><Client>bob</Client></Dial></Response>")
    world.tell(sid, events.HungUp())
    assert world.requests(sid) == [] and world.leg(sid).done


def test_a_dial_without_an_action_asks_nothing_after_the_end() -> None:
    world, sid = placed("<Response><Dial><Client>bob</Client></Dial></Response>")
    world.tell(sid, events.HungUp())
    assert len(world.requests(sid)) == 1 and world.leg(sid).done


# ------ verbs


@pytest.mark.parametrize(
    ("reason", "status", "code"), [("", Status.NO_ANSWER, 31603), ("reason='busy'", Status.BUSY, 31486)]
)
def test_a_rejected_call_was_never_answered(reason: str, status: Status, code: int) -> None:
    world, sid = placed(f"<Response><Reject {reason}/></Response>")
    assert world.leg(sid).status is status
    assert world.leg(sid).call.answered_at is None
    (shown,) = world.shown(sid)
    assert isinstance(shown, ShowHangup) and shown.code == code


@pytest.mark.parametrize(("reason", "sip"), [("", 603), ("reason='busy'", 486)])
def test_a_rejected_call_reports_why(reason: str, sip: int) -> None:
    world = World()
    sid = world.place()
    world.tell(sid, events.SettingsChanged(status_callback="https://app.test/status"))
    world.document(f"<Response><Reject {reason}/></Response>")
    assert world.reports(sid)[0][3] == sip


def test_a_redirect_before_it_does_not_hinder_a_reject() -> None:
    world, sid = placed("<Response><Redirect>/next</Redirect></Response>", next="<Response><Reject/></Response>")
    assert world.leg(sid).status is Status.NO_ANSWER


@pytest.mark.parametrize("before", ["<Pause length='0'/>", "<Dial/>"])
def test_a_reject_after_another_verb_is_skipped_with_a_warning(before: str) -> None:
    world, sid = placed(f"<Response>{before}\n<Reject/><Pause/></Response>")
    world.advance(0)
    assert world.alerts(sid) == [(12200, "warning", 2)]
    assert not world.leg(sid).status.is_final


def test_a_call_made_by_rest_cannot_reject_itself() -> None:
    world, sid = in_progress("<Response><Reject/><Pause/></Response>")
    assert world.alerts(sid) == [(12200, "warning", 1)]
    assert world.leg(sid).status is Status.IN_PROGRESS


def test_nothing_runs_after_a_hangup_or_a_redirect() -> None:
    world, sid = placed("<Response><Hangup/><Redirect>/x</Redirect></Response>")
    assert len(world.requests(sid)) == 1
    world, sid = placed("<Response><Redirect>/x</Redirect><Hangup/></Response>")
    assert world.leg(sid).status is Status.RINGING


def test_a_redirect_by_rest_ends_a_pause() -> None:
    world, sid = in_progress("<Response><Pause length='10'/><Hangup/></Response>")
    world.tell(sid, events.RedirectAsked(url=None, method="POST", twiml=PAUSED))
    world.advance(10)
    assert world.leg(sid).status is Status.IN_PROGRESS
    world.advance(50)
    assert world.leg(sid).status is Status.COMPLETED


def test_a_pause_of_the_old_document_does_not_end_in_the_new_one() -> None:
    world, sid = in_progress("<Response><Pause length='10'/><Hangup/></Response>")
    world.tell(sid, events.RedirectAsked(url="https://app.test/slow", method="POST", twiml=None))
    world.advance(10)
    assert world.leg(sid).status is Status.IN_PROGRESS
    world.document("<Response><Pause length='10'/><Hangup/></Response>")
    world.advance(9)
    assert world.leg(sid).status is Status.IN_PROGRESS


def test_news_of_an_older_dial_is_dropped() -> None:
    world, sid = placed("<Response><Dial><Client>bob</Client></Dial></Response>")
    leg = world.leg(sid)
    assert leg.handle(events.DialRang("another room"), now=world.now) == []
    assert leg.dialing == f"{sid}/dial/1"


def test_a_document_that_dials_twice_opens_two_rooms() -> None:
    world, sid = placed("<Response><Dial/><Dial/><Pause/></Response>")
    rooms = [effect.room for effect in world.of(sid, OpenDial) if isinstance(effect, OpenDial)]
    assert rooms == [f"{sid}/dial/1", f"{sid}/dial/2"]


def test_alerts_carry_the_address_of_their_document() -> None:
    world, sid = placed("<Response><Nonsense/><Pause/></Response>")
    (alert,) = world.of(sid, RaiseAlert)
    assert isinstance(alert, RaiseAlert) and alert.url == VOICE


@pytest.mark.parametrize("document", ["<Response><Nonsense/><Pause/></Response>", "<Response>"])
def test_neither_alerts_nor_fallbacks_tell_the_password_of_an_address(document: str) -> None:
    world = World()
    sid = world.place("https://app:secret@app.test/voice", fallback=FALLBACK)
    world.document(document)
    assert world.requests(sid)[0].url == "https://app:secret@app.test/voice"
    assert world.alerts(sid)
    assert "secret" not in repr(world.of(sid, RaiseAlert)) + repr(world.requests(sid)[1:])


def test_the_action_after_the_end_says_that_nobody_waits_for_it() -> None:
    world, sid = placed("<Response><Dial action='/after'><Client>bob</Client></Dial></Response>")
    world.tell(sid, events.HungUp())
    request = world.of(sid, FetchTwiml)[-1]
    assert isinstance(request, FetchTwiml)
    assert (request.discard, request.custom, request.call.status) == (True, (), Status.COMPLETED)


# ------ echo


def test_an_echo_answers_the_call_and_lasts() -> None:
    world, sid = placed("<Response><Echo/><Redirect>/never</Redirect></Response>")
    assert world.statuses(sid) == ["in-progress"]
    assert [type(effect) for effect in world.shown(sid)] == [ShowAnswer]
    assert world.of(sid, StartEcho, StopEcho) == [StartEcho()]
    world.advance(3600)
    assert world.leg(sid).status is Status.IN_PROGRESS
    assert len(world.requests(sid)) == 1


def test_the_client_ends_its_echo() -> None:
    world, sid = placed("<Response><Echo/></Response>")
    world.tell(sid, events.HungUp())
    assert world.leg(sid).status is Status.COMPLETED


def test_a_redirected_leg_hears_itself_no_more() -> None:
    world, sid = placed("<Response><Echo/></Response>")
    world.tell(sid, events.RedirectAsked(url=None, method="POST", twiml=PAUSED))
    assert world.of(sid, StartEcho, StopEcho) == [StartEcho(), StopEcho()]
    world.tell(sid, events.RedirectAsked(url=None, method="POST", twiml=PAUSED))
    assert len(world.of(sid, StopEcho)) == 1


def test_a_rung_leg_can_be_echoed() -> None:
    world, sid = in_progress("<Response><Echo/></Response>")
    assert world.of(sid, StartEcho) == [StartEcho()]
