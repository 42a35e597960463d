"""TwiML: what is read, what is warned about, and that nothing else than Unreadable ever comes out."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from midcall.core.reading import MAX_NOUNS, MAX_PROBLEMS, parse, status_events
from midcall.core.twiml import (
    Client,
    Dial,
    Document,
    Echo,
    Hangup,
    Number,
    Pause,
    Problem,
    Redirect,
    Reject,
    StatusCallback,
    Unreadable,
    Verb,
)


def verbs(inner: str) -> tuple[object, ...]:
    return parse(f"<Response>{inner}</Response>").verbs


def problems(inner: str) -> list[tuple[int, int]]:
    return [(problem.code, problem.line) for problem in parse(f"<Response>{inner}</Response>").problems]


def dial(attributes: str) -> Dial:
    (verb,) = verbs(f"<Dial {attributes}><Client>bob</Client></Dial>")
    assert isinstance(verb, Dial)
    return verb


# ------ documents


@pytest.mark.parametrize("text", ["", " \r\n\t ", "\ufeff"])
def test_empty_text_is_an_empty_document(text: str) -> None:
    assert parse(text) == Document(())


def test_verbs_come_in_their_order_with_their_lines() -> None:
    text = "<Response>\n<Pause/>\n<Redirect>next</Redirect><Reject/>\n\n<Hangup/><Echo/></Response>"
    assert parse(text).verbs == (
        Pause(line=2),
        Redirect(line=3, url="next"),
        Reject(line=3),
        Hangup(line=5),
        Echo(line=5),
    )


def test_comments_instructions_and_text_between_verbs_mean_nothing() -> None:
    assert verbs("hello <!-- <Reject/> --><?php x ?><Hangup/> there") == (Hangup(line=1),)


def test_a_comment_inside_text_does_not_cut_it() -> None:
    assert verbs("<Redirect>/a<!-- not -->/b</Redirect>") == (Redirect(line=1, url="/a/b"),)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n\n<Response><Hangup/></Response>", 3),
        ("\ufeff<Response><Hangup/></Response>", 1),
        ("\n<?xml version='1.0'\n encoding='UTF-16'?>\n<Response><Hangup/></Response>", 4),
    ],
)
def test_what_stands_before_the_root_moves_no_line(text: str, line: int) -> None:
    assert parse(text).verbs == (Hangup(line=line),)


def test_a_declared_encoding_does_not_matter_to_text() -> None:
    text = "<?xml version='1.0' encoding='ISO-8859-1'?><Response><Dial><Client>zoë</Client></Dial></Response>"
    (verb,) = parse(text).verbs
    assert isinstance(verb, Dial) and isinstance(verb.nouns[0], Client) and verb.nouns[0].identity == "zoë"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("<Response>\n<Hangup>\n</Response>", 12100, 3),
        ("Response", 12100, 1),
        ("<Response/><Response/>", 12100, 1),
        ("<Response>&nbsp;</Response>", 12100, 1),
        ("<Response>\x00</Response>", 12100, 1),
        ("<Response>\ud800</Response>", 12100, None),
        ("<!DOCTYPE Response><Response/>", 12100, None),
        (
            '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><Response><Redirect>&a;</Redirect></Response>',
            12100,
            None,
        ),
        ("<Response>" + "<Say>" * 300 + "</Say>" * 300 + "</Response>", 12100, 1),
        ("\n<response/>", 12102, 2),
        ("<Response version='2.0'/>", 12101, 1),
    ],
)
def test_a_document_that_cannot_be_run_says_why_and_where(text: str, code: int, line: int | None) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(text)
    assert (caught.value.code, caught.value.line) == (code, line)
    assert caught.value.reason


def test_entities_are_not_expanded() -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "&e{n};&e{n};&e{n};&e{n};&e{n};&e{n};&e{n};&e{n};">' for n in range(20))
    with pytest.raises(Unreadable):
        parse(f'<!DOCTYPE r [<!ENTITY e0 "ha">{entities}]><Response><Redirect>&e20;</Redirect></Response>')


def test_the_usual_version_and_foreign_attributes_of_the_root_are_fine() -> None:
    namespace = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:noNamespaceSchemaLocation='x.xsd'"
    assert parse(f"<Response version='1.0' {namespace}/>").problems == ()


# ------ problems


def test_problems_come_in_document_order() -> None:
    text = "<Dial>\n<Client bad=''>bob</Client>\n<Nonsense/></Dial>\n<Dial timeout='x'>\n\n<Client/></Dial>"
    assert [line for _, line in problems(text)] == sorted(line for _, line in problems(text))
    assert problems(text) == [(12200, 2), (13215, 3), (13212, 4), (13215, 6)]


def test_problems_of_one_document_are_bounded() -> None:
    found = parse("<Response>" + "\n<Nonsense/>" * 5_000 + "</Response>").problems
    assert len(found) == MAX_PROBLEMS
    assert found[-1] == Problem(12200, MAX_PROBLEMS + 1, "there are more problems from here on")


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("<Say>hello</Say>", 12200),
        ("<hangup/>", 12200),
        ("<x:Dial xmlns:x='urn:x'/>", 12200),
        ("<Hangup now='1'/>", 12200),
        ("<Hangup><Pause/></Hangup>", 12200),
        ("<Echo><Pause/></Echo>", 12200),
        ("<Echo loop='1'/>", 12200),
        ("<Pause length='-1'/>", 13910),
        ("<Pause length='86401'/>", 13910),
        ("<Pause length='9999999999'/>", 13910),
        ("<Pause length='١'/>", 13910),
        ("<Redirect method='PUT'>/</Redirect>", 13710),
        ("<Reject reason='tired'/>", 13810),
        ("<Dial method='HEAD'/>", 13210),
        ("<Dial timeout='0'/>", 13212),
        ("<Dial timeout='601'/>", 13212),
        ("<Dial hangupOnStar='yes'/>", 13213),
        ("<Dial callerId=''/>", 13214),
        ("<Dial timeLimit='1.5'/>", 13216),
        ("<Dial sequential='1'/>", 13218),
        ("<Dial answerOnBridge=''/>", 13219),
        ("<Dial record='true'/>", 12200),
        ("<Dial ringTone='de'/>", 12200),
        ("<Dial colour='red'/>", 12200),
        ("<Dial>call me</Dial>", 13223),
        ("<Dial><Number>12</Number></Dial>", 13223),
        ("<Dial><Number/></Dial>", 13223),
        ("<Dial><Number method='PUT'>+15550100</Number></Dial>", 13221),
        ("<Dial><Number sendDigits='12x'>+15550100</Number></Dial>", 13222),
        ("<Dial><Number machineDetection='Enable'>+15550100</Number></Dial>", 12200),
        ("<Dial>+15550100<Client>bob</Client></Dial>", 12200),
        ("<Dial><Say/></Dial>", 13215),
        ("<Dial><Client/></Dial>", 13215),
        (f"<Dial><Client>{'x' * 257}</Client></Dial>", 13215),
        ("<Dial><Client>bob<Say/></Client></Dial>", 12200),
        ("<Dial><Client>bob<Parameter value='1'/></Client></Dial>", 12200),
        ("<Dial><Client>bob<Parameter name='a' valeu='1'/></Client></Dial>", 12200),
        ("<Dial><Client url=''>bob</Client></Dial>", 12200),
        ("<Dial><Client statusCallback='/s' statusCallbackEvent='answered,completed'>bob</Client></Dial>", 12200),
    ],
)
def test_what_is_odd_has_its_documented_code(inner: str, code: int) -> None:
    assert problems(inner) == [(code, 1)]


def test_what_is_odd_takes_its_default_and_the_rest_runs() -> None:
    assert verbs("<Say/><Pause length='x'/><Reject reason='x'/>") == (Pause(line=1), Reject(line=1))
    assert dial("timeout='x' timeLimit='x' method='x' hangupOnStar='x' answerOnBridge='x'") == dial("")


def test_huge_attributes_are_cut_in_what_is_told_about_them() -> None:
    document = parse(f"<Response><Pause length='{'9' * 50_000}'/><Hangup {'a' * 40_000}=''/></Response>")
    assert all(len(problem.reason) < 300 for problem in document.problems)


# ------ dial


def test_a_dial_has_the_documented_defaults() -> None:
    verb = dial("")
    assert verb == Dial(line=1, nouns=(Client(line=1, identity="bob"),))
    assert (verb.timeout_s, verb.time_limit_s, verb.method, verb.action) == (30, 14_400, "POST", None)
    assert (verb.answer_on_bridge, verb.hangup_on_star, verb.sequential, verb.caller_id) == (False, False, False, None)


def test_a_dial_takes_all_its_attributes() -> None:
    verb = dial(
        "action='/after' method='get' timeout='600' timeLimit='86400' callerId='client:x' answerOnBridge='true'"
        " hangupOnStar='TRUE' sequential='true'"
    )
    assert (verb.action, verb.method, verb.timeout_s, verb.time_limit_s) == ("/after", "GET", 600, 86_400)
    assert (verb.answer_on_bridge, verb.hangup_on_star, verb.sequential) == (True, True, True)
    assert verb.caller_id == "client:x"


def test_an_empty_action_is_an_address_and_not_the_lack_of_one() -> None:
    assert dial("action=''").action == ""


def test_a_client_says_whom_to_ring_with_what_and_who_is_told() -> None:
    inner = """<Dial><Client url='/whisper' method='GET' statusCallback='/status' statusCallbackMethod='GET'
        statusCallbackEvent='completed  ringing' clientNotificationUrl='/ignored'>
        <Identity> bob </Identity><Parameter name='a' value='1'/><Parameter name='b'/></Client></Dial>"""
    (verb,) = verbs(inner)
    assert isinstance(verb, Dial)
    assert problems(inner) == []
    assert verb.nouns == (
        Client(
            line=2,
            identity="bob",
            parameters=(("a", "1"), ("b", "")),
            status_callback=StatusCallback(url="/status", method="GET", events=("ringing", "completed")),
            url="/whisper",
            method="GET",
        ),
    )


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+15550100", "+15550100"),
        (" +1 (415) 555-01.00 ", "+14155550100"),
        ("415-555-0100", "+14155550100"),
        ("1 415 555 0100", "+14155550100"),
        ("+44 20 7946 0000", "+442079460000"),
    ],
)
def test_a_number_stands_in_a_noun_or_as_the_text_of_dial(written: str, number: str) -> None:
    assert verbs(f"<Dial>{written}</Dial>") == (Dial(line=1, nouns=(Number(line=1, number=number),)),)
    inner = f"""<Dial><Number url='/whisper' method='GET' sendDigits='wW1' statusCallback='/status'
        statusCallbackEvent='answered'>{written}</Number></Dial>"""
    assert problems(inner) == []
    (verb,) = verbs(inner)
    assert isinstance(verb, Dial)
    assert verb.nouns == (
        Number(
            line=2,
            number=number,
            status_callback=StatusCallback(url="/status", method="POST", events=("answered",)),
            url="/whisper",
            method="GET",
            send_digits="www1",
        ),
    )


def test_a_status_callback_without_events_hears_of_the_end() -> None:
    (verb,) = verbs("<Dial><Client statusCallback='/status'>bob</Client></Dial>")
    assert isinstance(verb, Dial)
    assert verb.nouns[0].status_callback == StatusCallback(url="/status", method="POST", events=("completed",))


def test_an_identity_may_stand_before_or_after_its_parameters() -> None:
    (verb,) = verbs("<Dial><Client><Parameter name='a' value='1'/> bob</Client></Dial>")
    assert isinstance(verb, Dial) and isinstance(verb.nouns[0], Client) and verb.nouns[0].identity == "bob"


def test_a_dial_rings_ten_clients_and_says_that_there_were_more() -> None:
    nouns = "<Sip>1</Sip>" * 3 + "<Number>+15550100</Number>" + "<Client>bob</Client>" * (MAX_NOUNS + 1)
    (verb,) = verbs(f"<Dial>{nouns}</Dial>")
    assert isinstance(verb, Dial) and len(verb.nouns) == MAX_NOUNS
    assert [code for code, _ in problems(f"<Dial>{nouns}</Dial>")] == [12200] * 3 + [13215]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("answered", ("answered",)), ("completed initiated", ("initiated", "completed")), ("", None), ("x", None)],
)
def test_status_events_are_words_in_their_natural_order(text: str, expected: tuple[str, ...] | None) -> None:
    assert status_events(text) == expected


# ------ fuzz

TAGS = (
    "Dial",
    "Client",
    "Identity",
    "Parameter",
    "Pause",
    "Redirect",
    "Reject",
    "Hangup",
    "Echo",
    "Say",
    "x:Dial",
)
ATTRIBUTES = ("action", "method", "timeout", "url", "length", "reason", "name", "value", "statusCallbackEvent", "x y")
VALUES = ("", "10", "-1", "GET", "true", "http://[", "&amp;", "&x;", "\x01", "\ud800", "٣", "9" * 100)
TEXTS = ("", "", "", "bob", "\n", "<!-- x -->", "<![CDATA[<]]>", "&amp;", "&#0;", "&x;", "<", "\ufeff", "<!DOCTYPE x>")

tags = st.sampled_from(TAGS)
attributes = st.lists(st.tuples(st.sampled_from(ATTRIBUTES), st.sampled_from(VALUES)), max_size=3)
texts = st.sampled_from(TEXTS)


def element(tag: str, pairs: list[tuple[str, str]], text: str, inner: list[str]) -> str:
    shown = "".join(f" {name}='{value}'" for name, value in pairs)
    return f"<{tag}{shown}>{text}{''.join(inner)}</{tag}>"


elements = st.recursive(
    st.builds(element, tags, attributes, texts, st.just([])),
    lambda inner: st.builds(element, tags, attributes, texts, st.lists(inner, max_size=3)),
    max_leaves=6,
)


@given(st.text() | elements | st.lists(elements, max_size=4).map("\n".join))
@example("<?xml version='1.0' encoding='nonsense'?><Response/>")
@example("<?xml?>")
@example("<Response xmlns='urn:x'/>")
def test_nothing_but_unreadable_is_ever_raised(text: str) -> None:
    for document in (text, f"<Response>{text}</Response>"):
        try:
            read = parse(document)
        except Unreadable as error:
            assert 12100 <= error.code <= 12102
            assert error.line is None or error.line >= 1
        else:
            assert all(isinstance(verb, Verb) for verb in read.verbs)
            assert len(read.problems) <= MAX_PROBLEMS
            assert all(problem.line >= 1 for problem in read.problems)
            assert [problem.line for problem in read.problems] == sorted(problem.line for problem in read.problems)
