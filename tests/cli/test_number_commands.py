"""`midcall numbers`, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.processes import Done, Run

OFFICE = "+14155550100"
VOICE = "http://localhost:3000/office"
COMMANDS = [
    ["numbers", "list"],
    ["numbers", "show", OFFICE],
    ["numbers", "add", OFFICE],
    ["numbers", "update", OFFICE, "--voice-url", VOICE],
    ["numbers", "remove", OFFICE],
]


@pytest.fixture
def office(run: Run) -> Iterator[str]:
    """Sid of a number that is there for one test."""
    made = json.loads(run("numbers", "add", OFFICE, "--voice-url", VOICE, "--json").out)
    yield made["sid"]
    run("numbers", "remove", OFFICE)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[1])
def test_each_command_explains_itself_with_an_example(run: Run, command: list[str]) -> None:
    done = run(*command[:2], "--help")
    assert done.code == 0
    assert f"midcall numbers {command[1]}" in done.out.partition("Examples")[2]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[1])
def test_without_a_server_each_command_says_how_to_start_one(run: Run, command: list[str], tmp_path: object) -> None:
    done = run(*command, data_dir=str(tmp_path))
    assert (done.code, done.out) == (3, "")
    assert "start one with: midcall serve" in done.err


def test_a_number_is_added_shown_changed_and_removed(run: Run) -> None:
    assert run("numbers", "list") == Done(0, "", "")
    added = run("numbers", "add", OFFICE, "--voice-url", VOICE, "--stir-status", "TN-Validation-Passed-A")
    assert added.code == 0
    shown = dict(line.split(None, 1) for line in added.out.splitlines() if not line.startswith("answered"))
    assert (shown["number"], shown["attested"]) == (OFFICE, "TN-Validation-Passed-A")
    assert f"answered by  POST {VOICE}" in added.out
    assert run("numbers", "show", OFFICE) == run("numbers", "show", shown["sid"]) == added
    assert run("numbers", "list").out == f"{OFFICE}\t{shown['sid']}\tPassed-A\tPOST {VOICE}\n"
    changed = run("numbers", "update", OFFICE, "--voice-url", "", "--friendly-name", "Night", "--stir-status", "")
    assert "answered by  nobody" in changed.out and "attested" not in changed.out
    assert "name         Night" in changed.out
    assert run("numbers", "list").out == f"{OFFICE}\t{shown['sid']}\t\tnobody\n"
    assert run("numbers", "remove", OFFICE) == Done(0, "", "")
    assert run("numbers", "list") == Done(0, "", "")


def test_an_area_gives_a_number_and_lists_find_it_by_a_part(run: Run, office: str) -> None:
    made = json.loads(run("numbers", "add", "--area-code", "212", "--json").out)
    assert made["phone_number"].startswith("+12125550")
    (line,) = run("numbers", "list", "--part", "1212555", "--json").out.splitlines()
    assert json.loads(line) == made
    assert len(run("numbers", "list").out.splitlines()) == 2
    assert run("numbers", "remove", made["sid"]).code == 0


@pytest.mark.parametrize("command", [["show"], ["update", "--voice-url", VOICE], ["remove"]])
@pytest.mark.parametrize("number", ["+14155550111", "14155550100", "PN" + "0" * 32])
def test_a_number_that_is_not_there_is_named(run: Run, office: str, command: list[str], number: str) -> None:
    done = run("numbers", command[0], number, *command[1:])
    assert (done.code, done.out) == (1, "")
    assert f"the account has no number {number}" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add"], 2, "name a number, like +14155550100, or an area with --area-code"),
        (["add", OFFICE, "--area-code", "415"], 2, "name a number"),
        (["update", OFFICE], 2, "say what to change"),
        (["add", OFFICE, "--stir-status", "A"], 2, "--stir-status"),
        (["add", "4155550100"], 1, "code 21421"),
        (["add", OFFICE], 1, "code 21422"),
        (["add", "+14155550111", "--voice-url", "x"], 1, "code 21205"),
    ],
)
def test_what_cannot_be_done_is_told(run: Run, office: str, arguments: list[str], code: int, said: str) -> None:
    done = run("numbers", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
