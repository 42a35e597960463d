"""Certificates for the vendor's hosts, as clients see them that ask by name."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from midcall.certs.authority import Certificates, ensure
from midcall.certs.vendor import KEPT_CONTEXTS, VendorContexts, can_be_certified


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    return ensure(tmp_path / "certs", [], now=now())


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def shown(port: int, name: str, authority: Path) -> list[str]:
    """The names in the certificate that a client gets which trusts the authority alone and checks the name."""
    context = ssl.create_default_context(cafile=str(authority))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    certificate = writer.get_extra_info("peercert")
    writer.close()
    await writer.wait_closed()
    return [value for kind, value in certificate["subjectAltName"] if kind == "DNS"]


@pytest.mark.parametrize(
    "name",
    [
        "voice-js.roaming.twilio.com",
        "voice-js.london-ix.twilio.com",
        "eventgw.us1.twilio.com",
        "api.ashburn.us1.twilio.com",
        "studio.sao-paulo.br1.twilio.com",
    ],
)
async def test_a_deeper_host_gets_a_certificate_of_its_own(files: Certificates, name: str) -> None:
    async with listening(VendorContexts(files, now).server_context()) as port:
        assert await shown(port, name, files.ca_file) == [name]


@pytest.mark.parametrize("name", ["localhost", "api.twilio.com", "sdk.twilio.com"])
async def test_other_hosts_get_the_certificate_of_the_server(files: Certificates, name: str) -> None:
    async with listening(VendorContexts(files, now).server_context()) as port:
        assert "*.twilio.com" in await shown(port, name, files.ca_file)


async def test_a_client_of_another_domain_is_not_given_a_certificate_for_it(files: Certificates) -> None:
    async with listening(VendorContexts(files, now).server_context()) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await shown(port, "voice-js.us1.twilio.com.example.org", files.ca_file)


async def test_without_the_authoritys_key_deeper_hosts_fail_and_the_others_go_on(files: Certificates) -> None:
    files.ca_key_file.unlink()
    async with listening(VendorContexts(files, now).server_context()) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await shown(port, "eventgw.us1.twilio.com", files.ca_file)
        assert await shown(port, "localhost", files.ca_file)


def test_a_certificate_is_made_once_and_only_so_many_are_kept(files: Certificates) -> None:
    contexts = VendorContexts(files, now)
    first = contexts.context("a.us1.twilio.com")
    assert contexts.context("A.us1.twilio.com") is first
    for n in range(KEPT_CONTEXTS):
        contexts.context(f"n{n}.us1.twilio.com")
    assert contexts.context("a.us1.twilio.com") is not first


def test_nothing_but_the_files_of_the_installation_is_left_behind(files: Certificates) -> None:
    before = sorted(files.ca_file.parent.iterdir())
    VendorContexts(files, now).context("eventgw.us1.twilio.com")
    assert sorted(files.ca_file.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("twilio.com", True),
        ("API.twilio.com", True),
        ("a.b.c.twilio.com", True),
        ("nottwilio.com", False),
        ("twilio.com.example.org", False),
        ("a.b.c.d.e.twilio.com", False),
        ("-a.twilio.com", False),
        ("a..twilio.com", False),
        ("ä.twilio.com", False),
        (f"{'a' * 64}.twilio.com", False),
        ("../x.twilio.com", False),
    ],
)
def test_what_is_a_vendor_host(name: str, expected: bool) -> None:
    assert can_be_certified(name) is expected
