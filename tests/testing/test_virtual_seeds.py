"""The same seed gives the same run, to the byte; this is promised for applications that are all async."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from midcall.testing import virtual
from support import virtual_story


def told(seed: str, hash_seed: str) -> bytes:
    """The story's timeline, told by a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run(
        [sys.executable, virtual_story.__file__, seed], env=environment, capture_output=True, check=True, timeout=50
    )
    return run.stdout


@pytest.mark.timeout(180)  # three processes that import everything
def test_a_seed_decides_an_hour_to_the_byte_whatever_python_hashes() -> None:
    once = told("7", "0")
    assert b"the end" in once
    assert len(once.splitlines()) > 500
    assert told("7", "1") == once
    assert told("8", "0") != once


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning")
def test_what_ran_before_in_the_process_changes_nothing() -> None:
    assert virtual.run(virtual_story.story(), seed="7") == virtual.run(virtual_story.story(), seed="7")
