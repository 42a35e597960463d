"""Webhook addresses: which ones we take, and how they look on the wire.

A request's URL is signed as it is sent, so it is brought into the one spelling that every server and validator
leaves alone (WHATWG URL: nothing left to escape, no dot segments, a path) before either happens.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from yarl import URL

MAX_URL_CHARS: Final = 2_048
"""Of an address that a customer gives."""

MAX_REQUEST_CHARS: Final = 128 * 1024
"""Of a URL that is requested: GET callbacks carry a whole message, each byte of it in three characters."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", re.ASCII)
_BARE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOT: Final = re.compile(r"\.|%2e", re.IGNORECASE)

_PATH_SAFE: Final = "%/:@!$&'()*+,;=~"
_QUERY_SAFE: Final = "%/?:@!$&()*+,;=~"  # an apostrophe is escaped: WHATWG does so in queries


def callback_url_problem(url: str) -> str | None:
    """Why a URL cannot be a webhook's address, as a sentence for its owner; None when it can."""
    return _problem(url, MAX_URL_CHARS)


def _problem(url: str, most_chars: int) -> str | None:
    if len(url) > most_chars:
        return f"The URL is longer than {most_chars} characters"
    if _CONTROL.search(url) is not None:
        return "The URL has control characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "The URL cannot be read"
    if parts.scheme not in ("http", "https"):
        return "The URL does not begin with http:// or https://"
    if port == 0:
        return "The URL has port 0"
    if "_" in (parts.hostname or ""):
        return "The URL's host has an underscore"
    return None if _host(parts) is not None else "The URL has no valid host"


def request_url(url: str) -> str:
    """A URL as it is requested and signed: no fragment, userinfo kept, everything escaped that may be re-escaped.

    Raises:
        ValueError: it is no address that we request; says why.
    """
    return _known_request_url(url) if len(url) <= MAX_URL_CHARS else _request_url(url)


def _request_url(url: str) -> str:
    if (problem := _problem(url, MAX_REQUEST_CHARS)) is not None:
        raise ValueError(problem)
    parts = urlsplit(url)
    userinfo, at, _ = parts.netloc.rpartition("@")
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    query = f"?{_escape(parts.query, _QUERY_SAFE)}" if parts.query else ""
    path = _without_dots(_escape(parts.path, _PATH_SAFE))
    return f"{parts.scheme}://{_escape(userinfo, _PATH_SAFE)}{at}{_host(parts)}{port}{path}{query}"


_known_request_url = lru_cache(maxsize=2_048)(_request_url)  # a lane asks for the same one with every message


def with_query(url: str, query: str) -> str:
    """A URL from `request_url` with more parameters behind those that it has."""
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def redirect_target(url: str, location: str) -> str:
    """Where a `Location` leads, as it is requested. User and password go on within one origin only.

    Raises:
        ValueError: it is no address that we request.
    """
    target = request_url(urljoin(url, location))
    if URL(target, encoded=True).raw_user is not None or not same_origin(url, target):
        return target
    userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
    return target.replace("://", f"://{userinfo}{at}", 1)


def same_origin(url: str, other: str) -> bool:
    return URL(url, encoded=True).origin() == URL(other, encoded=True).origin()


def without_userinfo(url: str) -> str:
    """A URL for logs and alerts: no user, no password, no fragment."""
    url, _, _ = url.partition("#")
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    authority, slash, path = rest.partition("/")
    authority, question, query = authority.partition("?")
    return f"{scheme}://{authority.rpartition('@')[2]}{question}{query}{slash}{path}"


@lru_cache(maxsize=2_048)
def host_key(url: str) -> str:
    """Host and port: what shares one server's fate."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or _DEFAULT_PORTS.get(parts.scheme)}"
    except ValueError:
        return url


def userinfo(url: str) -> tuple[str, str] | None:
    """User and password of a URL, decoded; None when it has none."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def _host(parts: SplitResult) -> str | None:
    """The host in its ASCII spelling, as it stands in a URL; None when it is not valid."""
    host = parts.hostname or ""
    if not host or len(host) > 253 or "%" in host or "\\" in parts.netloc:
        return None
    try:
        raw = URL.build(scheme="http", host=host).host_subcomponent
    except ValueError:
        return None
    if raw is None or raw.startswith("["):
        return raw
    labels = raw.removesuffix(".").split(".")
    return raw if all(_LABEL.fullmatch(label) for label in labels) else None


def _escape(text: str, safe: str) -> str:
    """Escape what is left to escape; escapes that are there already stay."""
    if text.isascii() and not _BARE_PERCENT.search(text):
        return quote(text, safe=safe)
    text = _BARE_PERCENT.sub("%25", text.encode("utf-8", "replace").decode())
    return quote(text, safe=safe)


def _without_dots(path: str) -> str:
    """A path without `.` and `..` (RFC 3986, section 5.2.4), also escaped ones, as every client sends it."""
    if "." not in path and "%2" not in path:
        return path or "/"
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments, start=1):
        dots = len(_DOT.findall(segment)) if _DOT.sub("", segment) == "" else 0
        if dots == 2 and kept:
            kept.pop()
        elif dots not in (1, 2):
            kept.append(segment)
        if dots in (1, 2) and number == len(segments):
            kept.append("")
    return "/" + "/".join(kept)
