"""Starts the system's Chromium for the tests: fake microphone, nothing leaves the machine, two ways to trust TLS.

Either certificates are not looked at (trust=None, quick), or one authority is trusted as a user would trust it: it is
imported into the certificate store of a home folder made for this browser.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from playwright.async_api import Browser, Playwright

from midcall.cli import chromium
from midcall.folder import ServerInfo

PAGES = Path(__file__).parent / "browser"
SDK = PAGES / "node_modules" / "@twilio" / "voice-sdk" / "dist" / "twilio.js"

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

FLAGS = [
    "--no-sandbox",  # CI containers run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # several phones in one browser: the ones in the background must not be slowed down
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
NOWHERE = "MAP * ~NOTFOUND, EXCLUDE localhost"


class Flags(NamedTuple):
    """What `midcall doctor --chromium` prints, without the profile: Playwright has its own."""

    rules: str
    pin: str
    spaces: str

    @classmethod
    def of(cls, data_dir: Path) -> Flags:
        """For the server that runs on that folder."""
        info = msgspec.json.decode((data_dir / "server.json").read_bytes(), type=ServerInfo)
        mapping, pin, spaces, _ = chromium.flags(info, Path("unused"))
        return cls(mapping.partition("=")[2], pin, spaces)


@asynccontextmanager
async def launch(
    playwright: Playwright,
    *,
    trust: Path | None = None,
    pin: str | None = None,
    hosts: str = "",
    spaces: str | None = None,
) -> AsyncIterator[Browser]:
    """A browser that finds localhost only.

    Args:
        trust: PEM file of the one authority it believes; with neither this nor a pin it believes everybody.
        pin: the flag that makes it believe in one key.
        hosts: rules of Chromium's host resolver that come first.
        spaces: the flag that says which addresses count as public.
    """
    if not os.access(CHROMIUM, os.X_OK):
        raise FileNotFoundError(f"no browser at {CHROMIUM}: run make deps, or set CHROMIUM")
    flags = [*FLAGS, f"--host-resolver-rules={f'{hosts}, ' if hosts else ''}{NOWHERE}"]
    if spaces is not None:
        flags.append(spaces)
    async with AsyncExitStack() as stack:
        home = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="midcall-home-", ignore_cleanup_errors=True))
        )
        if trust is not None:
            await trust_authority(home, trust)
        else:
            flags.append(pin or "--ignore-certificate-errors")
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=flags,
            env={**os.environ, "HOME": str(home)},
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
        stack.push_async_callback(browser.close)
        yield browser


async def trust_authority(home: Path, authority: Path) -> None:
    """Import the authority into the store Chromium reads in that home folder."""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    await _certutil("-d", f"sql:{store}", "-N", "--empty-password")
    await _certutil("-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "Midcall test authority", "-i", str(authority))


async def _certutil(*args: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "certutil",
        *args,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"certutil {' '.join(args)} failed: {output.decode(errors='replace').strip()}")
