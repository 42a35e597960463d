"""The data folder: held by one, read by many, never half written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from msgspec import structs

from midcall.folder import Credentials, Folder, FolderBusy, FolderUnusable, ServerInfo

INFO = ServerInfo(
    pid=1,
    https_url="https://localhost:1",
    http_url="http://127.0.0.1:2",
    port=1,
    http_port=2,
    signaling_host="localhost:1",
    ca_file="/ca.pem",
    mode="dev",
    version="1",
)


def test_a_folder_that_is_held_cannot_be_taken_until_it_is_released(tmp_path: Path) -> None:
    first, second = Folder(tmp_path), Folder(tmp_path)
    first.take()
    with pytest.raises(FolderBusy, match="stop it or choose another --data-dir"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_a_server_is_believed_only_while_the_folder_is_held(tmp_path: Path) -> None:
    server, command = Folder(tmp_path), Folder(tmp_path)
    assert command.server() is None
    server.take()
    assert command.server() is None
    server.write_server(INFO)
    assert command.server() == INFO
    server.release()
    assert command.server() is None


def test_taking_a_folder_removes_what_a_killed_server_said(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.take()
    folder.write_server(INFO)
    folder.release()
    folder.take()
    assert folder.server() is None
    folder.release()


def test_asking_whether_it_is_held_makes_nothing(tmp_path: Path) -> None:
    assert not Folder(tmp_path / "none").is_held()
    assert not (tmp_path / "none").exists()


def test_credentials_are_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for number in ("1", "2"):
        made = Credentials(
            account_sid=number, auth_token=number, api_key_sid=number, api_key_secret=number, application_sid=number
        )
        folder.write_credentials(made)
        assert folder.credentials() == made
    assert [path.name for path in tmp_path.iterdir()] == ["credentials.json"]


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")
    with pytest.raises(FolderUnusable, match=r"credentials\.json is damaged .* restore it, or delete the folder"):
        Folder(tmp_path).credentials()


def full_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_and_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    folder.take()
    folder.write_server(INFO)
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(FolderUnusable, match=r"server\.json cannot be written: No space left on device"):
        folder.write_server(structs.replace(INFO, port=2))
    assert folder.server() == INFO
    folder.release()


def test_a_full_disk_at_the_lock_is_told_in_a_sentence_and_lets_the_next_one_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full_disk)
        with pytest.raises(FolderUnusable, match=r"cannot be used \(No space left on device\)"):
            Folder(tmp_path).take()
    folder = Folder(tmp_path)
    folder.take()
    folder.release()
