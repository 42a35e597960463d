"""Why a signature did not match: the same request in the variants that proxies, frameworks and settings make of it.

What was signed is one URL, one reading of the body and one auth token. What a receiver looks at may differ in each;
the variant that matches says where.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from itertools import islice, permutations, product
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit, urlunsplit

import msgspec

from midcall.core.signature import sign, signed_url

MAX_URLS: Final = 4_000
MAX_TRIES: Final = 100_000
MAX_ORDERED: Final = 5
"""Query parameters whose every order is tried: 120 at most."""
USUAL_PORTS: Final = (80, 443, 3000, 5000, 8000, 8080, 8443)
"""Where applications listen behind their proxies."""
DIGEST: Final = "bodySHA256"

Params = tuple[tuple[str, str], ...]


class Change(StrEnum):
    """In what the signed request differs from the one that was looked at."""

    SCHEME = "scheme"
    HOST = "host"
    PORT = "port"
    SLASH = "slash"
    PATH = "path"
    ORDER = "query order"
    ESCAPES = "percent-encoding"
    QUERY = "query"
    BODY = "body"
    TOKEN = "auth token"  # noqa: S105  # the name of a difference


class Reading(StrEnum):
    """What of the body goes into a signature."""

    FORM = "the fields of the form"
    JSON = "the keys of the parsed JSON"
    NOTHING = "nothing of the body"
    DIGEST = "bodySHA256 in the URL"


@dataclass(frozen=True, slots=True)
class Secret:
    """An auth token, and whose it is."""

    name: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as its receiver sees it.

    Attributes:
        url: as the receiver puts it together.
        headers: names in any case.
    """

    url: str
    signature: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first value of a header, which proxies make a list, or an empty text."""
        value = next((value for known, value in self.headers.items() if known.lower() == name.lower()), "")
        return value.split(",")[0].strip()


@dataclass(frozen=True, slots=True)
class Variant:
    """What was signed, the URL without what of it does not count. Without changes the receiver's own view is right."""

    url: str
    reading: Reading
    secret: Secret
    changes: tuple[Change, ...] = ()


def find(seen: Seen, secrets: Sequence[Secret], known_urls: Iterable[str] = ()) -> Variant | None:
    """The variant with the fewest changes whose signature is the one in the request; None when no one has it.

    Args:
        secrets: candidates, the receiver's own first.
        known_urls: callbacks that are registered; the request was probably for one of them.
    """
    given = seen.signature.strip().encode()
    for url, (reading, params), secret, changes in islice(_candidates(seen, secrets, known_urls), MAX_TRIES):
        target = _with_digest(url, seen.body) if reading is Reading.DIGEST else url
        if hmac.compare_digest(sign(secret.token, target, params).encode(), given):
            return Variant(signed_url(target), reading, secret, changes)
    return None


Candidate = tuple[str, tuple[Reading, Params], Secret, tuple[Change, ...]]


def _candidates(seen: Seen, secrets: Sequence[Secret], known_urls: Iterable[str]) -> Iterator[Candidate]:
    """Everything to try, the fewest changes first."""
    readings = _readings(seen)
    rest: list[tuple[tuple[Reading, Params], Secret, tuple[Change, ...]]] = []
    for (read, reading), (other, secret) in product(enumerate(readings), enumerate(secrets)):
        rest.append((reading, secret, (Change.BODY,) * bool(read) + (Change.TOKEN,) * bool(other)))
    by_changes: dict[int, list[tuple[str, tuple[Change, ...]]]] = {}
    for url in islice(_urls(seen, known_urls), MAX_URLS):
        changes = changes_between(seen.url, url)
        by_changes.setdefault(len(changes), []).append((url, changes))
    for total in range(len(Change) + 1):
        for reading, secret, more in rest:
            for url, changes in by_changes.get(total - len(more), ()):
                yield url, reading, secret, (*changes, *more)


def changes_between(seen: str, signed: str) -> tuple[Change, ...]:
    """What differs between two URLs in what of them is signed."""
    one, other = urlsplit(signed_url(seen)), urlsplit(signed_url(signed))
    found = []
    if one.scheme.lower() != other.scheme.lower():
        found.append(Change.SCHEME)
    if _host(one.netloc) != _host(other.netloc):
        found.append(Change.HOST)
    if other.scheme.lower() != "https" and _port(one.netloc) != _port(other.netloc):
        found.append(Change.PORT)
    if one.path != other.path:
        found.append(_path_change(one.path, other.path))
    if one.query != other.query:
        found.append(_query_change(one.query, other.query))
    return tuple(dict.fromkeys(found))


def _path_change(one: str, other: str) -> Change:
    if one.rstrip("/") == other.rstrip("/"):
        return Change.SLASH
    return Change.ESCAPES if unquote(one) == unquote(other) else Change.PATH


