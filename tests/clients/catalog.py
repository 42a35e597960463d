"""Every official client in the table: which version, and how its programs are started."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from clients.client import Client

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "clients"

NODE_20 = HERE / "node" / "runtime" / "node_modules" / ".bin"
"""Where scripts/deps.sh has put a Node of its own, because the system's is too old for the newest clients."""

WITHOUT_LIBRARY = {
    "token": "it makes no access tokens",
    "JSON signature": "it has no validator of signatures",
    "form signature": "it has no validator of signatures",
}


def python(python: Path, version: str, *, asynchronous: bool = False) -> Client:
    """The library in the environment of a Python."""
    folder = HERE / "python"
    return Client(
        "Python, asynchronous" if asynchronous else "Python",
        version,
        (str(python), str(folder / "operations.py"), *(["--asynchronous"] if asynchronous else [])),
        (str(python), str(folder / "sample.py")),
    )


def path(*folders: Path) -> str:
    """`PATH` with the folders before the system's."""
    return os.pathsep.join([*map(str, folders), os.environ["PATH"]])


def node(programs: Path, package: Path, *before: Path) -> Client:
    """The library that a package names.

    Node looks for a library beside the program. `minimum` therefore has links to the programs, and this flag makes Node
    take the link's place for the program's; the version that the program reports shows that it did.
    """
    command = ("node", "--preserve-symlinks-main")
    operations, sample = (*command, str(programs / "operations.js")), (*command, str(programs / "sample.js"))
    return Client("Node", dependency(package, "twilio"), operations, sample, variables={"PATH": path(*before)})


def cli(package: Path, *before: Path) -> Client:
    """The CLI that a package names."""
    return Client(
        "CLI",
        dependency(package, "twilio-cli"),
        (sys.executable, str(HERE / "cli" / "operations.py")),
        (str(HERE / "cli" / "sample.sh"),),
        variables={
            "PATH": path(package / "node_modules" / ".bin", *before),
            "HOME": str(BUILD / "cli-home"),  # it keeps notes in ~/.twilio-cli
            "TWILIO_DISABLE_AUTOUPDATE": "true",
            "TWILIO_SKIP_NEW_VERSION_CHECK": "true",
        },
        not_applicable=WITHOUT_LIBRARY,
    )


def java(name: str, version: str) -> Client:
    """The library that scripts/clients-deps.sh compiled the programs with."""
    folder = BUILD / f"java-{name}"
    command = ("java", "-XX:TieredStopAtLevel=1", "-cp", f"{folder / 'classes'}{os.pathsep}{folder / 'lib' / '*'}")
    return Client("Java", version, (*command, "Operations"), (*command, "Sample"))


def go(name: str, version: str) -> Client:
    """The library that scripts/clients-deps.sh built the programs with."""
    folder = BUILD / f"go-{name}"
    return Client("Go", version, (str(folder / "operations"),), (str(folder / "sample"),))


def dependency(package: Path, name: str) -> str:
    """The version that a package.json asks for."""
    return str(json.loads((package / "package.json").read_bytes())["dependencies"][name])


OLD_PYTHON = BUILD / "python-minimum" / "bin" / "python"
PYTHON = [
    python(Path(sys.executable), version("twilio")),
    python(Path(sys.executable), version("twilio"), asynchronous=True),
    python(OLD_PYTHON, "7.15.1"),
    replace(
        python(OLD_PYTHON, "7.15.1", asynchronous=True),
        unavailable="ModuleNotFoundError: No module named 'twilio.http.async_http_client'",
    ),
]
NODE = [node(HERE / "node", HERE, NODE_20), node(HERE / "node" / "minimum", HERE / "node" / "minimum")]
CLI = [cli(HERE / "cli" / "newest", NODE_20), cli(HERE / "cli" / "minimum")]
CURL = Client(
    "curl",
    None,
    (sys.executable, str(HERE / "curl" / "operations.py")),
    (str(HERE / "curl" / "sample.sh"),),
    not_applicable=WITHOUT_LIBRARY,
)
JAVA = [java("newest", "13.0.1"), java("minimum", "9.1.1")]
GO = [go("newest", "1.31.0"), go("minimum", "1.1.1")]

ALL = [*PYTHON, *NODE, *CLI, CURL, *JAVA, *GO]

RECORDED = {"PHP": "twilio-php", "Ruby": "twilio-ruby", "C#": "twilio-csharp"}
"""Libraries that are not run: by their name in the table, that in the record of their requests."""
