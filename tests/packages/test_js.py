"""The npm package and the JavaScript example, checked by their own tools; what those print is shown when they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clients.catalog import NODE_20, path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "packages" / "testing-js"
DESK = ROOT / "examples" / "support_desk_js"

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("MIDCALL", "TWILIO_", "NODE_"))},
    "MIDCALL": str(Path(sys.executable).with_name("midcall")),
    "CHROMIUM": os.environ.get("CHROMIUM", "/usr/bin/chromium"),
    "PATH": path(*[NODE_20] * NODE_20.is_dir()),
    "NO_COLOR": "1",
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("folder", "script"),
    [
        (PACKAGE, "lint"),
        (PACKAGE, "types"),
        (PACKAGE, "unit"),
        (PACKAGE, "server"),
        (PACKAGE, "jest"),
        (PACKAGE, "vitest"),
        (PACKAGE, "playwright"),
        (DESK, "lint"),
        (DESK, "test"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_npm_run(folder: Path, script: str) -> None:
    done = subprocess.run(
        ["npm", "run", "--silent", script],
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout
