"""`midcall doctor`: an installation, tokens and signatures, sound and otherwise."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import jwt
import pytest

from midcall.certs.authority import ensure
from midcall.cli import installation
from midcall.cli.findings import Finding, State
from midcall.core.signature import sign
from midcall.folder import Folder as DataFolder
from midcall.settings import load
from support.processes import Done, Folder, Run

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, program: Run, served: Folder) -> Run:
    """Runs a command; nothing that it prints may hold a secret."""
    for name in ("TWILIO_AUTH_TOKEN", "TWILIO_REGION", "TWILIO_EDGE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, data_dir: Path = served.path) -> Done:
        done = program(*arguments, MIDCALL_DATA_DIR=str(data_dir))
        for name in ("auth_token", "api_key_secret"):
            assert served.credentials[name] not in done.out + done.err
        return done

    return run


def findings(done: Done) -> dict[str, dict[str, str]]:
    """By check; a wrong one hides a right one of the same name."""
    rows = sorted(json.loads(done.out), key=lambda row: bool(row["state"] == "wrong"))
    return {row["check"]: row for row in rows}


# ------------------------------------------------------------------------------------------------------ installations


@pytest.mark.parametrize(
    ("requirement", "state"),
    [("nowhere-to-be-had>=1", State.WRONG), ("nowhere-to-be-had>=1; extra == 'audio'", State.OK)],
)
def test_packages_may_be_missing_when_they_are_optional(
    monkeypatch: pytest.MonkeyPatch, requirement: str, state: State
) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: ["aiohttp>=3", requirement])
    assert installation.python().state is state


def test_a_sound_installation_has_nothing_wrong(run: Run) -> None:
    done = run("doctor")
    assert done.code == 0, done.out
    assert "✗" not in done.out
    assert "✓ TLS          voice-js.roaming.twilio.com is certified" in done.out
    assert "! voice URL    the application has none" in done.out


def test_json_says_the_same_to_programs(run: Run) -> None:
    found = findings(run("doctor", "--format", "json"))
    assert {"python", "clock", "media", "data folder", "disk", "server", "TLS", "alerts"} <= set(found)
    assert {row["state"] for row in found.values()} == {"ok", "note"}


def test_without_a_server_it_says_how_to_start_one_and_whether_its_ports_are_free(run: Run, tmp_path: Path) -> None:
    absent = run("doctor", data_dir=tmp_path / "none")
    assert absent.code == 1
    assert "→ Start one with: midcall serve" in absent.out
    ensure(tmp_path / "data" / "certs", [], now=NOW)
    (tmp_path / "data").chmod(0o700)
    stopped = run("doctor", "--format", "json", data_dir=tmp_path / "data")
    assert stopped.code == 1
    assert findings(stopped)["server"]["fix"] == "Start one with: midcall serve"
    assert "port" in findings(stopped)


def test_a_server_file_of_a_server_that_is_gone_counts_for_nothing(run: Run, served: Folder, tmp_path: Path) -> None:
    shutil.copytree(served.path, tmp_path / "data", ignore=shutil.ignore_patterns("lock"))
    (tmp_path / "data" / "server.json").write_text(json.dumps(served.info))
    assert findings(run("doctor", "--format", "json", data_dir=tmp_path / "data"))["server"]["state"] == "wrong"


def test_secrets_that_others_may_read_are_named(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.path.mkdir(mode=0o700)
    (folder.path / "credentials.json").write_text("{}")
    (folder.path / "credentials.json").chmod(0o644)
    assert installation.permissions(folder).state is State.OK  # nobody gets into the folder
    folder.path.chmod(0o755)
    found = installation.permissions(folder)
    assert found.state is State.WRONG
    assert str(folder.path / "credentials.json") in found.detail
    assert found.fix == f"Close them: chmod -R go-rwx {folder.path}"


@pytest.mark.parametrize(
    ("free", "state"), [(10 * 1024**3, State.OK), (500 * 1024**2, State.NOTE), (1024**2, State.WRONG)]
)
def test_a_disk_that_fills_up_is_told_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: State
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    assert installation.disk(DataFolder(tmp_path)).state is state


@pytest.mark.parametrize(("days", "state"), [(1, State.OK), (350, State.NOTE), (400, State.WRONG), (-10, State.WRONG)])
def test_certificates_are_for_a_time(tmp_path: Path, days: int, state: State) -> None:
    folder = DataFolder(tmp_path)
    ensure(folder.certificates, [], now=NOW)
    found = {row.check: row for row in installation.certificates(folder, NOW + dt.timedelta(days=days))}
    assert found["certificate"].state is state


def test_a_damaged_certificate_is_told(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    ensure(folder.certificates, [], now=NOW)
    (folder.certificates / "ca.pem").write_text("no")
    found = {row.check: row.state for row in installation.certificates(folder, NOW)}
    assert found == {"authority": State.WRONG, "certificate": State.OK}


def test_a_clock_from_the_past_is_wrong() -> None:
    assert installation.clock(dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).state is State.WRONG
    assert installation.clock(NOW).state is State.OK


def test_media_needs_addresses_of_this_machine() -> None:
    assert installation.media(("127.0.0.1",)).state is State.OK
    assert installation.media(("127.0.0.1", "192.0.2.1")).state is State.WRONG


def test_a_port_that_is_taken_is_named_with_its_flag() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = load({"port": "0", "http_port": str(taken.getsockname()[1])})
        tls, plain = installation.ports(settings)
    assert tls.state is State.OK
    assert plain.state is State.WRONG
    assert "--http-port" in str(plain.fix)


def test_an_app_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as app:
        url = f"http://127.0.0.1:{app.getsockname()[1]}/voice"
        assert installation.reachable("voice URL", url).state is State.OK
    assert installation.reachable("voice URL", url).state is State.WRONG


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({}, State.OK),
        ({"TWILIO_REGION": "ie1"}, State.NOTE),
        ({"HTTP_PROXY": "http://proxy.test"}, State.NOTE),
        ({"HTTP_PROXY": "http://proxy.test", "NO_PROXY": "localhost,127.0.0.1"}, State.OK),
    ],
)
def test_variables_that_lead_clients_astray_are_told(environment: dict[str, str], state: State) -> None:
    assert installation.variables(environment).state is state


def test_a_voice_url_that_nobody_serves_makes_the_exit_code_1(run: Run, served: Folder) -> None:
    import asyncio

    asyncio.run(_set_voice_url(served, "http://127.0.0.1:1/voice"))
    done = run("doctor")
    asyncio.run(_set_voice_url(served, ""))
    assert done.code == 1
    assert "✗ voice URL    nobody answers at 127.0.0.1 port 1" in done.out
    assert "→ Start your app, or correct the URL" in done.out
    assert run("doctor").code == 0


async def _set_voice_url(served: Folder, url: str) -> None:
    own = served.credentials
    headers = {"Authorization": aiohttp.encode_basic_auth(own["account_sid"], own["auth_token"])}
    path = f"/2010-04-01/Accounts/{own['account_sid']}/Applications/{own['application_sid']}.json"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{served.info['http_url']}{path}", data={"VoiceUrl": url}) as answer,
    ):
        assert answer.status == 200


def test_an_authority_that_did_not_sign_is_told(served: Folder, tmp_path: Path) -> None:
    other = ensure(tmp_path / "certs", [], now=NOW)
    server = SimpleNamespace(address="127.0.0.1", port=served.info["port"], ca_file=str(other.ca_file))
    found: Finding = installation.handshake(server, "localhost")  # type: ignore[arg-type]
    assert found.state is State.WRONG


def test_a_shell_that_does_not_trust_the_certificate_is_told_who_gives_it(
    served: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SimpleNamespace(**served.info)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    found = installation.trust(server)  # type: ignore[arg-type]
    assert (found.state, "midcall exec" in str(found.fix)) == (State.NOTE, True)
    monkeypatch.setenv("SSL_CERT_FILE", str(served.info["ca_file"]))
    assert installation.trust(server).state is State.OK  # type: ignore[arg-type]


def test_a_server_that_is_not_ready_yet_is_no_server(run: Run, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.take()
    try:
        found = findings(run("doctor", "--format", "json", data_dir=folder.path))
    finally:
        folder.release()
    assert "is not ready" in found["server"]["detail"]


def test_the_flags_for_chromium_can_be_pasted(run: Run) -> None:
    done = run("doctor", "--chromium")
    assert done.code == 0
    assert done.out.startswith("'--host-resolver-rules=MAP *.twilio.com 127.0.0.1:")
    assert "--ignore-certificate-errors-spki-list=" in done.out


# ------------------------------------------------------------------------------------------------------------- tokens


def made(served: Folder, *, secret: str | None = None, headers: dict[str, str] | None = None, **claims: Any) -> str:
    """A token of the installation's key with other claims; None takes one away."""
    own = served.credentials
    now = int(time.time())
    grants = {
        "identity": "alice",
        "voice": {"incoming": {"allow": True}, "outgoing": {"application_sid": own["application_sid"]}},
    }
    payload = {"jti": "x", "iss": own["api_key_sid"], "sub": own["account_sid"], "exp": now + 60, "grants": grants}
    payload = {name: value for name, value in (payload | claims).items() if value is not None}
    return jwt.encode(
        payload,
        secret or own["api_key_secret"],
        algorithm="HS256",
        headers={"cty": "twilio-fpa;v=1"} if headers is None else headers,
    )


