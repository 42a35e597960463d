"""A disk in memory under SQLite: it knows what was synced and what was only written, and forgets as real ones do.

When the power goes, every sector written since the last sync of its file may be there, or not, or torn, each by itself,
whatever came later. When only the process is killed, everything written stays: the system's cache has it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import apsw

SECTOR: Final = 512
NAME: Final = "simulated-disk"
DATABASE: Final = "/midcall.db"

_OK_FLAGS: Final = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class Trouble(Enum):
    """What the disk refuses for a while."""

    NONE = "none"
    FULL = "full"
    """No file grows."""
    BROKEN = "broken"
    """Writes and syncs fail; a failed sync may have forgotten what it was to write."""


@dataclass(slots=True)
class File:
    """One file.

    Attributes:
        durable: what a power cut leaves for certain.
        live: what reads see.
        pending: changes since the last sync: (offset, bytes), or (length, None) where the file was cut.
        listed: the folder's entry is durable.
    """

    durable: bytearray = field(default_factory=bytearray)
    live: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    listed: bool = False

    def write(self, offset: int, data: bytes) -> None:
        _write(self.live, offset, data)
        self.pending.append((offset, data))

    def truncate(self, length: int) -> None:
        del self.live[length:]
        self.pending.append((length, None))

    def sync(self) -> None:
        for offset, data in self.pending:
            if data is None:
                del self.durable[offset:]
            else:
                _write(self.durable, offset, data)
        self.pending.clear()
        self.listed = True

    def after_power_cut(self, rng: random.Random) -> bytes:
        """What is found when the power comes back."""
        left = bytearray(self.durable)
        share = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        changes = [
            piece
            for offset, data in self.pending
            for piece in ([(offset, None)] if data is None else _sectors(offset, data))
        ]
        kept = [change for change in changes if rng.random() < share]
        if rng.random() < 0.3:
            rng.shuffle(kept)
        for offset, data in kept:
            if data is None:
                del left[offset:]
            elif rng.random() < 0.05:
                _write(left, offset, data[: rng.randrange(len(data))])
            elif rng.random() < 0.02:
                _write(left, offset, rng.randbytes(len(data)))
            else:
                _write(left, offset, data)
        return bytes(left)


class Disk:
    """All files, and the ways in which they fail."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = {path: File(bytearray(data), bytearray(data), listed=True) for path, data in (files or {}).items()}
        self.trouble = Trouble.NONE
        self.rng = random.Random(0)
        self.fuse: int | None = None
        self.on_cut: Callable[[], None] = lambda: None
        self._cut: dict[str, File] | None = None
        self.writes = self.syncs = 0

    def arm(self, operations: int) -> None:
        """Cut the power after so many further writes and syncs."""
        self.fuse = operations

    def tick(self) -> None:
        """One operation has been done."""
        if self.fuse is None:
            return
        self.fuse -= 1
        if self.fuse <= 0:
            self.fuse = None
            # SQLite goes on in the call that it is in, on files that nobody will see again.
            self._cut = {
                path: File(bytearray(file.durable), bytearray(file.live), list(file.pending), file.listed)
                for path, file in self.files.items()
            }
            self.on_cut()

    def after_crash(self, rng: random.Random, *, power_cut: bool) -> dict[str, bytes]:
        """The files as the next process finds them."""
        files = self._cut or self.files
        if not power_cut:
            return {path: bytes(file.live) for path, file in files.items()}
        return {path: file.after_power_cut(rng) for path, file in files.items() if file.listed or rng.random() < 0.5}

    def check_write(self, file: File, end: int) -> None:
        if self.trouble is Trouble.FULL and end > len(file.live):
            raise apsw.FullError("the disk is full")
        if self.trouble is Trouble.BROKEN and self.rng.random() < 0.5:
            raise apsw.IOError("the disk does not write")

    def check_sync(self, file: File) -> None:
        if self.trouble is Trouble.BROKEN and self.rng.random() < 0.5:
            if self.rng.random() < 0.5:
                file.pending.clear()  # the system has marked the pages clean; they never get to the disk
            raise apsw.IOError("the disk does not sync")


class FileSystem(apsw.VFS):
    """SQLite's way to the disk that is mounted now."""

    def __init__(self) -> None:
        self.disk = Disk()
        super().__init__(NAME, "")

    def xOpen(self, name, flags):  # type: ignore[no-untyped-def]
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return _OpenFile(self.disk, self.disk.files.setdefault(path, File()))

    def xDelete(self, filename, syncdir):  # type: ignore[no-untyped-def]
        self.disk.files.pop(filename, None)
        self.disk.tick()

    def xAccess(self, pathname, flags):  # type: ignore[no-untyped-def]
        return pathname in self.disk.files

    def xFullPathname(self, name):  # type: ignore[no-untyped-def]
        return name


class _OpenFile:
    """What SQLite does with a file. There is one connection, so locks are always free."""

    def __init__(self, disk: Disk, file: File) -> None:
        self._disk = disk
        self._file = file

    def xRead(self, amount, offset):  # type: ignore[no-untyped-def]
        return bytes(self._file.live[offset : offset + amount])

    def xWrite(self, data, offset):  # type: ignore[no-untyped-def]
        self._disk.check_write(self._file, offset + len(data))
        self._file.write(offset, bytes(data))
        self._disk.writes += 1
        self._disk.tick()

    def xTruncate(self, length):  # type: ignore[no-untyped-def]
        self._file.truncate(length)
        self._disk.tick()

    def xSync(self, flags):  # type: ignore[no-untyped-def]
        self._disk.check_sync(self._file)
        self._file.sync()
        self._disk.syncs += 1
        self._disk.tick()

    def xFileSize(self):  # type: ignore[no-untyped-def]
        return len(self._file.live)

    def xLock(self, level):  # type: ignore[no-untyped-def]
        return None

    def xUnlock(self, level):  # type: ignore[no-untyped-def]
        return None

    def xCheckReservedLock(self):  # type: ignore[no-untyped-def]
        return False

    def xFileControl(self, operation, pointer):  # type: ignore[no-untyped-def]
        return False

    def xSectorSize(self):  # type: ignore[no-untyped-def]
        return 4096

    def xDeviceCharacteristics(self):  # type: ignore[no-untyped-def]
        # As SQLite assumes on Linux: a torn write does no harm to bytes beside it.
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xClose(self):  # type: ignore[no-untyped-def]
        return None


_mounted: FileSystem | None = None


def mount(disk: Disk) -> None:
    """Let connections that are opened from now on use this disk."""
    global _mounted
    if _mounted is None:
        _mounted = FileSystem()
    _mounted.disk = disk


def _write(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _sectors(offset: int, data: bytes) -> list[tuple[int, bytes | None]]:
    """A write as the sectors that it touches."""
    pieces: list[tuple[int, bytes | None]] = []
    at = 0
    while at < len(data):
        length = min(SECTOR - (offset + at) % SECTOR, len(data) - at)
        pieces.append((offset + at, data[at : at + length]))
        at += length
    return pieces
