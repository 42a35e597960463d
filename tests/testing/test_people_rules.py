"""The rules of expectations, without a server."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.signature import HEADER, sign
from midcall.testing.people.actions import Expect, Misbehave
from midcall.testing.people.faults import FaultForm
from midcall.testing.people.problems import Unusable, in_full
from midcall.testing.people.recording import Behaviour, Endpoint, RequestView, behaviour_of, fields_of, is_signed
from midcall.testing.people.rules import fits, seconds

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.mark.parametrize(
    "wanted, value, expected",
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": 1}, {"b": 1}, False),
        ({}, {"a": 1}, True),
        ({}, [], False),
        ([1, 2], [1, 2], True),
        ([1], [1, 2], False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        (1, True, False),
        (True, True, True),
        (1, 1.0, True),
        (None, None, True),
        ("x", "x", True),
    ],
)
def test_a_part_fits_the_whole(wanted: Any, value: Any, expected: bool) -> None:
    assert fits(wanted, value) is expected


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)


@given(values)
def test_everything_fits_itself(value: Any) -> None:
    assert fits(value, value)


@pytest.mark.parametrize("value, expected", [(0, 0), (1.5, 1.5), ("300ms", 0.3), ("5s", 5), ("2m", 120), ("1h", 3600)])
def test_durations_are_numbers_or_texts(value: Any, expected: float) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize("value", ["5", "s", "5 s", "-1s", "1e3s", "", -1, float("inf"), float("nan"), "5S"])
def test_other_things_are_no_durations(value: Any) -> None:
    with pytest.raises(ValueError):
        seconds(value)


@pytest.mark.parametrize(
    "value, expected",
    [
        ("ok", Behaviour()),
        ("refuses", Behaviour("refuses")),
        ({"failing": 503}, Behaviour("failing", status=503)),
        ({"failing": True, "times": 2}, Behaviour("failing", status=503, times=2)),
        ({"slow": "3s"}, Behaviour("slow", 3.0)),
        ({"late": "20s", "times": 1}, Behaviour("late", 20.0, times=1)),
        ("late", Behaviour("late", 20.0)),
        ({"closes_before_body": True}, Behaviour("closes_before_body")),
    ],
)
def test_behaviours_are_words_or_objects(value: Any, expected: Behaviour) -> None:
    assert behaviour_of(value) == expected


def test_a_word_that_is_no_behaviour_is_answered_with_those_that_are() -> None:
    with pytest.raises(Unusable, match="'sings' is no behaviour: a behaviour is one of \"ok\""):
        behaviour_of("sings")


@pytest.mark.parametrize(
    "value, kind, words",
    [
        ({"how": "lie"}, Misbehave, "double_answer, late_hang_up, malformed_frame, no_answer"),
        ({"status": "opened"}, Expect, "closed, connecting, open, pending, reconnecting, ringing"),
        ([{"direction": "up"}], list[FaultForm], "from_client, to_client"),
    ],
)
def test_a_value_that_is_none_of_its_words_is_answered_with_them(value: Any, kind: Any, words: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(value, kind)
    text = in_full(refused.value, kind)
    assert text.startswith("Invalid enum value ")
    assert text.endswith(f": it is one of {words}")


@pytest.mark.parametrize(
    "value", ["sings", {}, {"slow": "x"}, {"failing": 200}, {"ok": True, "refuses": True}, 7, None]
)
def test_other_things_are_no_behaviours(value: Any) -> None:
    with pytest.raises(Unusable):
        behaviour_of(value)


def test_a_behaviour_for_some_requests_ends_with_them() -> None:
    endpoint = Endpoint("x", "k", behaviour=Behaviour("refuses", times=2))
    assert [endpoint.next_behaviour().kind for _ in range(3)] == ["refuses", "refuses", "ok"]


def test_a_recorder_forgets_the_oldest_when_it_has_too_much() -> None:
    endpoint = Endpoint("x", "k")
    for number in range(20):
        endpoint.record(
            RequestView(
                at=number,
                method="POST",
                path="/",
                headers={},
                fields={},
                body="x" * 1_000_000,
                signature_valid=True,
                behaviour="ok",
            )
        )
    assert [request.at for request in endpoint.requests] == [float(number) for number in range(16, 20)]
    taken = endpoint.take(None, None, None)
    assert taken is not None and taken.at == 16


@pytest.mark.parametrize(
    "method, content_type, body, signed",
    [
        ("POST", FORM, b"a=1&b=x+y", [("a", "1"), ("b", "x y")]),
        ("POST", JSON, b'{"a":"1","b":2}', [("a", "1"), ("b", "2")]),
        ("GET", FORM, b"", []),
        ("POST", FORM, b"a=1&a=2", [("a", "1"), ("a", "2")]),
    ],
)
def test_signatures_of_forms_json_and_queries_are_checked(
    method: str, content_type: str, body: bytes, signed: list[tuple[str, str]]
) -> None:
    url = "http://127.0.0.1:8080/control/hooks/x?y=1"
    headers = {HEADER.lower(): sign("secret", url, signed)}
    asked = {"url": url, "method": method, "content_type": content_type, "body": body}
    assert is_signed(headers, auth_token="secret", **asked)  # type: ignore[arg-type]
    assert not is_signed(headers, auth_token="another", **asked)  # type: ignore[arg-type]
    assert not is_signed({}, auth_token="secret", **asked)  # type: ignore[arg-type]


def test_fields_come_from_the_form_the_json_or_the_query() -> None:
    assert fields_of("POST", "q=1", FORM, b"a=1&b=") == {"a": "1", "b": ""}
    assert fields_of("POST", "q=1", JSON, b'{"a":{"b":1}}') == {"a": {"b": 1}}
    assert fields_of("GET", "q=1", FORM, b"") == {"q": "1"}
    for body in (b"[1]", b"{", b"[" * 5_000, b"\xff"):
        assert fields_of("POST", "", JSON, body) == {}
