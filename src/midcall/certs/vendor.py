"""TLS for the vendor's hosts: a certificate for each is made when the first client asks for it by name (SNI, RFC 6066).

SDKs and helper libraries put their hosts together from products, edges and regions, at any depth, and a wildcard
stands for one label only; a list of all would be sent in every handshake.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from midcall.certs.authority import Certificates, chain_for
from midcall.core.vendor import DOMAIN, is_vendor_host

_log = logging.getLogger(__name__)

KEPT_CONTEXTS: Final = 64
"""Hosts whose certificate is kept; the one that was not asked for the longest is made again."""

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MAX_NAME: Final = 253
MAX_LABELS: Final = 6


def can_be_certified(name: str) -> bool:
    """Whether the name is a vendor host that a certificate may be made for: clients may ask for anything."""
    labels = name.lower().split(".")
    return (
        is_vendor_host(name)
        and len(name) <= MAX_NAME
        and len(labels) <= MAX_LABELS
        and all(map(_LABEL.fullmatch, labels))
    )


class VendorContexts:
    """Server contexts for vendor hosts, all with the server's own key.

    Args:
        files: made by `ensure`.
        now: the time, with a zone, for certificates that are made.
    """

    def __init__(self, files: Certificates, now: Callable[[], dt.datetime]) -> None:
        self._files = files
        self._now = now
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    def context(self, name: str) -> ssl.SSLContext:
        """What shows a certificate for this host.

        Raises:
            OSError, ValueError: a certificate cannot be made. ssl.SSLError is an OSError.
        """
        name = name.lower()
        context = self._contexts.get(name)
        if context is None:
            context = self._made(name)
            while len(self._contexts) >= KEPT_CONTEXTS:
                self._contexts.popitem(last=False)
            self._contexts[name] = context
        self._contexts.move_to_end(name)
        return context

    def _made(self, name: str) -> ssl.SSLContext:
        chain = chain_for(self._files, [name], now=self._now())
        # OpenSSL reads chains from files only; this one has a name no longer than that takes.
        with tempfile.NamedTemporaryFile(dir=self._files.ca_file.parent, prefix=".sni-") as file:
            file.write(chain)
            file.flush()
            return self._files.context_for(Path(file.name))

    def server_context(self) -> ssl.SSLContext:
        """The server's context: its own certificate, and for deeper vendor hosts one of theirs."""
        default = self._files.server_context()

        def choose(handshake: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name is None or not can_be_certified(name) or _is_one_label_deep(name):
                return
            try:
                handshake.context = self.context(name)
            except (OSError, ValueError) as error:  # the client sees the server's own certificate, and says so
                _log.warning("no certificate can be made for %s: %s", name, error)

        default.sni_callback = choose
        return default


def _is_one_label_deep(name: str) -> bool:
    return name.count(".") == DOMAIN.count(".") + 1
