"""`midcall account` and `midcall alerts`, against a real server."""

from __future__ import annotations

import json
import time

import pytest

from midcall.cli import alerts
from support.processes import Done, Folder, Run

COMMANDS = [["account", "list"], ["account", "show"], ["alerts", "list"], ["alerts", "tail"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_explains_itself_with_an_example(run: Run, command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.code == 0
    assert f"midcall {' '.join(command)}" in done.out.partition("Examples")[2]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_server_each_command_says_how_to_start_one(run: Run, command: list[str], tmp_path: object) -> None:
    done = run(*command, data_dir=str(tmp_path))
    assert (done.code, done.out) == (3, "")
    assert "start one with: midcall serve" in done.err


def test_the_account_is_listed_and_shown_and_its_token_is_not(run: Run, served: Folder) -> None:
    mine = served.credentials["account_sid"]
    listed, shown = run("account", "list"), run("account", "show")
    assert listed.out.split("\t")[:2] == [mine, "active"]
    assert shown.out.splitlines()[0] == f"account      {mine}"
    as_json = run("account", "show", "--json")
    assert json.loads(as_json.out)["sid"] == mine
    assert run("account", "list", "--json") == as_json
    for done in (listed, shown, as_json):
        assert done.code == 0 and served.credentials["auth_token"] not in done.out


def test_alerts_are_listed_also_when_the_word_is_left_out(run: Run) -> None:
    assert run("alerts", "list") == run("alerts") == Done(0, "no alerts\n", "")
    assert run("alerts", "list", "--call", "CA1").code == run("alerts", "tail", "--call", "CA1").code == 2


def test_alerts_are_followed_oldest_first_until_the_user_stops(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def page(*numbers: int) -> bytes:
        row = {"account_sid": "AC" + "1" * 32, "call_sid": None, "code": 11200, "level": "error", "line": None}
        more = {"request_url": None, "date_created": "Thu, 01 Jan 1970 00:00:00 +0000", "more_info": ""}
        rows = [row | more | {"sid": f"NO{number:032x}", "reason": f"alert {number}"} for number in numbers]
        links = dict.fromkeys(("uri", "first_page_uri"), "/x") | {"next_page_uri": None, "previous_page_uri": None}
        return json.dumps({"alerts": rows, "page": 0, "page_size": 50, "start": 0, "end": 0} | links).encode()

    coming = iter([page(1), page(3, 2, 1), page(3, 2, 1)])
    waits = iter([None, None])

    def wait(_seconds: float) -> None:
        if next(waits, "the user has had enough"):
            raise KeyboardInterrupt

    monkeypatch.setattr(alerts, "_newest", lambda *_: next(coming))
    monkeypatch.setattr(time, "sleep", wait)
    done = run("alerts", "tail")
    assert done.code == 0
    assert [text.rpartition("  ")[2] for text in done.out.splitlines()] == ["alert 2", "alert 3"]
