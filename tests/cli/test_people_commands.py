"""`midcall people`, against a real server."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from midcall.cli import people
from support.processes import Done, Run

PHONE = "+14155550123"
COMMANDS = [
    ["people", "list"],
    ["people", "add", "bob"],
    ["people", "call", "bob", "alice"],
    ["people", "remove", "bob"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[1])
def test_each_command_explains_itself_with_an_example(run: Run, command: list[str]) -> None:
    done = run(*command[:2], "--help")
    assert done.code == 0
    assert f"midcall people {command[1]}" in done.out.partition("Examples")[2]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[1])
def test_without_a_server_each_command_says_how_to_start_one(run: Run, command: list[str], tmp_path: object) -> None:
    done = run(*command, data_dir=str(tmp_path))
    assert (done.code, done.out) == (3, "")
    assert "start one with: midcall serve" in done.err


def test_people_come_are_listed_call_and_leave(run: Run) -> None:
    assert run("people", "list") == Done(0, "", "")
    added = run("people", "add", "bob", "--answers", "--says", "hello", "--hangs-up-after", "5s")
    assert added.out == "name         bob\nreached as   client:bob\nstatus       registered\n"
    phone = json.loads(run("people", "add", "dan", "--number", PHONE, "--rejects", "--json").out)
    assert (phone["number"], phone["identity"]) == (PHONE, None)
    assert run("people", "call", "bob", "alice", "--param", "topic=billing").out == "bob-1\n"
    assert run("people", "list").out == f"bob\tclient:bob\tregistered\t1\ndan\t{PHONE}\tregistered\t0\n"
    for name in ("bob", "dan"):
        assert run("people", "remove", name) == Done(0, "", "")
    assert run("people", "list") == Done(0, "", "")


def test_what_cannot_be_is_said(run: Run) -> None:
    gone = run("people", "remove", "nobody")
    assert (gone.code, gone.err) == (1, "midcall: no virtual person is called nobody; see: midcall people list\n")
    assert run("people", "add", "bob", "--answers", "--rejects").code == 2
    assert run("people", "add", "bob", "--says", "hello", "--tone", "440").code == 2
    assert run("people", "call", "bob", "alice", "--param", "topic").code == 2
    refused = run("people", "add", "dan", "--number", "555")
    assert refused.code == 1 and "is no number in E.164 format" in refused.err


@pytest.mark.parametrize(("words", "media"), [(("--says", "hello"), "none"), (("--tone", "440"), None)])
def test_who_says_a_label_has_no_media_also_where_the_server_has_some(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, str], media: str | None
) -> None:
    asked: list[dict[str, object]] = []

    def send(server: object, credentials: object, path: str, document: dict[str, object], *, missing: str) -> bytes:
        asked.append(document)
        return b"{}"

    monkeypatch.setattr(people.rest, "send", send)
    monkeypatch.setattr(people.Asking, "of", lambda data_dir: SimpleNamespace(server=None, credentials=None))
    result = CliRunner().invoke(people.group, ["add", "bob", *words, "--json"])
    assert result.exit_code == 0, result.output
    assert [document.get("media") for document in asked] == [media]
