"""The commands around a server: what they print, and how they fail."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import jwt
import pytest

import midcall as package
from midcall.cli import alerts, settings, timeline
from midcall.cli.credentials import as_environment
from midcall.cli.rest import printable
from midcall.folder import Credentials
from support.processes import Midcall, Serve

ROOT = Path(__file__).parents[2]
KEYS = [
    *("account_sid", "auth_token", "api_key_sid", "api_key_secret", "application_sid"),
    *("https_url", "http_url", "signaling_host", "ca_file", "mode"),
]


async def test_the_version_is_printed(midcall: Midcall) -> None:
    done = await midcall("--version")
    assert (done.code, done.out) == (0, f"midcall {package.__version__}\n")


@pytest.mark.parametrize("command", ["serve", "demo", "credentials", "token", "alerts", "timeline", "settings"])
async def test_each_command_explains_itself_with_an_example(midcall: Midcall, command: str) -> None:
    done = await midcall(command, "--help", COLUMNS="120")
    assert done.code == 0
    assert f"  midcall {command}" in done.out


async def test_credentials_as_json_have_the_documented_keys(midcall: Midcall, serve: Serve) -> None:
    served = await serve()
    done = await midcall("credentials", "--format", "json", "--data-dir", str(served.data_dir))
    shown = json.loads(done.out)
    assert list(shown) == KEYS
    assert {name: shown[name] for name in KEYS[5:]} == {name: served.info[name] for name in KEYS[5:]}


async def test_credentials_as_text_show_each_value(midcall: Midcall, serve: Serve) -> None:
    served = await serve()
    done = await midcall("credentials", MIDCALL_DATA_DIR=str(served.data_dir))
    for value in json.loads((served.data_dir / "credentials.json").read_text()).values():
        assert value in done.out


async def test_credentials_as_environment_can_be_evaluated_by_a_shell(midcall: Midcall, serve: Serve) -> None:
    served = await serve()
    done = await midcall("credentials", "--format", "env", "--data-dir", str(served.data_dir))
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'eval "$1"; printenv TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TWILIO_API_KEY TWILIO_API_SECRET'),
        *("sh", done.out),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await shell.communicate()
    made = json.loads((served.data_dir / "credentials.json").read_text())
    assert out.decode().split() == [
        *(made[name] for name in ("account_sid", "auth_token", "api_key_sid", "api_key_secret")),
    ]


def test_odd_secrets_are_quoted_for_the_shell() -> None:
    odd = Credentials(account_sid="AC", auth_token="a'b $c", api_key_sid="", api_key_secret="", application_sid="")
    assert "export TWILIO_AUTH_TOKEN='a'\"'\"'b $c'" in as_environment(odd)


@pytest.mark.parametrize(
    "command", [["credentials"], ["token", "--identity", "a"], ["alerts"], ["timeline", "CA" + "0" * 32]]
)
async def test_without_a_server_commands_say_how_to_start_one(
    midcall: Midcall, tmp_path: Path, command: list[str]
) -> None:
    done = await midcall(*command)
    assert done.code == 3
    assert "./.midcall" in done.err
    assert done.err.endswith("start one with: midcall serve\n")
    elsewhere = await midcall(*command, "--data-dir", str(tmp_path / "other"))
    assert elsewhere.err.endswith(f"start one with: midcall serve --data-dir {tmp_path}/other\n")


async def test_the_token_is_what_the_sdk_takes(midcall: Midcall, serve: Serve) -> None:
    served = await serve()
    made = json.loads((served.data_dir / "credentials.json").read_text())
    done = await midcall("token", "--identity", "alice", "--ttl", "60", "--data-dir", str(served.data_dir))
    claims = jwt.decode(done.out.strip(), made["api_key_secret"], algorithms=["HS256"])
    assert (claims["iss"], claims["sub"]) == (made["api_key_sid"], made["account_sid"])
    assert claims["exp"] - claims["nbf"] == 60
    assert claims["grants"] == {
        "identity": "alice",
        "voice": {"incoming": {"allow": True}, "outgoing": {"application_sid": made["application_sid"]}},
    }


async def test_a_token_can_be_for_one_direction_or_another_application(midcall: Midcall, serve: Serve) -> None:
    folder = ("--data-dir", str((await serve()).data_dir))
    application = "AP" + "0" * 32
    outgoing = await midcall("token", "--no-incoming", "--application-sid", application, *folder)
    incoming = await midcall("token", "--identity", "bob", "--no-outgoing", *folder)

    def voice(token: str) -> object:
        return jwt.decode(token.strip(), options={"verify_signature": False})["grants"]["voice"]

    assert voice(outgoing.out) == {"outgoing": {"application_sid": application}}
    assert voice(incoming.out) == {"incoming": {"allow": True}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ttl", "60"], "add --identity NAME, or --no-incoming"),
        (["--identity", "a b"], "the server would refuse this token"),
        (["--identity", "a", "--application-sid", "AP1"], "AP1 is no application"),
    ],
)
async def test_a_token_that_would_be_refused_is_not_made(
    midcall: Midcall, serve: Serve, arguments: list[str], said: str
) -> None:
    done = await midcall("token", *arguments, "--data-dir", str((await serve()).data_dir))
    assert (done.code, done.out) == (2, "")
    assert said in done.err


async def test_alerts_are_listed_as_text_and_as_json(midcall: Midcall, serve: Serve) -> None:
    folder = ("--data-dir", str((await serve()).data_dir))
    assert (await midcall("alerts", *folder)).out == "no alerts\n"
    assert json.loads((await midcall("alerts", "--json", *folder)).out)["alerts"] == []


async def test_the_timeline_of_an_unknown_call_is_refused_by_the_server(midcall: Midcall, serve: Serve) -> None:
    done = await midcall("timeline", "CA" + "0" * 32, "--data-dir", str((await serve()).data_dir))
    assert done.code == 1
    assert "the server refused: " in done.err
    assert "(HTTP 404, code 20404)" in done.err


async def test_what_is_no_call_is_refused_before_anybody_is_asked(midcall: Midcall) -> None:
    done = await midcall("timeline", "KX" + "0" * 32)
    assert done.code == 2
    assert "a call's sid is CA and 32 hex digits" in done.err


async def test_set_needs_a_name_and_a_value(midcall: Midcall) -> None:
    done = await midcall("serve", "--set", "drain_s")
    assert (done.code, done.err) == (
        2,
        "midcall: --set drain_s cannot be used: it takes NAME=VALUE, such as --set drain_s=5\n",
    )


async def test_a_reader_that_stops_early_is_no_error(midcall: Midcall, tmp_path: Path) -> None:
    done = await midcall("settings")
    assert done.code == 0
    assert done.out == settings.example_file()


def test_the_example_file_is_current() -> None:
    assert (ROOT / "midcall.example.toml").read_text() == settings.example_file(), "run: make docs"


def test_the_settings_page_is_current() -> None:
    page = ROOT / "docs" / "reference" / "settings.md"
    assert page.read_text() == settings.reference_page(), "run: make docs"


def test_a_line_of_a_timeline_is_short_and_cannot_steer_a_terminal() -> None:
    row = timeline.EventRow(at="12:00", kind="webhook.attempt", detail={"url": "http://x/\x1b[2J", "body": "y" * 500})
    shown = printable(timeline.line(row))
    assert "\x1b" not in shown
    assert len(shown) < 200


def test_an_alert_names_its_call_and_its_address() -> None:
    row = alerts.AlertRow(
        sid="NO1", date_created="now", alert_text="refused", error_code="11200", log_level="error", call_sid="CA1"
    )
    assert alerts.line(row) == "now  error   11200  refused  CA1"
