"""The page about the example shows tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "examples/support_desk/tests"


def test_what_the_tutorial_quotes_stands_in_the_examples_tests() -> None:
    page = (ROOT / "docs/tutorial/support-desk.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted(SUITE.glob("*.py")))
    quoted = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(quoted) >= 8
    assert [quote for quote in quoted if quote not in tests] == []


def test_the_example_knows_nothing_of_midcall() -> None:
    sources = sorted((ROOT / "examples/support_desk/desk").glob("*.py"))
    assert sources
    assert [path.name for path in sources if "midcall" in path.read_text(encoding="utf-8").lower()] == []
