"""`X-Twilio-Signature`: how a webhook's receiver knows that the request is ours and was not changed.

Base64 of HMAC-SHA1 over the URL and the sorted parameters, keyed with the account's auth token.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha1
from typing import Final

HEADER: Final = "X-Twilio-Signature"
_SHORT_CHARS: Final = 2_048


def sign(auth_token: str, url: str, params: Iterable[tuple[str, str]] = ()) -> str:
    """The signature of a request, 28 characters.

    Args:
        auth_token: the account's own.
        url: as it is requested, in the same percent-encoding. Fragment, userinfo, any port of https and the default
            port of http do not count.
        params: decoded fields of a form, or the keys of a JSON body; none for GET, whose parameters are in the URL.
    """
    return base64.b64encode(hmac.digest(auth_token.encode(), signed_text(url, params).encode(), sha1)).decode()


def signed_text(url: str, params: Iterable[tuple[str, str]]) -> str:
    """What is signed: the URL, then each name and value, by code unit; equal pairs of a repeated name count once."""
    fields = dict(params := tuple(params))
    if len(fields) == len(params) and all(map(str.isascii, fields)):  # nearly always: no name twice, none exotic
        pairs = sorted(fields.items())
    else:
        pairs = sorted(set(params), key=_code_units)
    return signed_url(url) + "".join(name + value for name, value in pairs)


def _code_units(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    return pair[0].encode("utf-16-be"), pair[1].encode("utf-16-be")


def signed_url(url: str) -> str:
    """The part of a URL that is signed."""
    return _known_signed_url(url) if len(url) <= _SHORT_CHARS else _signed_url(url)


def _signed_url(url: str) -> str:
    url, _, _ = url.partition("#")
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority = rest[:end].rpartition("@")[2]
    return f"{scheme}://{_without_port(scheme.lower(), authority)}{rest[end:]}"


_known_signed_url = lru_cache(maxsize=2_048)(_signed_url)  # a lane asks for the same one with every message


def _without_port(scheme: str, authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    if not colon or not (port.isdigit() or port == ""):  # the colons of a bare IPv6 literal end with a bracket
        return authority
    return host if scheme == "https" or port in ("", "80") else authority