def _query_change(one: str, other: str) -> Change:
    if sorted(one.split("&")) == sorted(other.split("&")):
        return Change.ORDER
    return Change.ESCAPES if _plain(one) == _plain(other) else Change.QUERY


def _plain(query: str) -> str:
    return unquote(query.replace("+", " "))


def _host(netloc: str) -> str:
    return netloc.removesuffix(f":{_port(netloc)}").lower()


def _port(netloc: str) -> str:
    _, colon, port = netloc.rpartition(":")
    return port if colon and port.isdigit() else ""


# ----------------------------------------------------------------------------------------------------------- the URL


def _urls(seen: Seen, known_urls: Iterable[str]) -> Iterator[str]:
    """The URL in every variant, each once; registered ones and likely ones first."""
    known = [url for url in map(_split, known_urls) if url is not None]
    base = _split(seen.url) or SplitResult("", "", seen.url, "", "")
    tried: dict[str, None] = {}
    everything = (
        (urlunsplit(url) for url in (base, *known)),
        (
            urlunsplit((scheme, netloc, path, query, ""))
            for path, query, netloc, scheme in product(
                _paths(base, seen, known), _queries(base, known), _netlocs(base, seen, known), _schemes(base, seen)
            )
        ),
    )
    for urls in everything:
        for url in urls:
            if url not in tried:
                tried[url] = None
                yield url


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)._replace(fragment="")
    except ValueError:
        return None


def _schemes(base: SplitResult, seen: Seen) -> list[str]:
    return _unique(base.scheme, seen.header("X-Forwarded-Proto").lower(), "https", "http")


def _netlocs(base: SplitResult, seen: Seen, known: Iterable[SplitResult]) -> list[str]:
    named = _unique(
        base.netloc.rpartition("@")[2],
        *(seen.header(name) for name in ("X-Forwarded-Host", "X-Original-Host", "Host")),
        *(url.netloc.rpartition("@")[2] for url in known),
    )
    hosts = _unique(*(name.removesuffix(f":{_port(name)}") for name in named))
    ports = _unique(seen.header("X-Forwarded-Port"), *map(str, USUAL_PORTS))
    return _unique(*named, *hosts, *(f"{host}:{port}" for host in hosts for port in ports if port.isdigit()))


def _paths(base: SplitResult, seen: Seen, known: Iterable[SplitResult]) -> list[str]:
    toggled = base.path.removesuffix("/") if base.path.endswith("/") else base.path + "/"
    prefix = seen.header("X-Forwarded-Prefix").rstrip("/")
    full = (urlsplit(seen.header(name)).path for name in ("X-Original-URI", "X-Forwarded-Uri", "X-Rewrite-URL"))
    plain = unquote(base.path)
    return list(
        dict.fromkeys(
            (
                base.path,
                toggled,
                *(path for path in full if path),
                *((prefix + base.path,) if prefix else ()),
                plain,
                quote(plain),
                *(url.path for url in known),
            )
        )
    )


def _queries(base: SplitResult, known: Iterable[SplitResult]) -> list[str]:
    query = base.query
    parts = query.split("&")
    orders = permutations(parts) if 1 < len(parts) <= MAX_ORDERED else (tuple(sorted(parts)), tuple(reversed(parts)))
    escapes = (query.replace("+", "%20"), query.replace("%20", "+"), unquote(query), _plain(query), _requoted(query))
    return list(dict.fromkeys((query, *map("&".join, orders), *escapes, "", *(url.query for url in known))))


def _requoted(query: str) -> str:
    """As strict senders escape it: everything but unreserved characters."""
    pairs = [[quote(_plain(text), safe="") for text in part.split("=", 1)] for part in query.split("&")]
    return "&".join(map("=".join, pairs))


def _unique(*values: str) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))


# ---------------------------------------------------------------------------------------------------------- the body


def _readings(seen: Seen) -> list[tuple[Reading, Params]]:
    """What may have been signed of the body; first what an official validator takes when it is given the request."""
    form = (Reading.FORM, tuple(parse_qsl(seen.body.decode("utf-8", "replace"), keep_blank_values=True)))
    nothing: tuple[Reading, Params] = (Reading.NOTHING, ())
    keys = _json_keys(seen.body)
    if not seen.body:
        return [nothing]
    if keys is None:
        return [form, nothing, (Reading.DIGEST, ())]
    return [nothing, (Reading.JSON, keys), (Reading.DIGEST, ())]


def _json_keys(body: bytes) -> Params | None:
    try:
        decoded: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return tuple(
        (name, value if isinstance(value, str) else msgspec.json.encode(value).decode())
        for name, value in decoded.items()
    )


def _with_digest(url: str, body: bytes) -> str:
    """As services sign JSON that put its digest into the query."""
    if f"{DIGEST}=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}{DIGEST}={sha256(body).hexdigest()}"
