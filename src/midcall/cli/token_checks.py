"""The checks of `midcall doctor token`: what a token says, what the server has to say to it, and never a secret."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from midcall.cli import rest
from midcall.cli.asking import Asking
from midcall.cli.failure import Failure
from midcall.cli.findings import Finding, note, ok, wrong
from midcall.core import tokens
from midcall.core.errors import Refused
from midcall.core.tokens import Issuer

VERDICT_S: Final = 5.0
_CREDENTIALS: Final = 'Give your app this server\'s: eval "$(midcall credentials --format env)"'


class _Account(msgspec.Struct):
    sid: str


class _Accounts(msgspec.Struct):
    accounts: list[_Account]
    next_page_uri: str | None = None


class _Application(msgspec.Struct):
    voice_url: str | None = None


def examine(token: str, asking: Asking, now: dt.datetime) -> Iterator[Finding]:
    """Check a token in the server's order, then let the server judge it."""
    try:
        issuer = tokens.issuer_of(token)
    except Refused as refused:
        fix = "Make it with AccessToken of a helper library and a voice grant, or with: midcall token --identity alice"
        yield wrong("form", refused.detail, fix)
        return
    claims = _claims(token)
    yield ok("form", f"an access token of key {issuer.key_sid} for account {issuer.account_sid}")
    yield from _issuer(issuer, token, asking)
    yield from _times(claims, now)
    yield from _grants(claims, issuer, asking)
    yield asyncio.run(_verdict(token, asking))


