"""The data folder as other processes see it: who holds it, where its server listens, its credentials.

Kept apart from the server so that `midcall credentials` starts without loading one.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final, TypeVar

import msgspec

SERVER_FILE: Final = "server.json"
CREDENTIALS_FILE: Final = "credentials.json"
LOCK_FILE: Final = "lock"

S = TypeVar("S", bound=msgspec.Struct)


class FolderBusy(Exception):
    """Another server uses the folder. `pid` is None when it did not say."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        who = "another server" if pid is None else f"the server with pid {pid}"
        super().__init__(f"{folder} is in use by {who}; stop it or choose another --data-dir")
        self.pid = pid


class FolderUnusable(Exception):
    """The folder, or a file in it, cannot be used; the text says which and what to do."""


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`server.json`: where the running server is. Written once it is ready, removed when it stops.

    Attributes:
        address: where this machine reaches the TLS port; the plain port is always on 127.0.0.1.
    """

    pid: int
    address: str = "127.0.0.1"
    https_url: str
    http_url: str
    port: int
    http_port: int
    signaling_host: str
    ca_file: str
    mode: str
    version: str


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """`credentials.json`: what the first start made up."""

    account_sid: str
    auth_token: str
    api_key_sid: str
    api_key_secret: str
    application_sid: str


class Folder:
    """One data folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock: int | None = None

    @property
    def certificates(self) -> Path:
        return self.path / "certs"

    @property
    def database(self) -> Path:
        return self.path / "midcall.db"

    @property
    def trace_database(self) -> Path:
        return self.path / "trace.db"

    def take(self) -> None:
        """Make the folder (0700) and hold it until `release` or the process ends.

        Raises:
            FolderBusy: another process holds it.
            FolderUnusable: it cannot be made or written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            lock = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _number(os.pread(lock, 32, 0))
            os.close(lock)
            raise FolderBusy(self.path, holder) from None
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(lock)
            raise self._unusable(error) from None
        self._lock = lock
        # What a killed server left behind would send commands to a port that may be somebody else's by now.
        (self.path / SERVER_FILE).unlink(missing_ok=True)

    def _unusable(self, error: OSError) -> FolderUnusable:
        return FolderUnusable(
            f"the data folder {self.path} cannot be used ({error.strerror}); choose another with --data-dir"
        )

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_held(self) -> bool:
        """Some process holds the folder right now."""
        try:
            lock = os.open(self.path / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False

    def write_server(self, info: ServerInfo) -> None:
        self._write(SERVER_FILE, info)

    def remove_server(self) -> None:
        (self.path / SERVER_FILE).unlink(missing_ok=True)

    def server(self) -> ServerInfo | None:
        """The running server, or None when none is ready."""
        return self._read(SERVER_FILE, ServerInfo) if self.is_held() else None

    def write_credentials(self, credentials: Credentials) -> None:
        self._write(CREDENTIALS_FILE, credentials)

    def credentials(self) -> Credentials | None:
        return self._read(CREDENTIALS_FILE, Credentials)

    def _write(self, name: str, value: msgspec.Struct) -> None:
        """Replace the file in one step, 0600, on the disk when this returns.

        Raises:
            FolderUnusable: it cannot be written; what was there before still is.
        """
        draft = self.path / (name + ".new")
        try:
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path / name)
        except OSError as error:
            raise FolderUnusable(f"{self.path / name} cannot be written: {error.strerror}") from None

    def _read(self, name: str, kind: type[S]) -> S | None:
        path = self.path / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FolderUnusable(f"{path} cannot be read: {error.strerror}") from None
        except msgspec.MsgspecError as error:
            raise FolderUnusable(
                f"{path} is damaged ({error}); restore it, or delete the folder to start anew"
            ) from None


def _number(text: bytes) -> int | None:
    stripped = text.strip()
    return int(stripped) if stripped.isdigit() else None
