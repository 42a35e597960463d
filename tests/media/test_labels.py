"""Labels are heard by exactly those who would hear sound."""

from __future__ import annotations

import pytest

from midcall.core.sids import CallSid
from midcall.media.labels import RINGBACK, Labels
from midcall.ports import ApplyAnswer, CloseMedia, Join, Link, Part, PlayRingback, SendDigits

A, B, C, D = (CallSid(f"CA{number:032x}") for number in range(4))

Heard = list[tuple[CallSid, str, str]]


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture
def labels(heard: Heard) -> Labels:
    labels = Labels()
    labels.on_heard = lambda leg, kind, text: heard.append((leg, kind, text))
    return labels


def test_the_other_end_of_a_bridge_hears_what_is_said(labels: Labels, heard: Heard) -> None:
    labels.say(A, "too early")
    labels.follow(Join(leg=A, other=B))
    labels.say(A, "hello")
    labels.say(B, "hi")
    assert heard == [(B, "sound", "hello"), (A, "sound", "hi")]


def test_whoever_left_the_bridge_hears_nothing(labels: Labels, heard: Heard) -> None:
    labels.follow(Join(leg=A, other=B))
    labels.follow(Join(leg=A, other=C))  # and leaves B
    labels.say(B, "anybody?")
    labels.follow(Part(leg=A, other=B))  # of a bridge that is gone
    labels.say(A, "to carol")
    labels.follow(Part(leg=A, other=C))
    labels.say(A, "to nobody")
    labels.follow(Join(leg=A, other=B))
    labels.follow(CloseMedia(leg=B))
    labels.say(A, "to nobody either")
    assert heard == [(C, "sound", "to carol")]


def test_an_echo_is_heard_by_who_speaks(labels: Labels, heard: Heard) -> None:
    labels.follow(Join(leg=A, other=A))
    labels.say(A, "echo")
    labels.follow(Part(leg=A, other=A))
    labels.say(A, "no more")
    assert heard == [(A, "sound", "echo")]


def test_a_label_crosses_a_line(labels: Labels, heard: Heard) -> None:
    for command in (Link(leg=B, other=C), Join(leg=A, other=B), Join(leg=C, other=D)):
        labels.follow(command)
    labels.say(A, "hello")
    labels.follow(PlayRingback(leg=C))  # played to the far end, which says it to who called
    labels.follow(SendDigits(leg=B, digits="1"))  # crosses as an event of the legs
    labels.follow(SendDigits(leg=A, digits="1w2"))
    assert heard == [(D, "sound", "hello"), (A, "sound", RINGBACK), (A, "digits", "12")]


def test_lines_in_a_ring_end(labels: Labels, heard: Heard) -> None:
    for command in (Link(leg=A, other=B), Join(leg=A, other=B)):
        labels.follow(command)
    labels.say(A, "round and round")
    assert heard == []


def test_news_of_bridges_and_answers_are_told(labels: Labels) -> None:
    told: list[tuple[str, CallSid]] = []
    labels.on_bridged = lambda leg: told.append(("bridged", leg))
    labels.on_taken = lambda leg: told.append(("taken", leg))
    labels.follow(ApplyAnswer(leg=B, answer=""))
    labels.follow(Join(leg=A, other=B))
    assert told == [("taken", B), ("bridged", A), ("bridged", B)]
    assert labels.is_bridged(A) and not labels.is_bridged(C)


def test_nothing_is_kept_when_nobody_listens() -> None:
    labels = Labels()
    labels.follow(Join(leg=A, other=B))
    assert not labels.is_bridged(A)
