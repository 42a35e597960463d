"""The commands about messages and deliveries, against a server that has nothing yet; with calls: tests/e2e."""

from __future__ import annotations

import json

import pytest

from midcall.cli import asking, tables
from midcall.cli.failure import Failure
from support.processes import Done, Run

CALL, MESSAGE, REPLAY = "CA" + "0" * 32, "KX" + "0" * 32, "RP" + "0" * 32
SUBSCRIPTION = "ZY" + "0" * 32
NO_CALL = f"no call {CALL} is known here; see: midcall calls list"

COMMANDS = [
    ["messages", "list"],
    ["messages", "show", CALL, MESSAGE],
    ["messages", "tail"],
    ["messages", "send", CALL, "1"],
    ["messages", "export"],
    ["subscriptions", "list"],
    ["deliveries", "list", CALL],
    ["deliveries", "undelivered"],
    ["deliveries", "redeliver", CALL, MESSAGE],
    ["deliveries", "replay", CALL],
    ["deliveries", "replays"],
    ["deliveries", "stop", REPLAY],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_each_command_explains_itself_with_an_example(run: Run, command: list[str]) -> None:
    done = run(*command[:2], "--help")
    assert done.code == 0
    assert f"midcall {command[0]} {command[1]}" in done.out.partition("Examples")[2]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_without_a_server_each_command_says_how_to_start_one(run: Run, command: list[str], tmp_path: object) -> None:
    done = run(*command, data_dir=str(tmp_path))
    assert (done.code, done.out) == (3, "")
    assert "start one with: midcall serve" in done.err


@pytest.mark.parametrize(
    "command", [["messages", "list"], ["messages", "export"], ["subscriptions", "list"], ["deliveries", "undelivered"]]
)
def test_where_nothing_was_said_lists_are_empty(run: Run, command: list[str]) -> None:
    assert run(*command) == Done(0, "", "")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["messages", "list", "--call", CALL], NO_CALL),
        (["messages", "show", CALL, MESSAGE], f"{CALL} has no message {MESSAGE}"),
        (["messages", "send", CALL, "1"], NO_CALL),
        (["messages", "export", "--call", CALL], NO_CALL),
        (["deliveries", "list", CALL], NO_CALL),
        (["deliveries", "replay", CALL], NO_CALL),
        (["deliveries", "replay", CALL, "--subscription", SUBSCRIPTION], f"no such subscription {SUBSCRIPTION}"),
        (["deliveries", "redeliver", CALL, MESSAGE], f"{CALL} has no message {MESSAGE}"),
        (["deliveries", "stop", REPLAY], f"{REPLAY} does not run"),
    ],
)
def test_what_is_not_there_is_named(run: Run, command: list[str], said: str) -> None:
    done = run(*command)
    assert (done.code, done.out) == (1, "")
    assert said in done.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["messages", "show", CALL, CALL], "is no message: a message's sid is KX and 32 hex digits"),
        (["messages", "send", CALL, "hello"], """a text has to be quoted: '"hello"'"""),
        (["messages", "send", CALL, ""], "a message is JSON"),
        (["deliveries", "list", MESSAGE], "is no call"),
        (["deliveries", "stop", CALL], "is no replay"),
        (["deliveries", "replay"], "name a call, or add --undelivered"),
        (["deliveries", "replay", CALL, "--since", "yesterday"], "yesterday is no time"),
        (["deliveries", "replay", CALL, "--subscription", CALL], "is no subscription"),
    ],
)
def test_wrong_usage_is_told_before_anybody_is_asked(run: Run, command: list[str], said: str) -> None:
    done = run(*command)
    assert done.code == 2
    assert said in done.err


def test_nothing_to_replay_is_no_failure(run: Run) -> None:
    assert run("deliveries", "replay", "--undelivered") == Done(0, "", "")
    assert run("deliveries", "replay", "--since", "2h", "--json") == Done(0, "", "")


def test_times_are_ago_or_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    assert asking.moment("2h") == "2023-11-14T20:13:20Z"
    assert asking.moment("2026-01-31T12:00:00Z") == "2026-01-31T12:00:00Z"
    with pytest.raises(Failure):
        asking.moment("2w")


def test_a_terminal_gets_a_table_and_cannot_be_steered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    tables.show(("sid", "content"), [(CALL, json.dumps("x") + "\x1b[2J[bold]")], nothing="nothing")
    shown = capsys.readouterr().out
    assert shown.split()[:2] == ["sid", "content"]
    assert CALL in shown and "[bold]" in shown and "\x1b[2J" not in shown
    tables.show(("sid",), [], nothing="nothing")
    assert capsys.readouterr().out == "nothing\n"


def test_a_pipe_gets_fields_apart_by_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show(("sid", "at"), [("KX1", None), ("KX2", "a\tb")], nothing="nothing")
    assert capsys.readouterr().out == "KX1\t\nKX2\ta\N{REPLACEMENT CHARACTER}b\n"


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_terminal_of_any_width_shows_sids_and_contents_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    cells = ("2026-11-28 21:06:22.691", CALL, "from-client", MESSAGE, None, "delivered", "[bold]hello[/bold]")
    columns = ("accepted", "call", "direction", "message", "resolved by", "state", "content")
    tables.show(columns, [cells, cells], nothing="nothing")
    shown = capsys.readouterr().out
    for cell in cells:
        assert cell is None or shown.count(cell) == 2
    assert len(shown.splitlines()) == (3 if width == 160 else 13)  # a table, or blocks without what says nothing


def test_a_terminal_sees_no_column_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("+14155550100", "PN" + "1" * 32, None, "POST http://localhost:3000/office")]
    columns = ("number", "sid", "attested", "answered by")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    tables.show(columns, rows, nothing="nothing")
    head, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["number", "sid", "answered", "by"]


def test_a_long_line_goes_on_below_its_beginning_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "12:00  " + " ".join(["word"] * 20)
    assert tables.hanging(line, 7) == line
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    first, *others = tables.hanging(line, 7).splitlines()
    assert first.startswith("12:00  word") and others
    assert all(other.startswith(" " * 7 + "word") and len(other) <= 40 for other in others)


def test_times_are_shown_alike_however_the_server_spells_them() -> None:
    assert tables.clock("2026-11-28T21:06:22.691Z") == "2026-11-28 21:06:22.691"
    assert tables.clock("Sat, 28 Nov 2026 21:06:22 +0000") == "2026-11-28 21:06:22"
    assert tables.clock(None) == ""
