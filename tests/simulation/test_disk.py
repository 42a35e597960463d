"""The simulated disk forgets what a real one may forget, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator

import apsw
import pytest

from midcall.storage.sqlite import connect, prepare
from simulation.disk import DATABASE, NAME, SECTOR, Disk, File, Trouble, mount


@pytest.fixture
def disk() -> Disk:
    disk = Disk()
    mount(disk)
    return disk


@pytest.fixture
def db(disk: Disk) -> Iterator[apsw.Connection]:
    db = connect(DATABASE, vfs=NAME, exclusive=True)
    prepare(db)
    db.execute("CREATE TABLE t (x)")
    yield db
    disk.trouble = Trouble.NONE
    db.close()


def rows_after_power_cut(disk: Disk, seed: int) -> int:
    """How many rows the next process finds; the database must be sound."""
    mount(Disk(disk.after_crash(random.Random(seed), power_cut=True)))
    db = connect(DATABASE, vfs=NAME, exclusive=True)
    try:
        assert db.execute("PRAGMA integrity_check").get == "ok"
        found: int = db.execute("SELECT count(*) FROM t").get
        return found
    finally:
        db.close()


def test_synced_bytes_survive_a_power_cut() -> None:
    file = File()
    file.write(0, b"a" * 2 * SECTOR)
    file.sync()
    file.write(0, b"b")
    assert {file.after_power_cut(random.Random(seed))[1:] for seed in range(50)} == {b"a" * (2 * SECTOR - 1)}


def test_bytes_that_were_not_synced_survive_by_sectors_or_torn_or_not_at_all() -> None:
    file = File()
    file.write(0, b"a" * 4 * SECTOR)
    file.sync()
    file.write(0, b"b" * 4 * SECTOR)
    left = [file.after_power_cut(random.Random(seed)) for seed in range(200)]
    assert b"a" * 4 * SECTOR in left
    assert b"b" * 4 * SECTOR in left
    starts = [bytes(content[at] for at in range(0, 4 * SECTOR, SECTOR)) for content in left]
    assert b"abab" in starts
    assert b"bbba" in starts
    assert any(0 < content[:SECTOR].count(b"b") < SECTOR for content in left)


def test_a_killed_process_leaves_all_that_it_wrote() -> None:
    disk = Disk({"/f": b"old"})
    disk.files["/f"].write(0, b"new")
    assert disk.after_crash(random.Random(1), power_cut=False) == {"/f": b"new"}


def test_what_sqlite_committed_survives_every_power_cut(disk: Disk, db: apsw.Connection) -> None:
    for number in range(20):
        db.execute("INSERT INTO t VALUES (?)", (number,))
    assert {rows_after_power_cut(disk, seed) for seed in range(30)} == {20}


def test_without_syncs_sqlite_loses_commits(disk: Disk, db: apsw.Connection) -> None:
    """The disk would notice: this is what `synchronous = FULL` is for."""
    db.execute("PRAGMA synchronous = OFF")
    for number in range(20):
        db.execute("INSERT INTO t VALUES (?)", (number,))
    assert min(rows_after_power_cut(disk, seed) for seed in range(30)) < 20


def test_a_power_cut_in_the_middle_of_a_commit_leaves_it_whole_or_not_at_all(disk: Disk, db: apsw.Connection) -> None:
    found = set()
    for operations in range(1, 25):
        cut: list[int] = []
        disk.on_cut = lambda cut=cut: cut.append(1)  # type: ignore[misc]
        before = db.execute("SELECT count(*) FROM t").get
        disk.arm(operations)
        with db:
            for number in range(50):
                db.execute("INSERT INTO t VALUES (?)", (f"{number}" * 50,))
        disk.fuse = None
        if cut:
            found |= {rows_after_power_cut(disk, seed) - before for seed in range(20)}
        disk._cut = None
        mount(disk)
    assert found == {0, 50}


def test_a_full_disk_and_a_broken_one_are_errors_that_pass(disk: Disk, db: apsw.Connection) -> None:
    disk.trouble = Trouble.FULL
    with pytest.raises(apsw.FullError):
        db.execute("INSERT INTO t VALUES (1)")
    disk.trouble = Trouble.BROKEN
    disk.rng = random.Random(3)
    with pytest.raises(apsw.IOError):
        for _ in range(50):
            db.execute("INSERT INTO t VALUES (1)")
    disk.trouble = Trouble.NONE
    before = db.execute("SELECT count(*) FROM t").get
    db.execute("INSERT INTO t VALUES (1)")
    assert rows_after_power_cut(disk, 1) == before + 1
    mount(disk)
