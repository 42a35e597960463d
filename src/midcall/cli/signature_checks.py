"""The checks of `midcall doctor signature`: which variant of a request has its signature, and what to change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from midcall.cli import rest
from midcall.cli.asking import Asking
from midcall.cli.failure import ExitCode, Failure
from midcall.cli.findings import Finding, note, ok, wrong
from midcall.core import signature
from midcall.core.sids import AccountSid, CallSid
from midcall.core.variants import Change, Reading, Secret, Seen, Variant, find

MAX_REQUEST: Final = 1024 * 1024
MOST_URLS: Final = 100
MOST_ACCOUNTS: Final = 50

_FIXES: Final[Mapping[Change, str]] = {
    Change.SCHEME: "Your framework sees another scheme behind the proxy: let it trust X-Forwarded-Proto, "
    "or give the validator the public URL",
    Change.HOST: "Give the validator the public host name: let the framework trust X-Forwarded-Host, or pass on Host",
    Change.PORT: "Give the validator the port of the registered URL: let the framework trust X-Forwarded-Port or Host",
    Change.SLASH: "Register the URL exactly as your router has it, with or without the slash at its end",
    Change.PATH: "A proxy changes the path: give the validator the path that the proxy was asked for",
    Change.ORDER: "Validate the raw query: a framework that parses and writes it again changes the order",
    Change.ESCAPES: "Validate the raw path and query as they came, percent-encoded, not decoded or encoded again",
    Change.QUERY: "Validate the whole query as it came: a proxy or framework takes parameters away or adds some",
}


_ACCOUNT_FIX: Final = (
    "Validate with the auth token of the account that the call belongs to; "
    'this server\'s own is in: eval "$(midcall credentials --format env)"'
)


class _Accounts(msgspec.Struct):
    class Row(msgspec.Struct):
        sid: str
        friendly_name: str
        auth_token: str

    accounts: list[Row]


def examine(seen: Seen, asking: Asking, own_token: str | None) -> Iterator[Finding]:
    """Look for the variant that was signed.

    Args:
        own_token: what the app validates with, if the environment says so.
    """
    if not seen.signature.strip():
        fix = "It did not come from this server, or a proxy drops the header"
        yield wrong("signature", f"the request has no {signature.HEADER}", fix)
        return
    variant = find(seen, _secrets(asking, own_token), _registered(asking))
    if variant is None:
        yield wrong(
            "signature",
            "no variant of URL, body and the tokens known here has it",
            "Give url, body and signature of one and the same request, byte for byte, as they reach your app; "
            "or the token is one that this server does not have (TWILIO_AUTH_TOKEN is tried when it is set)",
        )
        return
    yield from _told(seen, variant)


def _told(seen: Seen, variant: Variant) -> Iterator[Finding]:
    signed = f"{variant.url} with {variant.reading}, by {variant.secret.name}"
    if not variant.changes:
        yield ok("signature", f"matches: {signed}")
        yield from _hints(seen, variant)
        return
    yield note("signature", f"was made for {signed}")
    for change in variant.changes:
        match change:
            case Change.BODY:
                yield wrong(change, f"signed is {variant.reading}", _body_fix(variant.reading))
            case Change.TOKEN:
                yield wrong(change, f"signed with {variant.secret.name}", _ACCOUNT_FIX)
            case _:
                yield wrong(change, f"your app sees {seen.url}", _FIXES[change])


def _body_fix(reading: Reading) -> str:
    if reading is Reading.JSON:
        return "Hand the validator the parsed JSON object as parameters, or take forms: --set callback_encoding=form"
    if reading is Reading.NOTHING:
        return "Hand the validator no parameters: only the URL was signed"
    return "Hand the validator the raw body, unchanged, before a parser takes it"


def _hints(seen: Seen, variant: Variant) -> Iterator[Finding]:
    """A request that is right, and an app that refuses it all the same: what frameworks do to fields."""
    if variant.reading is not Reading.FORM:
        return
    fields = parse_qsl(seen.body.decode("utf-8", "replace"), keep_blank_values=True)
    empty = [name for name, value in fields if not value]
    trimmed = [name for name, value in fields if value != value.strip()]
    if empty:
        yield note("fields", f"empty: {', '.join(empty)}", "Your framework must keep empty fields")
    if trimmed:
        yield note("fields", f"white space at an end: {', '.join(trimmed)}", "Your framework must not trim fields")


# --------------------------------------------------------------------------------------------- what the server knows


def _secrets(asking: Asking, own_token: str | None) -> list[Secret]:
    own = asking.credentials
    secrets = [Secret(f"the auth token of account {own.account_sid}", own.auth_token)]
    page = rest.read(
        rest.get(asking.server, own, "/2010-04-01/Accounts.json", {"PageSize": str(MOST_ACCOUNTS)}), _Accounts
    )
    for row in page.accounts:
        secrets.append(Secret(f"the auth token of account {row.sid} ({row.friendly_name})", row.auth_token))
    if own_token:
        known = next((secret for secret in secrets if secret.token == own_token), None)
        secrets.insert(0, known or Secret("TWILIO_AUTH_TOKEN of this shell, which is no account's here", own_token))
    unique: dict[str, Secret] = {}
    for secret in secrets:
        unique.setdefault(secret.token, secret)
    return list(unique.values())


def _registered(asking: Asking) -> list[str]:
    """Where this account's webhooks go."""
    base = f"{asking.account}/Applications.json"
    found: dict[str, None] = {}
    for path in (base, f"{asking.account}/IncomingPhoneNumbers.json", f"{asking.extension}/Subscriptions.json"):
        try:
            body = rest.get(asking.server, asking.credentials, path, {"PageSize": str(MOST_URLS)})
        except Failure:
            continue
        found |= dict.fromkeys(_urls_in(msgspec.json.decode(body)))
    return list(found)[:MOST_URLS]


