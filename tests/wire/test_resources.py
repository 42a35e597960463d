"""REST shapes without HTTP: dates, forms, typed parameters, page links, and texts made from records."""

from __future__ import annotations

import email.utils
import json
from typing import Annotated, ClassVar
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.wire.dates import iso8601, parse_instant, rfc2822
from midcall.wire.forms import Fields, Unreadable, read_form, read_json, read_query
from midcall.wire.paging import Links, PageForm
from midcall.wire.parameters import (
    Choice,
    Flag,
    Form,
    Integer,
    Named,
    OneOf,
    Required,
    Sid,
    Text,
    Url,
    Words,
    parameters,
    read,
)
from midcall.wire.requests import CallListForm, CallUpdateForm, NewCallForm

# dates


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (1_606_939_321, "Wed, 02 Dec 2020 20:02:01 +0000"),
        (1_606_939_321.999, "Wed, 02 Dec 2020 20:02:01 +0000"),
        (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
    ],
)
def test_dates_have_two_digits_and_no_gmt(at: float, text: str) -> None:
    assert rfc2822(at) == text


@given(st.integers(0, 4_102_444_800))
def test_a_date_reads_back_as_the_same_second(at: int) -> None:
    assert email.utils.parsedate_to_datetime(rfc2822(at)).timestamp() == at


def test_timeline_stamps_have_milliseconds() -> None:
    assert iso8601(1_606_939_321.25) == "2020-12-02T20:02:01.250Z"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2020-12-02", 1_606_867_200),
        ("2020-12-02T20:02:01Z", 1_606_939_321),
        ("2020-12-02T20:02:01", 1_606_939_321),
        ("2020-12-02 20:02:01", 1_606_939_321),
        ("2020-12-02T20:02:01.123456Z", 1_606_939_321),
        ("2020-12-02T21:02:01+01:00", 1_606_939_321),
        ("2020-12-02T21:02:01 01:00", 1_606_939_321),  # the plus was not percent-encoded
        ("2020-12-02T15:02:01-0500", 1_606_939_321),
    ],
)
def test_instants_of_filters(text: str, at: float) -> None:
    instant = parse_instant(text)
    assert instant is not None
    assert (instant.at, instant.day, instant.next_day) == (at, 1_606_867_200, 1_606_953_600)


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d([+-]\d\d:\d\d)?)?", fullmatch=True))
def test_any_text_is_an_instant_or_none(text: str) -> None:
    instant = parse_instant(text)
    assert instant is None or instant.day <= instant.at < instant.next_day


# fields

_pairs = st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=20)
_encodable = _pairs.filter(lambda pairs: not any("\ud800" <= c <= "\udfff" for pair in pairs for t in pair for c in t))


@given(_encodable)
def test_a_form_reads_back_as_it_was_sent(pairs: list[tuple[str, str]]) -> None:
    fields = read_form(urlencode(pairs).encode())
    for name, _ in pairs:
        assert list(fields.all(name)) == [value for other, value in pairs if other == name]
        assert fields.last(name) == fields.all(name)[-1]


@given(st.binary())
def test_any_bytes_are_fields_or_unreadable(body: bytes) -> None:
    for reader in (read_form, read_json):
        try:
            assert isinstance(reader(body), Fields)
        except Unreadable as problem:
            assert str(problem)


def test_a_json_object_keeps_the_spelling_of_values_that_are_no_strings() -> None:
    fields = read_json(b'{"a": "x\\u00e9", "b": {"z": 1.10,"y":[ 1 ]}, "c": null, "d": true, "e": 1e2}')
    assert dict(fields.pairs()) == {"a": "xé", "b": '{"z": 1.10,"y":[ 1 ]}', "d": "true", "e": "1e2"}


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b'{"a":' + b"[" * 100_000, b'{"a": "\\ud800"}'])
def test_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(body)


def test_a_thousand_fields_pass_and_one_more_does_not() -> None:
    assert len(list(read_query("&".join(["a=1"] * 1_000)).pairs())) == 1_000
    with pytest.raises(Unreadable):
        read_query("&".join(["a=1"] * 1_001))
    with pytest.raises(Unreadable):
        read_json(json.dumps({str(number): 1 for number in range(1_001)}).encode())


def test_fields_can_be_taken_away() -> None:
    fields = read_query("a=1&b=2&a=3").without(["a", "z"])
    assert list(fields.pairs()) == [("b", "2")]


# typed forms


class Sample(Form, frozen=True, kw_only=True):
    one_of: ClassVar[OneOf] = OneOf(("url", "text"), errors.URL_MISSING)

    name: Annotated[str, Text(max_chars=3), Required(errors.TO_MISSING)]
    url: Annotated[str | None, Url()] = None
    text: Annotated[str | None, Text()] = None
    clear: Annotated[str | None, Named("Clear<"), Url(clears=True)] = None
    number: Annotated[int, Integer(least=1, most=9)] = 5
    flag: Annotated[bool | None, Flag()] = None
    sid: Annotated[str | None, Sid(prefix="CA")] = None
    word: Annotated[str | None, Choice(("a", "b"))] = None
    words: Annotated[tuple[str, ...], Words(("a", "b"))] = ("a",)


