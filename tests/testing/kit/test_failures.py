"""What a test is told: the texts of failures, and what an answer of the control API becomes."""

import json

import pytest

from midcall.testing.kit.control import given, part, read
from midcall.testing.kit.failures import ActionRefused, ExpectationFailed, for_eyes
from midcall.testing.kit.network import Fault
from midcall.testing.kit.recorder import Recorder


def test_an_unmet_expectation_says_what_was_expected_what_was_seen_and_what_happened():
    told = {
        "status": 422,
        "code": 20422,
        "message": "alice got no such message within 10 s",
        "expected": {"say": "hello"},
        "seen": [{"say": "good bye"}],
        "timeline": "0.000 alice calls bob\n0.120 bob answers",
    }
    with pytest.raises(ExpectationFailed) as failed:
        read(422, json.dumps(told).encode())
    assert str(failed.value) == (
        "alice got no such message within 10 s\n"
        'expected: {"say": "hello"}\n'
        "seen:\n"
        '  {"say": "good bye"}\n'
        "timeline:\n"
        "  0.000 alice calls bob\n"
        "  0.120 bob answers"
    )
    assert isinstance(failed.value, AssertionError)
    assert (failed.value.expected, failed.value.seen) == ({"say": "hello"}, [{"say": "good bye"}])


def test_an_expectation_that_saw_nothing_says_so():
    assert str(ExpectationFailed("bob was not called within 10 s")) == "bob was not called within 10 s\nseen: nothing"


def test_a_refusal_has_the_servers_words_status_and_code():
    with pytest.raises(ActionRefused, match="the call is open") as refused:
        read(409, b'{"status": 409, "code": 20409, "message": "the call is open"}')
    assert (refused.value.status, refused.value.code) == (409, 20409)


def test_an_answer_that_is_no_json_is_shown():
    with pytest.raises(ActionRefused, match="the server answered 502: bad gateway"):
        read(502, b"bad gateway")


def test_a_good_answer_is_its_json_and_none_without_a_body():
    assert read(200, b'{"a": 1}') == {"a": 1}
    assert read(204, b"") is None


def test_a_body_has_what_was_given_and_names_that_python_reserves():
    assert given(a=1, for_="5s", b=None, c=False) == {"a": 1, "for": "5s", "c": False}


def test_a_name_is_one_part_of_a_path():
    assert part("a/b c?") == "a%2Fb%20c%3F"


def test_a_long_line_of_a_timeline_is_cut_for_eyes():
    assert for_eyes("a" * 160) == "a" * 160
    assert for_eyes("a" * 161 + "\nb") == "a" * 159 + "…\nb"


def test_a_fault_without_an_end_says_so_to_the_server():
    told = Fault("drop", "to_client", times=None).told()
    assert told == {"fault": "drop", "direction": "to_client", "type": "*", "times": None}


class Answers:
    """Passes for a `Control` that knows one answer."""

    def __init__(self, answer):
        self._answer = answer

    async def request(self, method, path, body=None, query=None):
        return self._answer


@pytest.mark.parametrize("valid", [True, None])
async def test_a_request_that_nobody_read_is_not_called_unsigned(valid):
    request = {"method": "POST", "path": "/", "signature_valid": valid}
    assert (await Recorder(Answers(request), {"name": "hook", "url": "http://h"}).expect()).is_signed is valid


async def test_a_request_with_a_wrong_signature_fails_whoever_looks_at_it():
    request = {"method": "POST", "path": "/", "signature_valid": False}
    with pytest.raises(ExpectationFailed, match="a request to hook is not signed"):
        await Recorder(Answers(request), {"name": "hook", "url": "http://h"}).expect()
