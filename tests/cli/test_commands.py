"""The commands around a server: what they print, and how they fail."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jwt
import msgspec
import pytest

import midcall as package
from midcall.cli import alerts, settings, timeline
from midcall.cli.credentials import as_environment
from midcall.cli.rest import printable
from midcall.core.alerts import Alert, Level
from midcall.core.sids import AccountSid, AlertSid, CallSid
from midcall.folder import Credentials
from midcall.wire.resources import alert_resource
from support.processes import ENVIRONMENT, MIDCALL, Folder, Run

ROOT = Path(__file__).parents[2]
KEYS = (
    *("account_sid", "auth_token", "api_key_sid", "api_key_secret", "application_sid"),
    *("https_url", "http_url", "signaling_host", "ca_file", "mode"),
)


@pytest.fixture
def run(program: Run) -> Run:
    """Tests say themselves which data folder a command takes."""
    return program


@pytest.mark.parametrize("command", ["", "serve", "demo", "credentials", "token", "alerts", "timeline", "settings"])
def test_help_shows_no_value_beside_a_switch_and_fits(run: Run, command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.code == 0 and "--help" in done.out
    assert "bool" not in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80


def test_the_module_is_the_program() -> None:
    done = subprocess.run([*MIDCALL, "--version"], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert done.stdout == f"midcall {package.__version__}\n"


@pytest.mark.parametrize("command", ["serve", "demo", "credentials", "token", "alerts", "timeline", "settings"])
def test_each_command_explains_itself_with_an_example(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.code == 0
    assert f"  midcall {command}" in done.out


def test_credentials_as_json_have_the_documented_keys(run: Run, served: Folder) -> None:
    shown = json.loads(run("credentials", "--format", "json", "--data-dir", served.path).out)
    assert tuple(shown) == KEYS
    assert {name: shown[name] for name in KEYS[:5]} == served.credentials
    assert {name: shown[name] for name in KEYS[5:]} == {name: served.info[name] for name in KEYS[5:]}


def test_credentials_as_text_show_each_value(run: Run, served: Folder) -> None:
    shown = run("credentials", MIDCALL_DATA_DIR=str(served.path)).out
    for value in served.credentials.values():
        assert value in shown


def test_credentials_as_environment_can_be_evaluated_by_a_shell(run: Run, served: Folder) -> None:
    exports = run("credentials", "--format", "env", "--data-dir", served.path).out
    script = 'eval "$1"; printenv TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TWILIO_API_KEY TWILIO_API_SECRET'
    shell = subprocess.run(["sh", "-c", script, "sh", exports], capture_output=True, text=True, check=True)
    assert shell.stdout.split() == list(served.credentials.values())[:4]


def test_odd_secrets_are_quoted_for_the_shell() -> None:
    odd = Credentials(account_sid="AC", auth_token="a'b $c", api_key_sid="", api_key_secret="", application_sid="")
    assert "export TWILIO_AUTH_TOKEN='a'\"'\"'b $c'" in as_environment(odd)


@pytest.mark.parametrize(
    "command",
    [["credentials"], ["token", "--identity", "a"], ["alerts"], ["timeline", "CA" + "0" * 32]],
    ids=lambda command: command[0],
)
def test_without_a_server_commands_say_how_to_start_one(run: Run, tmp_path: Path, command: list[str]) -> None:
    done = run(*command)
    assert done.code == 3
    assert "./.midcall" in done.err
    assert done.err.endswith("start one with: midcall serve\n")
    elsewhere = run(*command, "--data-dir", tmp_path / "other")
    assert elsewhere.err.endswith(f"start one with: midcall serve --data-dir {tmp_path}/other\n")


def test_a_damaged_file_of_the_folder_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{}")
    done = run("token", "--identity", "a", "--data-dir", tmp_path)
    assert done.code == 1
    assert f"{tmp_path}/credentials.json is damaged" in done.err


def test_the_token_is_what_the_sdk_takes(run: Run, served: Folder) -> None:
    made = served.credentials
    token = run("token", "--identity", "alice", "--ttl", "60", "--data-dir", served.path).out.strip()
    claims = jwt.decode(token, made["api_key_secret"], algorithms=["HS256"])
    assert (claims["iss"], claims["sub"]) == (made["api_key_sid"], made["account_sid"])
    assert claims["exp"] - claims["nbf"] == 60
    assert claims["grants"] == {
        "identity": "alice",
        "voice": {"incoming": {"allow": True}, "outgoing": {"application_sid": made["application_sid"]}},
    }


def test_a_token_can_be_for_one_direction_or_another_application(run: Run, served: Folder) -> None:
    def voice(*arguments: str) -> object:
        token = run("token", *arguments, "--data-dir", served.path).out.strip()
        return jwt.decode(token, options={"verify_signature": False})["grants"]["voice"]

    application = "AP" + "0" * 32
    assert voice("--no-incoming", "--application-sid", application) == {"outgoing": {"application_sid": application}}
    assert voice("--identity", "bob", "--no-outgoing") == {"incoming": {"allow": True}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ttl", "60"], "add --identity NAME, or --no-incoming"),
        (["--identity", "a b"], "the server would refuse this token"),
        (["--identity", "a", "--application-sid", "AP1"], "AP1 is no application"),
    ],
)
def test_a_token_that_would_be_refused_is_not_made(run: Run, served: Folder, arguments: list[str], said: str) -> None:
    done = run("token", *arguments, "--data-dir", served.path)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_alerts_are_listed_as_text_and_as_json(run: Run, served: Folder) -> None:
    assert run("alerts", "--data-dir", served.path).out == "no alerts\n"
    assert json.loads(run("alerts", "--json", "--data-dir", served.path).out)["alerts"] == []


def test_the_timeline_of_an_unknown_call_is_a_sentence(run: Run, served: Folder) -> None:
    unknown = "CA" + "0" * 32
    done = run("timeline", unknown, "--data-dir", served.path)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"midcall: no call {unknown} is known here; old ones are forgotten\n"


def test_a_refusal_of_the_server_is_told_with_its_codes(run: Run, served: Folder) -> None:
    kept = served.path / "credentials.json"
    made = kept.read_text()
    try:
        kept.write_text(made.replace(json.loads(made)["auth_token"], "f" * 32))
        done = run("alerts", "--data-dir", served.path)
    finally:
        kept.write_text(made)
    assert done.code == 1
    assert "the server refused: " in done.err and "(HTTP 401, code 20003)" in done.err


def test_what_is_no_call_is_refused_before_anybody_is_asked(run: Run) -> None:
    done = run("timeline", "KX" + "0" * 32)
    assert done.code == 2
    assert "a call's sid is CA and 32 hex digits" in done.err


def test_set_needs_a_name_and_a_value(run: Run) -> None:
    done = run("serve", "--set", "drain_s")
    assert done.code == 2
    assert done.err == "midcall: --set drain_s cannot be used: it takes NAME=VALUE, such as --set drain_s=5\n"


def test_an_unusable_setting_stops_the_start_with_one_sentence(run: Run) -> None:
    done = run("serve", MIDCALL_PORT="http")
    assert (done.code, done.out) == (4, "")
    assert done.err == (
        "midcall: port = 'http' (from MIDCALL_PORT) cannot be used: it takes a whole number from 0 to 65535\n"
    )


def test_the_example_file_is_current(run: Run) -> None:
    assert run("settings").out == settings.example_file()
    assert (ROOT / "midcall.example.toml").read_text() == settings.example_file(), "print it: midcall settings"


def test_the_settings_page_is_current() -> None:
    page = ROOT / "docs" / "reference" / "settings.md"
    assert page.read_text() == settings.reference_page(), "print it: midcall settings --format markdown"


def test_a_line_of_a_timeline_is_short_and_cannot_steer_a_terminal() -> None:
    row = timeline.EventRow(at="12:00", kind="webhook.attempt", detail={"url": "http://x/\x1b[2J", "body": "y" * 500})
    shown = printable(timeline.line(row, "CA1"))
    assert "\x1b" not in shown
    assert len(shown) < 200


def test_a_line_of_a_timeline_leaves_away_what_goes_without_saying() -> None:
    row = timeline.EventRow(
        at="12:00", kind="media.up", detail={"call_sid": "CA1", "error": None, "reason": "", "n": 0}
    )
    assert timeline.line(row, "CA1") == "12:00  media.up             n=0"


def test_an_alert_names_its_call_and_its_address() -> None:
    row = alert_resource(
        Alert(
            sid=AlertSid("NO" + "1" * 32),
            account_sid=AccountSid("AC" + "1" * 32),
            call_sid=CallSid("CA" + "1" * 32),
            code=11200,
            level=Level.ERROR,
            reason="refused",
            request_url="http://app/voice",
            at=0.0,
        )
    )
    shown = alerts.line(msgspec.json.decode(msgspec.json.encode(row), type=type(row)))
    assert shown == f"1970-01-01 00:00:00  error    11200  refused  CA{'1' * 32}  http://app/voice"
