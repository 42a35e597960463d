"""The printed pages of the documentation are what the code prints today."""

from __future__ import annotations

from pathlib import Path

import pytest

from midcall.core.errors import RULES
from midcall.rest.catalog import ENDPOINTS
from midcall.rest.reference import PAGES, errors_page, rest_page

DOCS = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_printed_page_is_current(name: str) -> None:
    assert (DOCS / f"{name}.md").read_text() == PAGES[name](), f"run: python -m midcall.rest.reference {name}"


def test_every_rule_and_every_endpoint_has_its_place() -> None:
    assert all(f"`{name}`" in errors_page() for name in RULES)
    assert all(f"### {endpoint.name}\n" in rest_page() for endpoint in ENDPOINTS)
