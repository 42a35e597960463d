"""Flags with which Chromium finds this server where a page looks for the vendor, and believes its certificate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from midcall.folder import ServerInfo

NAMES: Final = frozenset(
    {
        "chrome",
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-beta",
        "google-chrome-stable",
        "google-chrome-unstable",
        "headless_shell",
    }
)
"""Programs that take these flags, by their file names."""

VENDOR_HOSTS: Final = "*.twilio.com"
_LOOPBACK: Final = "127.0.0.1"


def is_chromium(command: str) -> bool:
    """Whether a command's first word starts Chromium or Chrome."""
    return Path(command).name.lower() in NAMES


def flags(server: ServerInfo, profile: Path) -> Sequence[str]:
    """What to start Chromium with.

    Args:
        server: the running server; its certificate is beside its authority's.
        profile: folder of the browser's profile; Chromium ignores the pin when it gets no profile by flag.

    Raises:
        OSError, ValueError: the server's certificate cannot be read.
    """
    from midcall.certs.authority import Certificates

    pin = Certificates.in_folder(Path(server.ca_file).parent).spki_pin()
    return (
        f"--host-resolver-rules=MAP {VENDOR_HOSTS} {_address(server)}",
        f"--ignore-certificate-errors-spki-list={pin}",
        f"--user-data-dir={profile}",
    )


def _address(server: ServerInfo) -> str:
    host = urlsplit(server.https_url).hostname or "localhost"
    return f"{_LOOPBACK if host == 'localhost' else host}:{server.port}"
