"""The page about a call's life shows the tables as they are."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from midcall.core.moves import TRANSITIONS

SCRIPT = Path(__file__).parents[2] / "scripts/print_states.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("print_states", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(script: ModuleType) -> None:
    page = script.PAGE.read_text()
    assert page == script.printed(page), "run scripts/print_states.py"


def test_every_transition_is_in_the_diagram(script: ModuleType) -> None:
    diagram = script.diagram().replace("_", "-")
    for (old, move), new in TRANSITIONS.items():
        (arrow,) = [line for line in diagram.splitlines() if line.strip().startswith(f"{old} --> {new}:")]
        assert move in arrow.partition(": ")[2].split(", ")


def test_what_is_written_by_hand_stays(script: ModuleType) -> None:
    page = f"above\n{script.BEGIN}old\n{script.END}below\n"
    printed = script.printed(page)
    assert printed.startswith("above\n") and printed.endswith("below\n") and "old" not in printed
