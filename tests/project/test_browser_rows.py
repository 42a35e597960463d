"""The page about the browser SDK names a test for each spec and each trap, and the tests exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/browser-sdk.md").read_text(encoding="utf-8")

SPECS = """
    audioHelper; callEvents; callIgnore; callMute; callPostFeedback; callSendDigits; callStatus; callStreams;
    callMessage/userDefinedMessage; connectToken; device; deviceLifecycle; deviceOptions; deviceOptionsExtended;
    deviceProperties; edges; error, logger, loggerOptions; icenomination; mutableOptions; opus; preflight; stirshaken;
    twilioErrorScenarios; tests/network/reconnection; tests/extension
"""
WITHOUT_A_TEST = {"error, logger, loggerOptions", "icenomination"}
TRAPS = 23


def table(heading: str) -> dict[str, list[str]]:
    """First cell of each row to the tests in its last one."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {cells[0].strip(): re.findall(r"`(test_\w+)`", cells[-1]) for cells in rows[2:]}


@cache
def known_tests() -> frozenset[str]:
    """All test functions of the project."""
    found = set()
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        if "node_modules" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.add(node.name)
    return frozenset(found)


def specs() -> list[str]:
    return [" ".join(name.split()) for name in SPECS.split(";")]


@pytest.mark.parametrize("spec", specs())
def test_each_spec_of_the_sdk_has_tests_that_exist(spec: str) -> None:
    named = table("The SDK's own specs")[spec]
    assert bool(named) != (spec in WITHOUT_A_TEST)
    assert set(named) <= known_tests(), f"{spec}: no such test {set(named) - known_tests()}"


@pytest.mark.parametrize("number", range(1, TRAPS + 1))
def test_each_trap_has_tests_that_exist(number: int) -> None:
    named = table("Traps")[str(number)]
    assert named
    assert set(named) <= known_tests(), f"{number}: no such test {set(named) - known_tests()}"


def test_the_page_has_no_other_rows() -> None:
    assert list(table("The SDK's own specs")) == specs()
    assert list(table("Traps")) == [str(number) for number in range(1, TRAPS + 1)]
