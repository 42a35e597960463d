"""The server as a process: one folder, two ports, ready, drained, gone.

`serving` runs a server inside any loop (the demo and tests use it); `run` adds what a process of its own needs: the
log, uvloop, signals.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import logging
import os
import signal
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import midcall
from midcall import logs
from midcall.app.assembly import App, build
from midcall.app.first_start import ensure_credentials
from midcall.app.listening import Sites, Sockets, bind
from midcall.certs.authority import Certificates, ensure
from midcall.certs.vendor import VendorContexts
from midcall.core.errors import Refused
from midcall.core.redaction import redact
from midcall.core.sids import AccountSid
from midcall.folder import Credentials, Folder, FolderUnusable, ServerInfo
from midcall.settings import Settings

_log = logging.getLogger(__name__)

GARBAGE: Final = (20_000, 20, 20)
"""Objects between two looks for garbage. Messages leave hardly any cycles, so Python's 700 is a look for every few."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

OnReady = Callable[[ServerInfo, Credentials], None]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready. `hurry` ends a drain at once when it is set."""

    info: ServerInfo
    credentials: Credentials
    app: App
    hurry: asyncio.Event


Extension = Callable[[Running], AbstractAsyncContextManager[object]]
"""What is added to a server: entered when all is ready but no client has been let in, so that it may add routes, and
left before the server stops."""


def run(
    settings: Settings,
    *,
    on_ready: OnReady | None = None,
    notes: Sequence[str] = (),
    extensions: Sequence[Extension] = (),
) -> None:
    """Serve until a signal; returns after a clean stop.

    Args:
        on_ready: called once the server is reachable.
        notes: warnings that came up while the settings were read.
        extensions: see `serving`.

    Raises:
        FolderBusy, FolderUnusable, PortBusy, SettingsError: it cannot start; the text says why and what to do.
    """
    logs.configure(level=settings.log_level, style=settings.log_format, redact=redact)
    for note in notes:
        _log.warning(note)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_until_signalled(settings, on_ready, extensions))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop on Linux: an idle TLS connection costs a tenth there (docs/decisions/0008)."""
    if sys.platform != "linux":
        return None
    import uvloop

    return uvloop.new_event_loop


async def _until_signalled(settings: Settings, on_ready: OnReady | None, extensions: Sequence[Extension]) -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    async with serving(settings, extensions=extensions) as server:

        def on_signal(number: signal.Signals) -> None:
            _log.info("%s: %s", number.name, "ending at once" if asked.is_set() else "stopping")
            if asked.is_set():
                server.hurry.set()
            asked.set()

        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal, number)
        # What start-up made lives as long as the process; the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE)
        gc.enable()
        _log.info("ready at %s and %s", server.info.https_url, server.info.http_url)
        if on_ready is not None:
            on_ready(server.info, server.credentials)
        else:
            _log.info("credentials: midcall credentials --data-dir %s", Path(server.info.ca_file).parent.parent)
        await asked.wait()
    _log.info("stopped")


@asynccontextmanager
async def serving(
    settings: Settings, *, extensions: Sequence[Extension] = (), certificates_in: Path | None = None
) -> AsyncIterator[Running]:
    """A server in this loop, ready inside the block, stopped in order after it.

    Args:
        extensions: what is added to the server, in this order.
        certificates_in: folder of certificates that several servers share, one after the other; each has its own when
            left out.

    Raises:
        FolderBusy, FolderUnusable, PortBusy, SettingsError: it cannot start.
    """
    with ExitStack() as held:
        folder = _folder(settings, held)
        sockets = bind(settings.host, settings.port, settings.http_port)
        held.callback(sockets.close)
        certificates = _certificates(certificates_in or folder.certificates, settings)
        app = await build(settings, folder)
        hurry = asyncio.Event()
        try:
            credentials = await _begin(app, folder, settings)
            running = Running(_info(settings, sockets, certificates), credentials, app, hurry)
            async with AsyncExitStack() as extended:
                for extension in extensions:
                    await extended.enter_async_context(extension(running))
                sites = await Sites.open(app.web, sockets, _tls(certificates))
                try:
                    folder.write_server(running.info)
                    yield running
                finally:
                    await extended.aclose()
                    await app.stop(settings.drain, hurry)
                    await sites.close()
                    folder.remove_server()
        finally:
            await app.close()


async def _begin(app: App, folder: Folder, settings: Settings) -> Credentials:
    """Everything that a start writes to the database, which may be what fails."""
    try:
        credentials = await ensure_credentials(folder.credentials(), settings, app.store, app.clock, app.entropy)
        folder.write_credentials(credentials)
        await app.start(AccountSid(credentials.account_sid))
    except Refused as refused:
        raise FolderUnusable(f"{folder.database} cannot be written; is its disk full? ({refused.detail})") from None
    return credentials


def _folder(settings: Settings, held: ExitStack) -> Folder:
    if settings.keeps_nothing:
        # Clients read the CA and commands the credentials from files, so even a server that keeps nothing has a folder.
        path = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="midcall-", ignore_cleanup_errors=True)))
    else:
        path = Path(settings.data_dir)
    folder = Folder(path)
    folder.take()
    held.callback(folder.release)
    return folder


def _certificates(folder: Path, settings: Settings) -> Certificates:
    names = settings.hostnames
    if settings.host not in ("", "0.0.0.0", "::", *names):  # noqa: S104  # compared, not bound
        names = (*names, settings.host)
    try:
        return ensure(folder, names, now=dt.datetime.now(dt.UTC))
    except ValueError as error:
        raise FolderUnusable(str(error)) from None
    except OSError as error:
        raise FolderUnusable(f"{folder} cannot be used ({error.strerror}); check its owner and mode") from None


def _tls(certificates: Certificates) -> ssl.SSLContext:
    return VendorContexts(certificates, lambda: dt.datetime.now(dt.UTC)).server_context()


def _info(settings: Settings, sockets: Sockets, certificates: Certificates) -> ServerInfo:
    # `localhost` works wherever it listens; a name for others is the first that the settings give.
    name = settings.hostnames[0] if settings.is_production and settings.hostnames else "localhost"
    return ServerInfo(
        pid=os.getpid(),
        address=sockets.address,
        https_url=f"https://{name}:{sockets.port}",
        http_url=f"http://127.0.0.1:{sockets.http_port}",
        port=sockets.port,
        http_port=sockets.http_port,
        signaling_host=f"{name}:{sockets.port}",
        ca_file=str(certificates.ca_file),
        mode=settings.mode,
        version=midcall.__version__,
    )
