"""Tests without asyncio have the same words."""

import inspect

import pytest

from midcall.testing.kit import blocking
from midcall.testing.kit.call import Call, Talk
from midcall.testing.kit.network import Network
from midcall.testing.kit.person import Person
from midcall.testing.kit.recorder import Recorder
from midcall.testing.kit.switchboard import Switchboard

TWINS = [
    (Talk, blocking.BlockingTalk),
    (Call, blocking.BlockingCall),
    (Person, blocking.BlockingPerson),
    (Network, blocking.BlockingNetwork),
    (Recorder, blocking.BlockingRecorder),
    (Switchboard, blocking.BlockingSwitchboard),
]


def public(kind):
    return {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("asynchronous", "twin"), TWINS, ids=lambda kind: kind.__name__)
def test_a_blocking_twin_has_the_same_methods_with_the_same_parameters(asynchronous, twin):
    theirs, ours = public(asynchronous), public(twin)
    assert theirs.keys() <= ours.keys()
    for name, method in theirs.items():
        if inspect.isfunction(method):
            assert [*inspect.signature(ours[name]).parameters.values()] == [
                parameter.replace(annotation=inspect.signature(ours[name]).parameters[parameter.name].annotation)
                for parameter in inspect.signature(method).parameters.values()
            ], name


@pytest.mark.parametrize(("asynchronous", "twin"), TWINS, ids=lambda kind: kind.__name__)
def test_every_public_method_is_documented(asynchronous, twin):
    for kind in (asynchronous, twin):
        for name, value in public(kind).items():
            if inspect.isfunction(value) or (isinstance(value, property) and kind is twin):
                assert value.__doc__, f"{kind.__name__}.{name}"
