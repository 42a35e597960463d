"""Disks that a test can fill and free while a server works on them."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from crash.victim import Victim

SIZE: Final = "48m"
CHUNK: Final = bytes(64 * 1024)


class Disk(Protocol):
    """Where a data folder lies."""

    @property
    def kind(self) -> str:
        """In words, for the report."""

    @property
    def data_dir(self) -> Path: ...

    def fill(self, victim: Victim) -> None:
        """From now on nothing can be written."""

    def free(self, victim: Victim) -> None:
        """There is room again."""

    def limits(self) -> Callable[[], None] | None:
        """What a server has to be started with so that the disk is full from its beginning."""


@dataclass(slots=True)
class SmallDisk:
    """A file system of its own in memory, filled to the last byte by a ballast file."""

    mount_point: Path
    kind: str = "a small tmpfs, filled to the last byte"

    @property
    def data_dir(self) -> Path:
        return self.mount_point / "data"

    @property
    def _ballast(self) -> Path:
        return self.mount_point / "ballast"

    def fill(self, victim: Victim) -> None:
        size = len(CHUNK)
        with self._ballast.open("ab", buffering=0) as file:
            while size:
                try:
                    file.write(CHUNK[:size])
                except OSError:
                    size //= 2

    def free(self, victim: Victim) -> None:
        self._ballast.unlink(missing_ok=True)

    def limits(self) -> Callable[[], None] | None:
        return None


@dataclass(slots=True)
class LimitedDisk:
    """Where no file system may be mounted: the kernel refuses the server every write to a file (EFBIG)."""

    data_dir: Path
    kind: str = "a limit on the size of the server's files"

    def fill(self, victim: Victim) -> None:
        self._limit(victim, 1)

    def free(self, victim: Victim) -> None:
        self._limit(victim, resource.RLIM_INFINITY)

    def limits(self) -> Callable[[], None] | None:
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def _limit(self, victim: Victim, size: int) -> None:
        assert victim.process is not None
        if victim.process.returncode is None:
            resource.prlimit(victim.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def fillable_disk(scratch: Path) -> Iterator[Disk]:
    """A small file system where this process may mount one, the limit elsewhere."""
    mount_point = scratch / "disk"
    mount_point.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "midcall-crash", str(mount_point)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        yield LimitedDisk(scratch / "data")
        return
    try:
        yield SmallDisk(mount_point)
    finally:
        subprocess.run(["umount", "--lazy", str(mount_point)], check=True)