def _urls_in(value: Any) -> Iterator[str]:
    """Every absolute URL of a document."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _urls_in(item)
    elif isinstance(value, str) and value.startswith(("http://", "https://")):
        yield value


# --------------------------------------------------------------------------------------------- what the user gives


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The command's options."""

    url: str | None
    signature: str | None
    headers: Sequence[str]
    body: bytes | None
    request: bytes | None


def seen_from(given: Given, recorded: Seen | None) -> Seen:
    """The request that the options describe, over the one that is recorded, if one is.

    Raises:
        Failure: they describe none.
    """
    base = recorded or (Seen(url="", signature="") if given.request is None else _read(given.request))
    headers = {**base.headers, **dict(map(_header, given.headers))}
    seen = replace(
        base, headers=headers, url=given.url or base.url, body=base.body if given.body is None else given.body
    )
    seen = replace(seen, signature=given.signature or seen.header(signature.HEADER) or base.signature)
    if urlsplit(seen.url).scheme not in ("http", "https"):
        raise Failure(
            "say which URL your app sees: --url https://…, beside --request, or --call and --message", ExitCode.USAGE
        )
    return seen


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise Failure(f"--header {text} cannot be used: it takes 'Name: value'", ExitCode.USAGE)
    return name.strip(), value.strip()


def _read(raw: bytes) -> Seen:
    """A whole HTTP request, as proxies and debuggers show it."""
    import h11

    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST)
    connection.receive_data(raw if b"\n\n" in raw or b"\r\n\r\n" in raw else raw.rstrip(b"\r\n") + b"\n\n")
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise Failure(f"the request cannot be read: {error}", ExitCode.USAGE) from None
    if not isinstance(event, h11.Request):
        raise Failure("the request has no head: a request line, headers and an empty line", ExitCode.USAGE)
    headers = {name.decode(): value.decode("latin-1") for name, value in event.headers.raw_items()}
    target = event.target.decode()
    seen = Seen(url=target, signature="", headers=headers, body=connection.trailing_data[0].removesuffix(b"\n"))
    if target.startswith("/"):
        seen = replace(seen, url=f"{seen.header('X-Forwarded-Proto') or 'http'}://{seen.header('Host')}{target}")
    return seen


def recorded(asking: Asking, call: str, message: str) -> Seen:
    """The callback that brought a message, made again from what is stored, with its signature.

    Raises:
        Failure: there is no such message, or nothing was sent for it.
    """
    from midcall.core.lanes import Encoding
    from midcall.core.messages import Entry, Log
    from midcall.wire.callbacks import message_request
    from midcall.wire.records import DeliveryPage, MessageRecord

    path = f"{asking.account}/Calls/{call}"
    gone = f"no message {message} of call {call} is known here"
    record = rest.read(
        rest.get(asking.server, asking.credentials, f"{path}/UserDefinedMessages/{message}.json", {}, missing=gone),
        MessageRecord,
    )
    pages = rest.pages(asking.server, asking.credentials, f"{path}/Deliveries.json", {"PageSize": "1000"}, DeliveryPage)
    delivery = next((row for page in pages for row in page.deliveries if row.message_sid == record.sid), None)
    if delivery is None or delivery.attempts == 0:
        raise Failure(f"nothing was sent for message {message}: no subscription heard it")
    entry = Entry(
        account_sid=AccountSid(record.account_sid),
        leg_sid=CallSid(record.call_sid),
        log=Log.FROM_CLIENT,
        seq=int(record.sequence_number),
        sid=record.sid,
        content=record.content.encode(),
        content_type=record.content_type,
        at=dt.datetime.fromisoformat(record.accepted_at).timestamp(),
    )
    encoding = Encoding.JSON if delivery.encoding == "json" else Encoding.FORM
    token = asking.credentials.auth_token
    made = message_request(
        entry, url=delivery.url, method=delivery.method, encoding=encoding, auth_token=token, token=""
    )
    return Seen(url=made.url, signature=made.headers[signature.HEADER], headers=made.headers, body=made.body)


def body_of(text: str | None, file: Path | None) -> bytes | None:
    """The body that was given, from an option or a file; `-` is standard input.

    Raises:
        Failure: the file cannot be read.
    """
    return text.encode() if text is not None else None if file is None else content_of(file)


def content_of(file: Path) -> bytes:
    """A file's content, bounded; `-` is standard input.

    Raises:
        Failure: it cannot be read.
    """
    import sys

    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MAX_REQUEST)
        with file.open("rb") as opened:
            return opened.read(MAX_REQUEST)
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from None
