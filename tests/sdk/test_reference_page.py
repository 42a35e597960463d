"""The reference page knows every member that applications can see."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from midcall.sdk import AudioHelper, Call, Device, Options, sync

PAGE = (Path(__file__).parents[2] / "docs/reference/python-sdk.md").read_text(encoding="utf-8")
CODE = " ".join(re.findall(r"`([^`]+)`", PAGE))


def members(kind: type) -> list[str]:
    """Names without underscore that the class itself has."""
    return [
        name for name in vars(kind) if not name.startswith("_") and name not in ("EVENTS",) and not name[0].isupper()
    ]


@pytest.mark.parametrize("kind", [Device, Call, AudioHelper])
def test_every_member_and_event_is_on_the_page(kind):
    missing = [
        name for name in (*members(kind), *kind.EVENTS) if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", CODE)
    ]
    assert missing == []


def test_every_option_is_on_the_page():
    names = {field.name for field in dataclasses.fields(Options)} | set(inspect.signature(Device).parameters) - {
        "token",
        "options",
    }
    assert {name for name in names if name not in CODE} == set()


@pytest.mark.parametrize(("blocking", "kind"), [(sync.Device, Device), (sync.Call, Call)])
def test_scripts_have_the_same_names(blocking, kind):
    inner = {"audio", "options", "version", "package_name", "is_supported"}
    assert {name for name in members(kind) if name not in inner and not hasattr(blocking, name)} == set()
