"""The checks of `midcall doctor`, in the order in which one failing explains the next."""

from __future__ import annotations

import datetime as dt
import http.client
import importlib.metadata
import os
import re
import shutil
import socket
import ssl
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from midcall.cli import rest
from midcall.cli.failure import Failure
from midcall.cli.findings import Finding, note, ok, wrong
from midcall.cli.options import how_to_start
from midcall.folder import Credentials, Folder, FolderUnusable, ServerInfo
from midcall.settings import Settings

PATIENCE_S: Final = 3.0
LOW_DISK_BYTES: Final = 1024**3
FULL_DISK_BYTES: Final = 64 * 1024**2
CLOCK_OFF_S: Final = 5.0
RECENT_S: Final = 3600.0
RENEWED_DAYS: Final = 30
OLDEST_YEAR: Final = 2025
"""No clock that is right shows an earlier year."""

_SECRET_FILES: Final = ("credentials.json", "server.json", "certs/ca.key", "certs/server.key", "midcall.db")


def examine(
    folder: Folder, data_dir: str | None, settings: Settings, environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Check an installation, whether its server runs or not."""
    yield python()
    yield variables(environment)
    yield clock(dt.datetime.now(dt.UTC))
    yield media(settings.media_addresses)
    if not folder.path.is_dir():
        yield wrong("data folder", f"{folder.path} is not there", how_to_start(data_dir).capitalize())
        return
    yield permissions(folder)
    yield disk(folder)
    yield from certificates(folder, dt.datetime.now(dt.UTC))
    try:
        server, credentials = folder.server(), folder.credentials()
    except FolderUnusable as error:
        yield wrong("data folder", str(error), "Stop the server, then restore the file or delete the folder")
        return
    if folder.is_held() and (server is None or credentials is None):
        yield wrong("server", f"one holds {folder.path} and is not ready", "Wait a moment, or see its log")
        return
    if server is None or credentials is None:
        yield wrong("server", f"none runs on {folder.path}", how_to_start(data_dir).capitalize())
        yield from ports(settings)
        return
    yield from running(server, credentials)


def python() -> Finding:
    """The interpreter, and the packages that are declared as needed."""
    missing = []
    for requirement in importlib.metadata.requires("midcall") or ():
        named = re.match(r"[A-Za-z0-9._-]+", requirement)
        optional = "extra ==" in requirement
        if named is None or optional or ("linux" in requirement and sys.platform != "linux"):
            continue
        try:
            importlib.metadata.version(named[0])
        except importlib.metadata.PackageNotFoundError:
            missing.append(named[0])
    version = ".".join(map(str, sys.version_info[:3]))
    if missing:
        return wrong(
            "python", f"{', '.join(missing)} not installed", "Install again, from a checkout with: make clean demo"
        )
    return ok("python", f"{version}, all packages are there")


def variables(environment: Mapping[str, str]) -> Finding:
    """Variables that lead clients astray."""
    astray = [name for name in ("TWILIO_REGION", "TWILIO_EDGE") if environment.get(name)]
    if astray:
        fix = f"Unset them: unset {' '.join(astray)}"
        return note("environment", f"{' and '.join(astray)} put labels into host names that mean nothing here", fix)
    proxied = environment.get("HTTP_PROXY") or environment.get("http_proxy")
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if proxied and "localhost" not in exempt and "*" not in exempt:
        return note(
            "environment", "a proxy is set that programs also use for localhost", "Add localhost,127.0.0.1 to NO_PROXY"
        )
    return ok("environment", "nothing that leads clients astray")


def clock(now: dt.datetime) -> Finding:
    """Tokens and certificates are for a time; a machine that does not know it refuses them all."""
    if now.year < OLDEST_YEAR:
        return wrong(
            "clock",
            f"shows {now:%Y-%m-%d %H:%M} UTC",
            "Set the machine's clock, such as with: timedatectl set-ntp true",
        )
    return ok("clock", f"{now:%Y-%m-%d %H:%M} UTC")


def media(addresses: tuple[str, ...]) -> Finding:
    """Whether a datagram comes back on each address that browsers are told to send audio to."""
    for address in addresses or ("127.0.0.1",):
        try:
            _datagram(address)
        except OSError as error:
            reason = error.strerror or str(error)
            return wrong(
                "media",
                f"UDP on {address} does not work: {reason}",
                "Check the setting media_addresses and the firewall",
            )
    return ok("media", f"UDP works on {', '.join(addresses or ('127.0.0.1',))}")


def _datagram(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        closing(socket.socket(family, socket.SOCK_DGRAM)) as there,
        closing(socket.socket(family, socket.SOCK_DGRAM)) as here,
    ):
        there.bind((address, 0))
        there.settimeout(PATIENCE_S)
        here.sendto(b"midcall", there.getsockname()[:2])
        there.recv(16)


def permissions(folder: Folder) -> Finding:
    """The folder and its secrets belong to their owner alone."""
    open_ = [name for name in (".", *_SECRET_FILES) if _is_open(folder.path / name)]
    if open_:
        names = ", ".join(str(folder.path / name) for name in open_)
        return wrong("data folder", f"others may read {names}", f"Close them: chmod -R go-rwx {folder.path}")
    if not os.access(folder.path, os.W_OK):
        return wrong(
            "data folder",
            f"{folder.path} cannot be written by this user",
            "Run as its owner, or choose another --data-dir",
        )
    return ok("data folder", f"{folder.path}, for its owner alone")


def _is_open(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    # Files inside a closed folder are closed, whatever their own mode says.
    return bool(status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)) and (path.is_dir() or _is_open(path.parent))


def disk(folder: Folder) -> Finding:
    """What is acknowledged has to fit."""
    free = shutil.disk_usage(folder.path).free
    shown = f"{free / 1024**3:.1f} GiB are free on its disk"
    if free < FULL_DISK_BYTES:
        return wrong("disk", shown, "Free some space: a full disk refuses calls and messages until there is some")
    if free < LOW_DISK_BYTES:
        return note("disk", shown, "Free some space soon, or lower the setting retention_days")
    return ok("disk", shown)


def certificates(folder: Folder, now: dt.datetime) -> Iterator[Finding]:
    """The authority and the server's certificate, as files."""
    from cryptography import x509

    for name, what in (("ca.pem", "authority"), ("server.pem", "certificate")):
        path = folder.certificates / name
        fix = (
            f"Stop the server, delete {folder.certificates}, start it again; clients then have to trust a new authority"
        )
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except FileNotFoundError:
            yield note(what, f"{path} is not there yet", "The first start makes it")
            continue
        except (OSError, ValueError) as error:
            yield wrong(what, f"{path} cannot be read: {error}", fix)
            continue
        until = certificate.not_valid_after_utc
        if not certificate.not_valid_before_utc <= now <= until:
            yield wrong(
                what,
                f"is for {certificate.not_valid_before_utc:%Y-%m-%d} to {until:%Y-%m-%d}",
                "Check the clock; a restart renews it",
            )
        elif (until - now).days < RENEWED_DAYS:
            yield note(what, f"ends on {until:%Y-%m-%d}", "Restart the server, which renews it")
        else:
            yield ok(what, f"valid until {until:%Y-%m-%d}")


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether a server could start."""
    for host, port, flag in (
        (settings.host, settings.port, "--port"),
        ("127.0.0.1", settings.http_port, "--http-port"),
    ):
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)
        except OSError as error:
            yield wrong(
                "port", f"{port} on {host}: {error.strerror}", f"Stop who has it, or choose another with {flag}"
            )
        else:
            yield ok("port", f"{port} on {host} is free")


def running(server: ServerInfo, credentials: Credentials) -> Iterator[Finding]:
    """A server that says it is there: its two ports, its clock, what it calls, what went wrong lately."""
    try:
        answered = _get(server.http_port, "/readyz")
    except (OSError, http.client.HTTPException) as error:
        yield wrong(
            "server", f"pid {server.pid} does not answer at {server.http_url}: {error}", "See its log, or restart it"
        )
        return
    status, date, body = answered
    if status != 200:
        yield wrong("server", f"is not ready: {body.strip()}", "See its log, or wait until it is")
    else:
        yield ok(
            "server",
            f"{server.version}, mode {server.mode}, pid {server.pid}, at {server.https_url} and {server.http_url}",
        )
    off = abs((date - dt.datetime.now(dt.UTC)).total_seconds())
    if off > CLOCK_OFF_S:
        yield wrong("clock", f"the server's differs by {off:.0f} s", "Set the clocks of both machines")
    for name in (urlsplit(server.https_url).hostname or "localhost", "api.twilio.com", "voice-js.roaming.twilio.com"):
        yield handshake(server, name)
    yield trust(server)
    yield from application(server, credentials)
    yield from alerts(server, credentials)


def _get(port: int, path: str) -> tuple[int, dt.datetime, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return (
            answer.status,
            parsedate_to_datetime(answer.headers["Date"]),
            answer.read(1000).decode("utf-8", "replace"),
        )


def handshake(server: ServerInfo, name: str) -> Finding:
    """TLS as a client that trusts the authority and asks for a name."""
    context = ssl.create_default_context(cafile=server.ca_file)
    try:
        with (
            socket.create_connection((server.address, server.port), PATIENCE_S) as raw,
            context.wrap_socket(raw, server_hostname=name),
        ):
            return ok("TLS", f"{name} is certified by {server.ca_file}")
    except ssl.SSLCertVerificationError as error:
        return wrong(
            "TLS", f"{name}: {error.verify_message}", "Restart the server; its certificates do not fit its authority"
        )
    except OSError as error:
        return wrong(
            "TLS", f"{server.address} port {server.port}: {error}", "See the server's log; is a firewall between?"
        )


def trust(server: ServerInfo) -> Finding:
    """Whether programs of this shell trust the authority without being told to."""
    host = urlsplit(server.https_url).hostname or "localhost"
    try:
        with (
            socket.create_connection((server.address, server.port), PATIENCE_S) as raw,
            ssl.create_default_context().wrap_socket(raw, server_hostname=host),
        ):
            return ok("trust", "programs of this shell trust the certificate")
    except OSError:
        fix = "Run them with midcall exec, or see docs/howto/connect.md: Certificates"
        return note("trust", "programs of this shell do not trust the certificate by themselves", fix)


class _Application(msgspec.Struct):
    voice_url: str | None = None
    status_callback: str | None = None


def application(server: ServerInfo, credentials: Credentials) -> Iterator[Finding]:
    """Where calls of the installation's own application ask for TwiML."""
    path = f"/2010-04-01/Accounts/{credentials.account_sid}/Applications/{credentials.application_sid}.json"
    try:
        found = rest.read(rest.get(server, credentials, path, {}), _Application)
    except Failure as failure:
        yield wrong("REST", str(failure), "A restart makes a new application and key where they were deleted")
        return
    if not found.voice_url:
        fix = f"Set it by REST, to your app's address: POST {path} with VoiceUrl=http://localhost:3000/voice"
        yield note("voice URL", "the application has none: outgoing calls of clients fail", fix)
    for what, url in (("voice URL", found.voice_url), ("status URL", found.status_callback)):
        if url:
            yield reachable(what, url)


def reachable(what: str, url: str) -> Finding:
    """Whether anybody listens where a URL leads."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    where = f"{parts.hostname} port {port}"
    try:
        socket.create_connection((parts.hostname or "", port), PATIENCE_S).close()
    except OSError as error:
        return wrong(
            what, f"nobody answers at {where}: {error.strerror or error}", "Start your app, or correct the URL"
        )
    return ok(what, f"somebody listens at {where}")


def alerts(server: ServerInfo, credentials: Credentials) -> Iterator[Finding]:
    """What the server had to complain about lately."""
    from midcall.wire.resources import AlertPage

    path = f"/midcall/v1/Accounts/{credentials.account_sid}/Alerts.json"
    try:
        page = rest.read(rest.get(server, credentials, path, {}), AlertPage)
    except Failure as failure:
        yield note("alerts", str(failure))
        return
    since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=RECENT_S)
    recent = [row for row in page.alerts if parsedate_to_datetime(row.date_created) >= since]
    if not recent:
        yield ok("alerts", "none in the last hour")
        return
    latest = recent[0]
    yield note(
        "alerts",
        f"{len(recent)} in the last hour, the latest {latest.code}: {latest.reason}",
        "All of them: midcall alerts",
    )
