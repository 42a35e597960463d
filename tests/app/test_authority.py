"""The local authority, seen by other programs: Python's ssl, openssl, curl."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from midcall.certs.authority import SERVER_DAYS, VENDOR_NAMES, Certificates, ensure

NOW = dt.datetime.now(dt.UTC)


def cert(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates(path.read_bytes())[0]


def openssl_verifies(files: Certificates, *, name: str | None = None, leaf: Path | None = None) -> str:
    command = ["openssl", "verify", "-CAfile", str(files.ca_file), "-x509_strict", "-purpose", "sslserver"]
    if name is not None:
        command += ["-verify_hostname", name]
    done = subprocess.run([*command, str(leaf or files.certificate_file)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


NAMES = [
    "localhost",
    "voice.example.org",
    "api.twilio.com",
    "eventgw.twilio.com",
    "sdk.twilio.com",
]


@pytest.mark.parametrize("name", NAMES)
def test_openssl_accepts_the_certificate_for_each_name(tmp_path: Path, name: str) -> None:
    files = ensure(tmp_path / "certs", ["voice.example.org", "10.1.2.3"], now=NOW)
    assert openssl_verifies(files, name=name).endswith("server.pem: OK\n")


def test_openssl_refuses_the_certificate_for_another_name(tmp_path: Path) -> None:
    assert "hostname mismatch" in openssl_verifies(ensure(tmp_path / "certs", [], now=NOW), name="example.org")


async def serve(files: Certificates) -> tuple[web.AppRunner, int]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=files.server_context()).start()
    return runner, runner.addresses[0][1]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "api.twilio.com"])
async def test_curl_and_python_trust_the_server_through_the_authority_alone(tmp_path: Path, name: str) -> None:
    files = ensure(tmp_path / "certs", [], now=NOW)
    runner, port = await serve(files)
    try:
        curl = await asyncio.create_subprocess_exec(
            *("curl", "-sS", "--noproxy", "*", "--cacert", str(files.ca_file)),
            *("--connect-to", f"{name}:{port}:127.0.0.1:{port}", f"https://{name}:{port}/"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert (await curl.communicate())[0] == b"hello"
        context = ssl.create_default_context(cafile=str(files.ca_file))
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.close()
        await writer.wait_closed()
    finally:
        await runner.cleanup()


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    files = ensure(tmp_path / "certs", [], now=NOW)
    assert stat.S_IMODE((tmp_path / "certs").stat().st_mode) == 0o700
    for key in (files.key_file, tmp_path / "certs" / "ca.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_authority_is_believed_for_nothing_but_its_names(tmp_path: Path) -> None:
    """Signed with the authority's own key, and refused all the same."""
    files = ensure(tmp_path / "certs", [], now=NOW)
    ca_key = serialization.load_pem_private_key((tmp_path / "certs" / "ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    for name in (x509.DNSName("bank.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))):
        forged = (
            x509.CertificateBuilder(subject_name=x509.Name([]), issuer_name=cert(files.ca_file).subject)
            .public_key(ca_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(hours=1))
            .not_valid_after(NOW + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        leaf = tmp_path / "forged.pem"
        leaf.write_bytes(forged.public_bytes(serialization.Encoding.PEM))
        command = ["openssl", "verify", "-CAfile", str(files.ca_file), str(leaf)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "permitted subtree violation" in done.stdout + done.stderr


def test_name_constraints_are_critical_and_the_authority_signs_no_other_authorities(tmp_path: Path) -> None:
    extensions = cert(ensure(tmp_path / "certs", [], now=NOW).ca_file).extensions
    assert extensions.get_extension_for_class(x509.NameConstraints).critical
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_nothing_changes_while_it_still_fits(tmp_path: Path) -> None:
    before = ensure(tmp_path / "certs", ["a.example"], now=NOW)
    bytes_before = before.ca_file.read_bytes(), before.certificate_file.read_bytes()
    after = ensure(tmp_path / "certs", ["a.example"], now=NOW + dt.timedelta(days=SERVER_DAYS - 31))
    assert (after.ca_file.read_bytes(), after.certificate_file.read_bytes()) == bytes_before


def test_the_server_certificate_is_renewed_before_it_ends_and_the_authority_stays(tmp_path: Path) -> None:
    files = ensure(tmp_path / "certs", [], now=NOW)
    authority, server = cert(files.ca_file), cert(files.certificate_file)
    ensure(tmp_path / "certs", [], now=NOW + dt.timedelta(days=SERVER_DAYS - 29))
    assert cert(files.ca_file) == authority
    assert cert(files.certificate_file).not_valid_after_utc > server.not_valid_after_utc


def test_a_new_host_name_makes_a_new_authority_because_the_old_one_may_not_sign_for_it(tmp_path: Path) -> None:
    files = ensure(tmp_path / "certs", [], now=NOW)
    authority = cert(files.ca_file)
    ensure(tmp_path / "certs", ["voice.example.org"], now=NOW)
    assert cert(files.ca_file) != authority
    assert openssl_verifies(files, name="voice.example.org").endswith("OK\n")


def test_a_host_name_that_went_away_needs_no_new_authority(tmp_path: Path) -> None:
    files = ensure(tmp_path / "certs", ["voice.example.org"], now=NOW)
    authority = cert(files.ca_file)
    ensure(tmp_path / "certs", [], now=NOW)
    assert cert(files.ca_file) == authority
    assert "mismatch" in openssl_verifies(files, name="voice.example.org")


def test_a_lost_key_is_replaced_with_all_that_it_signed(tmp_path: Path) -> None:
    files = ensure(tmp_path / "certs", [], now=NOW)
    (tmp_path / "certs" / "ca.key").unlink()
    ensure(tmp_path / "certs", [], now=NOW)
    assert openssl_verifies(files).endswith("OK\n")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    files = ensure(tmp_path / "certs", [], now=NOW)
    files.ca_file.write_text("nonsense")
    with pytest.raises(ValueError, match=r"ca\.pem is not a certificate"):
        ensure(tmp_path / "certs", [], now=NOW)


def test_the_vendor_names_have_one_wildcard_label_at_most() -> None:
    assert all(name.count("*") == (1 if name.startswith("*.") else 0) for name in VENDOR_NAMES)
