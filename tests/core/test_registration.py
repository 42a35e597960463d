"""Registration, event by event, and the waiting times between connections."""

from __future__ import annotations

import pytest

from midcall.core.registration import (
    DestroyAsked,
    DeviceState,
    EmitState,
    Misused,
    Readied,
    RegisterAsked,
    Registration,
    SendRegister,
    StreamConnected,
    StreamLost,
    StreamRefused,
    UnregisterAsked,
    WentOffline,
)


def test_registering_waits_for_the_stream_and_then_for_ready():
    device = Registration()
    assert device.handle(RegisterAsked()) == [EmitState(DeviceState.REGISTERING)]
    assert device.handle(StreamConnected()) == [SendRegister(True)]
    assert device.handle(Readied()) == [EmitState(DeviceState.REGISTERED)]


def test_a_device_on_an_open_stream_registers_at_once():
    device = Registration()
    device.handle(StreamConnected())
    assert device.handle(RegisterAsked()) == [EmitState(DeviceState.REGISTERING), SendRegister(True)]


def test_an_attempt_that_fails_while_registering_waits_loses_nothing():
    device = Registration()
    device.handle(RegisterAsked())
    assert device.handle(StreamLost()) == []
    assert device.state is DeviceState.REGISTERING
    assert device.handle(StreamConnected()) == [SendRegister(True)]
    assert device.handle(StreamLost()) == [EmitState(DeviceState.UNREGISTERED)]


def test_a_repeated_ready_changes_nothing():
    device = registered()
    assert device.handle(Readied()) == []


def test_a_device_that_wanted_to_be_registered_registers_on_the_next_stream():
    device = registered()
    assert device.handle(StreamLost()) == [EmitState(DeviceState.UNREGISTERED)]
    assert device.handle(StreamConnected()) == [EmitState(DeviceState.REGISTERING), SendRegister(True)]


def test_a_device_that_unregistered_stays_so_on_the_next_stream():
    device = registered()
    assert device.handle(UnregisterAsked()) == [SendRegister(False)]
    assert device.handle(WentOffline()) == [EmitState(DeviceState.UNREGISTERED)]
    device.handle(StreamLost())
    assert device.handle(StreamConnected()) == []


def test_a_refused_device_does_not_try_again():
    device = Registration()
    device.handle(RegisterAsked())
    assert device.handle(StreamRefused()) == [EmitState(DeviceState.UNREGISTERED)]
    assert device.handle(StreamConnected()) == []


@pytest.mark.parametrize("event", [RegisterAsked(), UnregisterAsked()])
def test_a_destroyed_device_can_do_nothing_more(event):
    device = registered()
    assert device.handle(DestroyAsked()) == [EmitState(DeviceState.DESTROYED)]
    with pytest.raises(Misused):
        device.handle(event)
    assert device.handle(Readied()) == []


def test_registering_twice_and_unregistering_early_are_misuse():
    device = Registration()
    with pytest.raises(Misused):
        device.handle(UnregisterAsked())
    device.handle(RegisterAsked())
    with pytest.raises(Misused):
        device.handle(RegisterAsked())


def registered() -> Registration:
    device = Registration()
    for event in (RegisterAsked(), StreamConnected(), Readied()):
        device.handle(event)
    return device
