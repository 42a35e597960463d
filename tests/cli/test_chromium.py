"""The flags for Chromium: their host mapping, their pin, their profile."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import shlex
import subprocess
from pathlib import Path

import pytest

from midcall.certs.authority import ensure
from midcall.cli.chromium import flags, is_chromium
from midcall.folder import ServerInfo
from support.processes import Midcall, Serve


def server(certs: Path, *, address: str = "127.0.0.1") -> ServerInfo:
    files = ensure(certs, [], now=dt.datetime.now(dt.UTC))
    return ServerInfo(
        pid=1,
        https_url="https://localhost:8443",
        address=address,
        http_url="http://127.0.0.1:8080",
        port=8443,
        http_port=8080,
        signaling_host="localhost:8443",
        ca_file=str(files.ca_file),
        mode="dev",
        version="0",
    )


def test_vendor_hosts_are_mapped_to_the_server_and_nothing_else_is(tmp_path: Path) -> None:
    mapping, _, space, profile = flags(server(tmp_path), tmp_path / "profile")
    assert mapping == "--host-resolver-rules=MAP *.twilio.com 127.0.0.1:8443"
    assert space == "--ip-address-space-overrides=127.0.0.1:8443=public"
    assert profile == f"--user-data-dir={tmp_path / 'profile'}"


def test_a_server_that_listens_elsewhere_is_mapped_to_there(tmp_path: Path) -> None:
    mapping, *_ = flags(server(tmp_path, address="10.1.2.3"), tmp_path)
    assert mapping.endswith("MAP *.twilio.com 10.1.2.3:8443")


def test_the_pin_is_the_hash_of_the_servers_public_key_as_openssl_computes_it(tmp_path: Path) -> None:
    _, pin, *_ = flags(server(tmp_path), tmp_path)
    key = subprocess.run(
        ["openssl", "x509", "-in", str(tmp_path / "server.pem"), "-pubkey", "-noout"], capture_output=True, check=True
    ).stdout
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, capture_output=True, check=True
    ).stdout
    expected = base64.b64encode(hashlib.sha256(der).digest()).decode()
    assert pin == f"--ignore-certificate-errors-spki-list={expected}"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("chromium", True),
        ("/usr/bin/google-chrome-stable", True),
        ("/Applications/Google Chrome.app/Contents/MacOS/Chrome", True),
        ("chromedriver", False),
        ("firefox", False),
        ("", False),
    ],
)
def test_which_programs_take_the_flags(command: str, expected: bool) -> None:
    assert is_chromium(command) is expected


async def test_the_command_prints_the_flags_for_a_shell_and_for_programs(
    serve: Serve, midcall: Midcall, tmp_path: Path
) -> None:
    served = await serve()
    data_dir = str(served.data_dir)
    line = (await midcall("doctor", "--chromium", "--data-dir", data_dir)).out
    listed = json.loads((await midcall("doctor", "--chromium", "--json", "--data-dir", data_dir)).out)
    assert shlex.split(line) == listed
    assert f"127.0.0.1:{served.info['port']}" in listed[0]
    assert listed[-1] == f"--user-data-dir={served.data_dir / 'chromium'}"


async def test_without_a_server_there_are_no_flags(midcall: Midcall, tmp_path: Path) -> None:
    done = await midcall("doctor", "--chromium", "--data-dir", str(tmp_path / "none"))
    assert done.code == 3
    assert "midcall serve" in done.err
