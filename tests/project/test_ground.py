"""What the repository promises to whoever clones it."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import midcall

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.txt", "requirements-build.txt", "requirements-dev.txt", "tests/clients/python/minimum.txt"]
NPM_FOLDERS = [
    "tests/e2e/browser",
    "tests/clients",
    "tests/clients/node/minimum",
    "tests/clients/node/runtime",
    "tests/clients/cli/newest",
    "tests/clients/cli/minimum",
    "packages/testing-js",
    "examples/support_desk_js",
]


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {name.lower(): version for name, version in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_holds_versions_and_hashes_and_names_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"https?:|--(index|extra|find)|@ file", text)
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=[a-z0-9])", text))


def test_the_lock_files_agree_with_each_other() -> None:
    everything = pins("requirements-dev.txt")
    assert pins("requirements.txt").items() <= everything.items()
    assert pins("requirements-build.txt").items() <= everything.items()


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = list(project["project"]["dependencies"])
    for group in project["dependency-groups"].values():
        declared += [entry for entry in group if isinstance(entry, str)]
    declared += project["project"]["optional-dependencies"]["testing"]
    names = {re.split(r"[\[<>=~;! ]", entry, maxsplit=1)[0].lower() for entry in declared}
    assert names <= pins("requirements-dev.txt").keys()


@pytest.mark.parametrize("folder", NPM_FOLDERS)
def test_an_npm_lock_names_no_registry_and_pins_exactly(folder: str) -> None:
    lock = json.loads((ROOT / folder / "package-lock.json").read_text())
    # A link is a folder of this repository.
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry and not entry.get("link")]
    package = json.loads((ROOT / folder / "package.json").read_text())
    kinds = ("dependencies", "devDependencies", "optionalDependencies")
    everything = {name: version for kind in kinds for name, version in package.get(kind, {}).items()}
    wanted = {name: version for name, version in everything.items() if not version.startswith("file:")}
    pinned = {name: version.rpartition("@")[2] for name, version in wanted.items()}  # npm:name@version is an alias
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == pinned


@pytest.mark.parametrize("name", ["go", "minimum"])
def test_a_go_module_pins_the_library_and_locks_what_it_needs(name: str) -> None:
    folder = ROOT / "tests/clients/go"
    wanted = re.findall(r"(\S+/\S+) (v\S+)", (folder / f"{name}.mod").read_text())
    locked = (folder / f"{name}.sum").read_text()
    assert wanted
    assert all(f"{module} {version} h1:" in locked for module, version in wanted)


def test_maven_which_has_no_lock_gets_exact_versions() -> None:
    versions = re.findall(r"version>(.*?)</", (ROOT / "tests/clients/java/pom.xml").read_text())
    assert len(versions) >= 5
    assert all(re.fullmatch(r"[\d.]+|\$\{twilio\.version\}", version) for version in versions)


def test_the_version_is_one_number() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", midcall.__version__)


def test_make_alone_lists_the_targets() -> None:
    listing = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20).stdout
    for target in (
        "demo",
        "test",
        "deps",
        "check",
        "fmt",
        "unit",
        "e2e",
        "conformance",
        "js",
        "clients",
        "lock",
        "clean",
    ):
        assert re.search(rf"^  make {target}\b", listing, re.MULTILINE), target