def _claims(token: str) -> dict[str, Any]:
    import jwt

    options: Any = {"verify_signature": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(token, options=options)  # `issuer_of` has found it readable
    return claims


def _issuer(issuer: Issuer, token: str, asking: Asking) -> Iterator[Finding]:
    own = asking.credentials
    if issuer.account_sid != own.account_sid and issuer.account_sid not in _accounts(asking):
        yield wrong("account", f"{issuer.account_sid} (sub) is no account of this server", _CREDENTIALS)
        return
    if issuer.key_sid != own.api_key_sid and not _exists(asking, f"{issuer.account_sid}/Keys/{issuer.key_sid}.json"):
        yield wrong("key", f"{issuer.key_sid} (iss) is no key of account {issuer.account_sid}", _CREDENTIALS)
        return
    yield ok("key", f"{issuer.key_sid} is a key of account {issuer.account_sid}")
    if issuer.key_sid == own.api_key_sid:
        try:
            tokens.verify(token, own.api_key_secret)
        except Refused as refused:
            yield wrong("signature", refused.detail, f"Sign with the secret of {issuer.key_sid}. {_CREDENTIALS}")
        else:
            yield ok("signature", "made with the key's secret")


def _accounts(asking: Asking) -> set[str]:
    # One by one does not do: whose account it is not is refused, not told that there is none.
    pages = rest.pages(asking.server, asking.credentials, "/2010-04-01/Accounts.json", {"PageSize": "1000"}, _Accounts)
    return {row.sid for page in pages for row in page.accounts}


def _exists(asking: Asking, path: str) -> bool:
    gone = "missing"
    try:
        rest.get(asking.server, asking.credentials, f"/2010-04-01/Accounts/{path}", {}, missing=gone)
    except Failure as failure:
        if str(failure) == gone:
            return False
        raise
    return True


def _times(claims: dict[str, Any], now: dt.datetime) -> Iterator[Finding]:
    expires, starts = (_time(claims.get(name)) for name in ("exp", "nbf"))
    issued = _time(claims.get("iat")) or starts
    if expires is None:
        yield wrong("time", "the token never ends (exp)", "Give it a time to live of at most 24 hours")
    elif expires <= now:
        ago = now - expires
        yield wrong(
            "time",
            f"expired {_span(ago)} ago, at {expires:%Y-%m-%d %H:%M:%S} UTC",
            "Fetch a new one before that: device.on('tokenWillExpire', …)",
        )
    elif starts is not None and starts > now + dt.timedelta(seconds=tokens.LEEWAY_S):
        yield wrong(
            "time",
            f"begins in {_span(starts - now)}, at {starts:%Y-%m-%d %H:%M:%S} UTC",
            "Set the clock of the machine that makes tokens",
        )
    elif issued is not None and (expires - min(issued, now)).total_seconds() > tokens.MAX_LIFE_S + tokens.LEEWAY_S:
        yield wrong("time", f"lives for {_span(expires - issued)}", "Give it a time to live of at most 24 hours")
    else:
        yield ok("time", f"ends in {_span(expires - now)}")


def _time(value: object) -> dt.datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return dt.datetime.fromtimestamp(value, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return dt.datetime.max.replace(tzinfo=dt.UTC)


def _span(span: dt.timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _grants(claims: dict[str, Any], issuer: Issuer, asking: Asking) -> Iterator[Finding]:
    grants = _object(claims.get("grants"))
    identity = grants.get("identity")
    if not isinstance(identity, str) or not identity:
        yield note(
            "identity", "none: the client may call, and cannot be called", "Name it where your app makes the token"
        )
    elif not tokens.is_identity(identity):
        yield wrong(
            "identity", f"{identity!r} cannot be a name", "Use 1 to 256 letters, digits and _.@+- without spaces"
        )
    else:
        yield ok("identity", f"client:{identity}")
    if not isinstance(grants.get("voice"), dict):
        yield wrong("grants", "there is no voice grant", "Add a VoiceGrant where your app makes the token")
        return
    voice = grants["voice"]
    incoming = _object(voice.get("incoming")).get("allow") is True
    yield (
        ok("incoming", "calls may come in")
        if incoming
        else note("incoming", "nobody may call the client", "Set incoming_allow of the voice grant if somebody should")
    )
    yield _outgoing(_object(voice.get("outgoing")).get("application_sid"), issuer, asking)


def _outgoing(application: object, issuer: Issuer, asking: Asking) -> Finding:
    if not isinstance(application, str) or not application:
        fix = f"Set outgoing_application_sid of the voice grant to {asking.credentials.application_sid} if it should"
        return note("outgoing", "the client may call nobody", fix)
    gone = f"{application} is no application of account {issuer.account_sid}"
    path = f"/2010-04-01/Accounts/{issuer.account_sid}/Applications/{application}.json"
    try:
        found = rest.read(rest.get(asking.server, asking.credentials, path, {}, missing=gone), _Application)
    except Failure as failure:
        return wrong("outgoing", str(failure), f"Use {asking.credentials.application_sid}, or make one by REST")
    if not found.voice_url:
        return note(
            "outgoing", f"{application} has no voice URL: calls fail", "Set its VoiceUrl by REST to your app's address"
        )
    return ok("outgoing", f"calls ask {found.voice_url}")


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


async def _verdict(token: str, asking: Asking) -> Finding:
    """What the server answers a client that shows the token; nothing is registered by that."""
    import aiohttp

    from midcall.wire import signal

    tls = ssl.create_default_context(cafile=asking.server.ca_file)
    url = f"wss://{asking.server.signaling_host}/signal"
    try:
        async with (
            asyncio.timeout(VERDICT_S),
            aiohttp.ClientSession() as session,
            session.ws_connect(url, ssl=tls) as socket,
        ):
            await socket.send_str(signal.encode(signal.Listen(token=token)).decode())
            async for message in socket:
                frame = signal.decode_server(message.data) if message.data.strip() else None
                if isinstance(frame, signal.Connected):
                    return ok("server", "accepts the token")
                if isinstance(frame, signal.Error):
                    fix = "See the first ✗ above, or docs/reference/errors.md"
                    return wrong("server", f"refuses it: {frame.error.code} {frame.error.message}", fix)
    except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
        return note("server", f"cannot be asked at {url}: {error!r}", "See: midcall doctor")
    return note("server", "closed the connection without an answer", "See: midcall doctor")
