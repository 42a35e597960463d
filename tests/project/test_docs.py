"""Pages point at pages, headings and code that exist, in words that anybody may read."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLACE = re.compile(r"`([a-z_/]+\.py): ([A-Za-z_.]+)`")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def names(source: str) -> set[str]:
    """Functions, classes and `Class.method` of a module."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if hasattr(part, "name")}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_that_a_page_names_is_there(page: Path) -> None:
    for file, name in PLACE.findall(page.read_text(encoding="utf-8")):
        assert name in names((ROOT / "src/midcall" / file).read_text(encoding="utf-8")), f"{file}: {name}"


def test_the_walk_of_a_message_names_its_stops() -> None:
    walk = (ROOT / "docs/explanation/logs-and-cursors.md").read_text(encoding="utf-8")
    assert len(PLACE.findall(walk)) >= 15


def test_decisions_are_numbered_once_and_listed() -> None:
    files = sorted(path.name for path in (ROOT / "docs/decisions").glob("0*.md"))
    assert [name[:4] for name in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    listed = re.findall(r"\]\((0[^)]+)\)", (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8"))
    assert listed == files
    for name in files:
        first = (ROOT / "docs/decisions" / name).read_text(encoding="utf-8").splitlines()[0]
        assert re.match(rf"# {name[:4]} [A-Z`a-z]", first), first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_the_marks_of_an_unfinished_merge(page: Path) -> None:
    assert not re.search(r"^(<{7}|>{7}) ", page.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for target in re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8")):
            if not re.match(r"https?:", target):
                todo.append((page.parent / target).resolve())
    assert set(PAGES) <= seen, sorted(str(page.relative_to(ROOT)) for page in set(PAGES) - seen)


def test_no_file_names_a_machine_or_a_registry() -> None:
    # Written in pieces, so that this file does not find itself.
    strange = "|".join(["/wo" + "rk/", "/home/" + "[a-z]", "registry." + "npmjs", "pypi" + r"\.org", "index" + "-url"])
    found = subprocess.run(
        ["git", "grep", "-nIE", strange, "--", ".", ":!scripts/lock.sh"], cwd=ROOT, capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (1, ""), found.stdout + found.stderr
