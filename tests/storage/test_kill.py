"""kill -9 at any moment: what was acknowledged is there, in order and without gaps."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from midcall.core.messages import Log
from midcall.storage.sqlite import SqliteStore
from support.records import LEG, NOW, subscription_sid

CHILD = Path(__file__).with_name("writer_process.py")


def acknowledged_until_killed(path: Path, lines: int) -> dict[int, str]:
    """Let a child append until it has acknowledged so many messages, kill it, and return all that it acknowledged."""
    environment = {**os.environ, "PYTHONPATH": str(CHILD.parent.parent)}
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    with child.stdout as output:
        printed = [output.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        printed += output.readlines()
    assert child.wait() == -signal.SIGKILL
    complete = [line.split() for line in printed if line.endswith("\n")]
    return {int(seq): sid for seq, sid in complete}


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "midcall.db"
    acknowledged = acknowledged_until_killed(path, random.Random(seed).randint(1, 1500))
    store = SqliteStore.open(path)
    entries = await store.entries_after(LEG, Log.FROM_CLIENT, 0, 10**6)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    kept = {entry.seq: entry.sid for entry in entries}
    assert acknowledged.items() <= kept.items()
    assert len({entry.sid for entry in entries}) == len(entries)
    turn = await store.claim(subscription_sid(), now=NOW, lease_until=NOW + 30)
    assert turn is not None
    assert turn.entry == entries[0]
    await store.close()
