"""The pages of the kit: what is printed runs, and what there is has its line."""

import re
from pathlib import Path

import pytest

from midcall import testing
from midcall.testing.kit.call import Talk

pytestmark = pytest.mark.timeout(240)  # test runs in processes of their own

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "howto/test-your-app.md"
REFERENCE = DOCS / "reference/testing.md"
NOT_FOR_TESTS = {"at", "told"}


def test_the_tests_of_the_page_pass(pytester):
    blocks = re.findall(r"^```\w+ (\S+\.py)\n((?:.*\n)*?)```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name, _ in blocks].count("app.py") == 1
    for name, text in blocks:
        (pytester.path / name).write_text(text, encoding="utf-8")
    tests = sum(len(re.findall(r"^ *(?:async )?def test_", text, re.MULTILINE)) for _, text in blocks)
    result = pytester.runpytest_subprocess("-p", "no:schemathesis", "-p", "no:cacheprovider", timeout=120)
    result.assert_outcomes(passed=tests)
    assert tests >= 8


def test_the_reference_has_every_name():
    text = REFERENCE.read_text(encoding="utf-8")
    for name in testing.__all__:
        kind = getattr(testing, name)
        assert f"`{name}" in text or f" {name}," in text or f" {name}`" in text, name
        if not name.startswith("Blocking") and not issubclass(kind, Exception):
            for member in vars(kind).keys() | (vars(Talk).keys() if issubclass(kind, Talk) else set()):
                known = member.startswith("_") or member in NOT_FOR_TESTS or re.search(rf"\b{member}\b", text)
                assert known, f"{name}.{member}"
