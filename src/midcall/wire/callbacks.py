"""Webhook requests: parameters, encodings, headers and signatures, for callbacks and for fetching TwiML.

Pure: the same delivery is built into the same bytes on every attempt, also after a restart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha1
from typing import Final
from urllib.parse import parse_qsl, quote, quote_plus
from uuid import UUID

import msgspec

from midcall.core import signature
from midcall.core.lanes import Encoding
from midcall.core.messages import Entry
from midcall.wire.dates import rfc2822
from midcall.wire.urls import callback_url_problem, request_url, with_query

__all__ = [
    "IDEMPOTENCY_HEADER",
    "REPLAY_HEADER",
    "USER_AGENT",
    "Prepared",
    "Unbuildable",
    "callback_url_problem",
    "content_text",
    "form_request",
    "idempotency_token",
    "marked",
    "message_params",
    "message_request",
    "resigner",
    "status_params",
]

Params = Sequence[tuple[str, str]]

USER_AGENT: Final = "TwilioProxy/1.1"
"""What existing allow-lists of webhook endpoints expect."""

IDEMPOTENCY_HEADER: Final = "I-Twilio-Idempotency-Token"

REPLAY_HEADER: Final = "X-Midcall-Replay"
"""The sid of the replay that sends a message once more; first deliveries do not have it."""

_FORM: Final = "application/x-www-form-urlencoded; charset=UTF-8"
_JSON: Final = "application/json"
_NAMESPACE: Final = UUID("8f7c1f0e-5f0a-5a57-9d0c-5d1c2d1c7a11")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class Unbuildable(ValueError):
    """No request can be made of it; trying again will not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that is ready to be sent. `url` has no fragment; userinfo in it becomes basic authentication."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


def idempotency_token(*names: str) -> str:
    """The token of one delivery: the same names give the same token, so it survives restarts."""
    digest = bytearray(sha1(_NAMESPACE.bytes + "/".join(names).encode(), usedforsecurity=False).digest()[:16])
    # RFC 9562, section 5.5: a UUID of version 5, as `uuid.uuid5` makes it at three times the price.
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def message_request(
    entry: Entry, *, url: str, method: str, encoding: Encoding, auth_token: str, token: str
) -> Prepared:
    """The callback that carries one message of an SDK.

    Args:
        url: the subscription's callback; its fragment does not count.
        method: `POST`, or `GET` with everything in the query (the encoding does not matter then).
        token: from `idempotency_token`.

    Raises:
        Unbuildable: the entry or the URL cannot be read.
    """
    params = message_params(entry)
    if method == "GET" or encoding is Encoding.FORM:
        return form_request(method, url, params, auth_token=auth_token, token=token)
    body = msgspec.json.encode(dict(params))
    return _post(_checked(url), params, body, _JSON, auth_token, token)


def marked(prepared: Prepared, replay: str) -> Prepared:
    """The callback of a replay: the same in everything but one header, which says that somebody asked for it."""
    return replace(prepared, headers={**prepared.headers, REPLAY_HEADER: replay})


def form_request(method: str, url: str, params: Params, *, auth_token: str, token: str) -> Prepared:
    """A signed form: status callbacks, and requests that fetch TwiML. GET carries the fields behind the URL's query.

    Empty fields are kept, in the body as in the signature.

    Raises:
        Unbuildable: the URL cannot be requested.
    """
    target = _checked(url)
    params = [(_text(name), _text(value)) for name, value in params]
    if method == "GET":
        target = with_query(target, _strict_query(params))
        headers = _headers(signature.sign(auth_token, target), token)
        return Prepared(method="GET", url=target, headers=headers)
    body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in params).encode()
    return _post(target, params, body, _FORM, auth_token, token)


def resigner(auth_token: str, headers: Mapping[str, str]) -> Callable[[str, str, bytes], Mapping[str, str]]:
    """Make the headers of a redirected request: the old ones, signed for the new URL.

    The result takes (method, url, body) of the next hop; a form's fields are signed where the method keeps them.
    """

    def resign(method: str, url: str, body: bytes) -> Mapping[str, str]:
        params = parse_qsl(body.decode(), keep_blank_values=True) if method == "POST" else []
        kept = {name: value for name, value in headers.items() if body or name != "Content-Type"}
        return {**kept, signature.HEADER: signature.sign(auth_token, url, params)}

    return resign


def message_params(entry: Entry) -> Params:
    """The keys of a message callback, all strings."""
    return (
        ("ContentType", _text(entry.content_type)),
        ("Content", content_text(entry.content)),
        ("SequenceNumber", str(entry.seq)),
        ("CallSid", entry.leg_sid),
        ("Timestamp", rfc2822(entry.at)),
        ("AccountSid", entry.account_sid),
        ("Sid", entry.sid),
    )


def status_params(entry: Entry) -> Params:
    """The fields of a status callback, in the order of the entry.

    Raises:
        Unbuildable: the entry is no JSON object of strings.
    """
    try:
        return tuple(msgspec.json.decode(entry.content, type=dict[str, str]).items())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unbuildable(f"the entry's parameters cannot be read: {error}") from None


def content_text(raw: bytes) -> str:
    """`Content` of a message: a JSON string is its text, everything else its JSON as the sender spelled it.

    Raises:
        Unbuildable: it is not UTF-8, or a string that cannot be read.
    """
    try:
        text = raw.decode()
        if text.startswith('"'):
            # Not msgspec: it refuses half surrogate pairs, which JSON.stringify spells as escapes.
            return _text(json.loads(text))
    except ValueError as error:
        raise Unbuildable(f"the message's content cannot be read: {error}") from None
    return text


def _post(url: str, params: Params, body: bytes, content_type: str, auth_token: str, token: str) -> Prepared:
    headers = _headers(signature.sign(auth_token, url, params), token)
    headers["Content-Type"] = content_type
    return Prepared(method="POST", url=url, headers=headers, body=body)


def _headers(signed: str, token: str) -> dict[str, str]:
    return {"User-Agent": USER_AGENT, "Accept": "*/*", signature.HEADER: signed, IDEMPOTENCY_HEADER: token}


def _checked(url: str) -> str:
    try:
        return request_url(url)
    except ValueError as error:
        raise Unbuildable(str(error)) from None


def _strict_query(params: Iterable[tuple[str, str]]) -> str:
    """Only unreserved characters stay: validators that parse the URL again must find nothing to re-escape."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params)


def _text(text: str) -> str:
    """Text that UTF-8 can carry: half a surrogate pair becomes a replacement character, as browsers send it."""
    if text.isascii() or _SURROGATES.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
