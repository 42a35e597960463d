"""Every benchmark runs, with counts too small to measure anything. What they find is never judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["messages", "idle", "calls", "startup", "stored"])
def test_a_benchmark_runs_and_prints_its_table(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/run.py", "--quick", "--only", name, "--results", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "| measured" in ran.stdout
    assert (tmp_path / f"{name}.json").exists()
