"""The test kit: what tests of Midcall, and of apps that use it, drive the server with.

The names below are for tests of apps; they are loaded when they are asked for, because the pytest plugin is imported
in every run of whoever has installed it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from midcall.testing.kit.blocking import (
        BlockingCall,
        BlockingNetwork,
        BlockingPerson,
        BlockingRecorder,
        BlockingSwitchboard,
    )
    from midcall.testing.kit.call import Call, Message
    from midcall.testing.kit.doors import Served
    from midcall.testing.kit.failures import ActionRefused, ExpectationFailed, SwitchboardUnusable
    from midcall.testing.kit.network import Fault, Network
    from midcall.testing.kit.person import Person
    from midcall.testing.kit.recorder import Recorder, Request
    from midcall.testing.kit.switchboard import Switchboard

__all__ = [
    "ActionRefused",
    "BlockingCall",
    "BlockingNetwork",
    "BlockingPerson",
    "BlockingRecorder",
    "BlockingSwitchboard",
    "Call",
    "ExpectationFailed",
    "Fault",
    "Message",
    "Network",
    "Person",
    "Recorder",
    "Request",
    "Served",
    "Switchboard",
    "SwitchboardUnusable",
]

_WHERE: Final = {
    **dict.fromkeys(("ActionRefused", "ExpectationFailed", "SwitchboardUnusable"), "failures"),
    **dict.fromkeys((name for name in __all__ if name.startswith("Blocking")), "blocking"),
    **dict.fromkeys(("Call", "Message"), "call"),
    **dict.fromkeys(("Fault", "Network"), "network"),
    "Person": "person",
    **dict.fromkeys(("Recorder", "Request"), "recorder"),
    "Served": "doors",
    "Switchboard": "switchboard",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.kit.{_WHERE[name]}"), name)
