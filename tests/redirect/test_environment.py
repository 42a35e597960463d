"""What programs are told, and the files that it names."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from midcall.certs.authority import ensure
from midcall.folder import Credentials
from midcall.redirect import files
from midcall.redirect.environment import Variables, variables
from midcall.redirect.files import STORE_PASSWORD, ProgramFiles
from support.certificates import write_certificate

MADE = Credentials(
    account_sid="AC1", auth_token="token", api_key_sid="SK1", api_key_secret="secret", application_sid="AP1"
)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return ensure(tmp_path / "certs", [], now=dt.datetime.now(dt.UTC)).ca_file


@pytest.fixture
def no_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without authorities of its own."""
    monkeypatch.setattr(files, "_SYSTEM", ())
    monkeypatch.setattr("ssl.get_default_verify_paths", lambda: type("Paths", (), {"cafile": None}))


def told(environment: dict[str, str], folder: str = "/tmp/own") -> Variables:
    paths = ProgramFiles(*(Path(folder) / name for name in ("ca.pem", "trust.p12", "php", "python")))
    return variables(host="127.0.0.1", port=4711, credentials=MADE, files=paths, environment=environment)


def test_each_stack_is_told_of_the_proxy_and_of_the_bundle() -> None:
    found = told({})
    assert {found[name] for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")} == {
        "http://127.0.0.1:4711"
    }
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    assert {found[name] for name in names} == {"/tmp/own/ca.pem"}
    assert found["NO_PROXY"] == found["no_proxy"] == "localhost,127.0.0.1,::1"
    assert found["PHP_INI_SCAN_DIR"] == ":/tmp/own/php"
    assert found["PYTHONPATH"] == "/tmp/own/python"
    assert found["NODE_USE_ENV_PROXY"] == "1"
    assert "TWILIO_CA_BUNDLE" not in found


def test_credentials_are_the_servers_and_places_are_unset() -> None:
    found = told({"TWILIO_ACCOUNT_SID": "ACreal", "TWILIO_REGION": "ie1"})
    assert (found["TWILIO_ACCOUNT_SID"], found["TWILIO_API_SECRET"]) == ("AC1", "secret")
    assert (found["TWILIO_REGION"], found["TWILIO_EDGE"]) == (None, None)


def test_what_the_program_had_before_is_kept() -> None:
    before = {
        "JAVA_TOOL_OPTIONS": "-Xmx1g",
        "PHP_INI_SCAN_DIR": "/etc/php.d",
        "PYTHONPATH": "/lib",
        "NO_PROXY": "*.intern.test,10.0.0.0/8,twilio.com",
        "TWILIO_CA_BUNDLE": "/own.pem",
    }
    found = told(before)
    assert str(found["JAVA_TOOL_OPTIONS"]).startswith("-Xmx1g -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4711 ")
    assert found["PHP_INI_SCAN_DIR"] == "/etc/php.d:/tmp/own/php"
    assert found["PYTHONPATH"] == "/tmp/own/python:/lib"
    assert found["NO_PROXY"] == "localhost,127.0.0.1,::1,*.intern.test,10.0.0.0/8"
    assert found["TWILIO_CA_BUNDLE"] == "/tmp/own/ca.pem"


def test_java_spells_exemptions_in_its_own_way() -> None:
    options = str(told({"no_proxy": ".intern.test, ::2"})["JAVA_TOOL_OPTIONS"]).split()
    expected = "-Dhttp.nonProxyHosts=localhost|127.0.0.1|[::1]|intern.test|*.intern.test|[::2]"
    assert expected in options


def test_java_takes_paths_with_spaces_in_quotes() -> None:
    assert '-Djavax.net.ssl.trustStore="/tmp/my own/trust.p12"' in str(told({}, "/tmp/my own")["JAVA_TOOL_OPTIONS"])


@pytest.mark.usefixtures("no_system")
def test_a_bundle_holds_everybody_once_and_no_private_key(authority: Path, tmp_path: Path) -> None:
    house = write_certificate(tmp_path / "house.pem")
    named = {"SSL_CERT_FILE": str(house), "CURL_CA_BUNDLE": str(house), "REQUESTS_CA_BUNDLE": "/no/such/file"}
    bundle = files.write(tmp_path / "own", authority, named).bundle.read_text()
    assert bundle.count("BEGIN CERTIFICATE") == 2
    assert authority.read_text() in bundle
    assert "PRIVATE" not in bundle


@pytest.mark.usefixtures("no_system")
def test_without_any_other_authority_the_local_one_is_left(authority: Path, tmp_path: Path) -> None:
    assert files.write(tmp_path / "own", authority, {}).bundle.read_text() == authority.read_text()


def test_the_systems_authorities_stay_trusted(authority: Path, tmp_path: Path) -> None:
    bundle = files.write(tmp_path / "own", authority, {}).bundle.read_text()
    assert bundle.count("BEGIN CERTIFICATE") > 20


@pytest.mark.usefixtures("no_system")
def test_javas_store_holds_the_same_as_trusted_entries(authority: Path, tmp_path: Path) -> None:
    made = files.write(tmp_path / "own", authority, {})
    store = pkcs12.load_pkcs12(made.store.read_bytes(), STORE_PASSWORD.encode())
    assert [entry.friendly_name for entry in store.additional_certs] == [b"ca-0"]
    # Without this attribute Java takes no entry for trusted; it is inside what is encrypted.
    listed = subprocess.run(
        ["openssl", "pkcs12", "-in", made.store, "-passin", f"pass:{STORE_PASSWORD}", "-nokeys"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2.16.840.1.113894.746875.1.1" in listed.stdout


@pytest.mark.usefixtures("no_system")
def test_php_gets_an_ini_file_and_python_its_first_module(authority: Path, tmp_path: Path) -> None:
    made = files.write(tmp_path / "own", authority, {})
    assert f'curl.cainfo = "{made.bundle}"\n' in (made.php / "midcall.ini").read_text()
    assert "trust_env" in (made.python / "sitecustomize.py").read_text()
    files.write(tmp_path / "own", authority, {})  # again, while programs may be reading
