"""Who may ask at all: basic credentials, and no pages of other sites that use somebody's cached ones."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs

from midcall.core import errors
from midcall.core.errors import Refused

NO_CREDENTIALS: Final = "Authentication Error - No credentials provided"

_OWN_SITE: Final = frozenset({"same-origin", "none"})
_SCRIPTED: Final = frozenset({"cors", "same-origin", "websocket"})


def credentials(headers: Mapping[str, str]) -> tuple[str, str]:
    """User name and password exactly as they were sent (RFC 7617, UTF-8).

    Raises:
        Refused: AUTHENTICATION_FAILED, without a usable header.
    """
    header = headers.get(hdrs.AUTHORIZATION)
    if not header:
        raise Refused(errors.AUTHENTICATION_FAILED, NO_CREDENTIALS)
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = b64decode(encoded, validate=True).decode()  # UnicodeDecodeError and binascii.Error are ValueErrors
    except ValueError:
        raise Refused(errors.AUTHENTICATION_FAILED) from None
    username, colon, password = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise Refused(errors.AUTHENTICATION_FAILED)
    return username, password


def refuse_cross_site(headers: Mapping[str, str], *, scripts: bool = True) -> None:
    """Let scripts in with their own Authorization header (CORS), refuse what a page elsewhere can do without one.

    Browsers cache basic credentials and add them to links, forms and no-cors posts of any page (promise N2).
    Clients that are no browsers send no `Sec-Fetch-*`, or not the site, and pass.

    Args:
        scripts: whether scripts of other sites are let in; they could read no answer without CORS.

    Raises:
        Refused: CROSS_SITE.
    """
    site = headers.get("Sec-Fetch-Site", "none")
    mode = headers.get("Sec-Fetch-Mode", "cors")
    if site not in _OWN_SITE and not (scripts and mode in _SCRIPTED):
        raise Refused(errors.CROSS_SITE)
