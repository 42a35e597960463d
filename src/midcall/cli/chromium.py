"""Flags with which Chromium finds this server where a page looks for the vendor, and believes its certificate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from midcall.core.vendor import DOMAIN

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

VENDOR_HOSTS: Final = f"*.{DOMAIN}"


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
    where = f"{server.address}:{server.port}"
    return (
        f"--host-resolver-rules=MAP {VENDOR_HOSTS} {where}",
        f"--ignore-certificate-errors-spki-list={pin}",
        # Local Network Access: pages of public sites reach loopback only after a question that headless browsers
        # answer with no. To this browser, this one server is as public as its page.
        f"--ip-address-space-overrides={where}=public",
        f"--user-data-dir={profile}",
    )