def test_a_good_token_passes_every_check_and_the_servers(run: Run, served: Folder) -> None:
    done = run("doctor", "token", made(served), "--format", "json")
    assert done.code == 0
    assert findings(done)["server"]["detail"] == "accepts the token"
    assert findings(done)["identity"]["detail"] == "client:alice"


@pytest.mark.parametrize(
    ("change", "check", "said"),
    [
        ({"exp": 1_700_000_000}, "time", "expired"),
        ({"nbf": int(time.time()) + 10 * 3600}, "time", "begins in"),  # however long other tests take
        ({"exp": int(time.time()) + 100 * 3600}, "time", None),
        ({"iss": "SK" + "0" * 32}, "key", "is no key of account"),
        ({"sub": "AC" + "0" * 32}, "account", "is no account of this server"),
        ({"secret": "f" * 32}, "signature", "signature does not match"),
        ({"headers": {}}, "form", "cty is not"),
        ({"grants": {"identity": "alice"}}, "grants", "there is no voice grant"),
        ({"grants": {"identity": "a b", "voice": {}}}, "identity", "cannot be a name"),
        (
            {"grants": {"voice": {"outgoing": {"application_sid": "AP" + "0" * 32}}}},
            "outgoing",
            "is no application of account",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_check_that_a_token_fails_is_named_with_the_fix(
    run: Run, served: Folder, change: dict[str, Any], check: str, said: str | None
) -> None:
    done = run("doctor", "token", made(served, **change), "--format", "json")
    found = findings(done)
    if said is None:  # lives too long, which only a token with `iat` or `nbf` says by itself
        assert found["server"]["state"] == "wrong"
    else:
        assert found[check]["state"] == "wrong"
        assert said in found[check]["detail"]
        assert found[check]["fix"]
    assert done.code == 1


def test_what_is_no_token_is_told_without_repeating_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("my-secret-thing\n"))
    done = run("doctor", "token", "-")
    assert done.code == 1
    assert "✗ form" in done.out
    assert "my-secret-thing" not in done.out


# --------------------------------------------------------------------------------------------------------- signatures

FIELDS = {"CallSid": "CA1", "To": "", "Content": "ü "}
FORM = "CallSid=CA1&To=&Content=%C3%BC+"


def signed(served: Folder, url: str, token: str | None = None) -> str:
    return sign(token or served.credentials["auth_token"], url, FIELDS.items())


def test_a_request_that_is_right_is_said_to_be_with_hints_for_frameworks(run: Run, served: Folder) -> None:
    url = "https://app.test/hook"
    done = run("doctor", "signature", "--url", url, "--signature", signed(served, url), "--body", FORM)
    assert done.code == 0
    assert f"✓ signature    matches: {url} with the fields of the form" in done.out
    assert "empty: To" in done.out
    assert "white space at an end: Content" in done.out


def test_a_scheme_that_a_proxy_hides_is_told_with_the_fix(run: Run, served: Folder) -> None:
    arguments = ("--url", "http://app.test/hook", "--signature", signed(served, "https://app.test/hook"))
    done = run("doctor", "signature", *arguments, "--body", FORM)
    assert done.code == 1
    assert "! signature    was made for https://app.test/hook" in done.out
    assert "✗ scheme       your app sees http://app.test/hook" in done.out
    assert "let it trust X-Forwarded-Proto" in done.out


def test_a_whole_request_can_be_given_as_http(run: Run, served: Folder, tmp_path: Path) -> None:
    file = tmp_path / "request.txt"
    file.write_text(
        "POST /hook HTTP/1.1\nHost: app:3000\nX-Forwarded-Host: public.test\nX-Forwarded-Proto: https\n"
        f"X-Twilio-Signature: {signed(served, 'https://public.test/hook')}\n\n{FORM}\n"
    )
    done = run("doctor", "signature", "--request", str(file), "--format", "json")
    assert done.code == 1
    assert findings(done)["host"]["state"] == "wrong"
    assert "https://public.test/hook" in findings(done)["signature"]["detail"]


def test_the_token_that_the_app_has_is_told_from_the_one_that_signed(
    run: Run, served: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "0123456789abcdef" * 2)
    url = "https://app.test/hook"
    done = run("doctor", "signature", "--url", url, "--signature", signed(served, url), "--body", FORM)
    assert done.code == 1
    assert f"✗ auth token   signed with the auth token of account {served.credentials['account_sid']}" in done.out
    assert "0123456789abcdef" not in done.out
    other = run(
        "doctor", "signature", "--url", url, "--signature", signed(served, url, "0123456789abcdef" * 2), "--body", FORM
    )
    assert other.code == 0
    assert "TWILIO_AUTH_TOKEN of this shell, which is no account's here" in other.out


async def _subaccount(served: Folder) -> dict[str, str]:
    own = served.credentials
    headers = {"Authorization": aiohttp.encode_basic_auth(own["account_sid"], own["auth_token"])}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{served.info['http_url']}/2010-04-01/Accounts.json", data={"FriendlyName": "Shop"}) as answer,
    ):
        row: dict[str, str] = await answer.json()
        return row


def test_the_token_of_a_subaccount_is_recognised(run: Run, served: Folder) -> None:
    import asyncio

    account = asyncio.run(_subaccount(served))
    url = "https://app.test/hook"
    given = signed(served, url, account["auth_token"])
    done = run("doctor", "signature", "--url", url, "--signature", given, "--body", FORM)
    assert done.code == 1
    assert f"account {account['sid']} (Shop)" in done.out
    assert account["auth_token"] not in done.out


def test_json_that_a_validator_is_not_given_parsed_is_told(run: Run, served: Folder) -> None:
    url, body = "https://app.test/hook", '{"Sid":"KX1","Content":"{}"}'
    given = sign(served.credentials["auth_token"], url, json.loads(body).items())
    done = run("doctor", "signature", "--url", url, "--header", f"X-Twilio-Signature: {given}", "--body", body)
    assert done.code == 1
    assert "✗ body         signed is the keys of the parsed JSON" in done.out
    assert "callback_encoding=form" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--url", "https://a.test", "--signature", "no"), 1, "no variant"),
        (("--url", "https://a.test"), 1, "the request has no X-Twilio-Signature"),
        ((), 2, "say which URL your app sees"),
        (("--url", "a.test"), 2, "say which URL your app sees"),
        (("--header", "x"), 2, "it takes 'Name: value'"),
        (("--call", "CA" + "0" * 32), 2, "takes both --call CA… and --message KX…"),
        (("--call", "CA" + "0" * 32, "--message", "KX" + "0" * 32), 1, "is known here"),
        (("--request", "/no/such/file"), 1, "/no/such/file cannot be read"),
    ],
)
def test_what_cannot_be_answered_is_said(run: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = run("doctor", "signature", *arguments)
    assert done.code == code
    assert said in done.out + done.err