def sample(query: str) -> Sample:
    return read(Sample, read_query(query))


def refused(query: str) -> str:
    with pytest.raises(Refused) as raised:
        sample(query)
    return raised.value.rule.name


def test_what_was_not_sent_has_its_default() -> None:
    form = sample("Name=abc&Text=x")
    assert (form.url, form.clear, form.number, form.flag, form.words) == (None, None, 5, None, ("a",))


def test_an_empty_text_clears_only_where_that_means_something() -> None:
    form = sample("Name=abc&Text=x&Url=&Clear%3C=&Number=&Flag=&Sid=&Word=&Words=")
    assert (form.url, form.clear, form.number, form.sid, form.words) == (None, "", 5, None, ("a",))


@pytest.mark.parametrize("words", ["Words=a&Words=b", "Words=a+b", "Words=a&Words=b+a", "Words=%5B%22a%22,%22b%22%5D"])
def test_lists_are_repeated_split_or_json(words: str) -> None:
    assert sample(f"Name=a&Text=x&{words}").words == ("a", "b")


@pytest.mark.parametrize(
    ("text", "flag"), [("true", True), ("TRUE", True), ("1", True), ("False", False), ("0", False)]
)
def test_flags_in_any_case(text: str, flag: bool) -> None:
    assert sample(f"Name=a&Text=x&Flag={text}").flag is flag


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("", "TO_MISSING"),
        ("Text=x", "TO_MISSING"),
        ("Name=", "TO_MISSING"),
        ("Name=abcd", "PARAMETER_TOO_LONG"),
        ("Name=a", "URL_MISSING"),
        ("Name=a&Number=x", "URL_MISSING"),
        ("Name=a&Url=x", "URL_INVALID"),
        ("Name=a&Text=x&Clear%3C=x", "URL_INVALID"),
        ("Name=a&Text=x&Number=0", "PARAMETER_INVALID"),
        ("Name=a&Text=x&Number=9999999999999", "PARAMETER_INVALID"),
        ("Name=a&Text=x&Number=%D9%A3", "PARAMETER_INVALID"),
        ("Name=a&Text=x&Flag=yes", "PARAMETER_INVALID"),
        ("Name=a&Text=x&Sid=CA1", "PARAMETER_INVALID"),
        ("Name=a&Text=x&Word=c", "PARAMETER_INVALID"),
        ("Name=a&Text=x&Words=a+c", "PARAMETER_INVALID"),
        ("Name=a&Text=x&Words=%5B1%5D", "PARAMETER_INVALID"),
    ],
)
def test_the_first_rule_in_declared_order_refuses(query: str, rule: str) -> None:
    assert refused(query) == rule


@given(_encodable)
def test_any_fields_are_a_form_or_refused(pairs: list[tuple[str, str]]) -> None:
    names = [parameter.name for parameter in parameters(NewCallForm)]
    fields = Fields((names[len(name) % len(names)], value) for name, value in pairs)
    for form in (NewCallForm, CallUpdateForm, CallListForm):
        try:
            assert isinstance(read(form, fields), form)
        except Refused as refusal:
            assert refusal.rule.rest[0] == 400


def test_names_are_pascal_case_unless_said_otherwise() -> None:
    names = [parameter.name for parameter in parameters(CallListForm)]
    assert {"ParentCallSid", "From", "StartTime", "StartTime<", "EndTime>", "PageToken"} <= set(names)


# pages


def test_links_keep_filters_in_order_and_percent_encode_them() -> None:
    form = PageForm(page_size=2, page=3, page_token="PACA" + "1" * 32)
    filters = [("StartTime>", "2020-12-02T00:00:00Z"), ("PageSize", "9"), ("To", "client:a b"), ("PageToken", "x")]
    links = Links("/p.json", filters, form)
    kept = "/p.json?StartTime%3E=2020-12-02T00%3A00%3A00Z&To=client%3Aa%20b&PageSize=2"
    assert links.here() == f"{kept}&Page=3&PageToken=PACA{'1' * 32}"
    assert links.first() == f"{kept}&Page=0"
    assert links.at("CA2") == f"{kept}&Page=4&PageToken=PACA2"
    assert links.before("CA2") == f"{kept}&Page=2&PageToken=PBCA2"


@pytest.mark.parametrize("token", ["PA", "PACA1", "PBAP" + "1" * 32, "PCCA" + "1" * 32, "CA" + "1" * 32])
def test_a_token_of_another_list_is_refused(token: str) -> None:
    with pytest.raises(Refused):
        PageForm(page_token=token).position("CA")


def test_a_token_names_the_row_before_or_after() -> None:
    sid = "CA" + "a" * 32
    assert PageForm(page_token=f"PA{sid.upper()}").position("CA") == (sid, None)
    assert PageForm(page_token=f"PB{sid}").position("CA") == (None, sid)
    assert PageForm().position("CA") == (None, None)
