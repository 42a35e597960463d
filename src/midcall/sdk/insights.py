"""What a client tells the server's event gateway about its calls (reference section 7).

Telling never disturbs a call: what cannot be told is logged and forgotten, as in the browser SDK.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

from midcall import __version__
from midcall.core.client import Direction

log = logging.getLogger("midcall.sdk")

PUBLISHER: Final = "midcall-sdk"
TOKEN_HEADER: Final = "X-Twilio-Token"  # noqa: S105 - a name
EVENTS_PATH: Final = "/v4/EndpointEvents"
POST_S: Final = 5.0
"""How long a post may take."""
_SCHEMES: Final = {"wss": "https", "ws": "http"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The call that an event is about.

    Attributes:
        call_sid: None while the server has not said it.
        temporary_sid: the client's own name of the call, `TJS…`.
        codec: None without media.
    """

    direction: Direction
    call_sid: str | None
    temporary_sid: str
    codec: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Whose device it is, and what of its options is told with every event.

    Attributes:
        name, version: as far as the application says.
        dscp: packets are marked as voice.
        restarts_ice: media that is lost is sought again; a device without media has none to lose.
    """

    name: str | None = None
    version: str | None = None
    dscp: bool = True
    restarts_ice: bool = True


def feedback_event(
    subject: Subject, score: int | None, issue: str | None, *, application: Application, now: datetime
) -> bytes:
    """The event of `post_feedback`: `received`, or `received-none` for a person who gave no score."""
    if score is None:
        return _event(subject, "feedback", "received-none", {}, application, now)
    given = {"quality_score": score} | ({"issue_name": issue} if issue is not None else {})
    return _event(subject, "feedback", "received", given, application, now)


def _event(
    subject: Subject, group: str, name: str, fields: dict[str, Any], application: Application, now: datetime
) -> bytes:
    metadata = {"app_name": application.name, "app_version": application.version}
    known = {"call_sid": subject.call_sid, "audio_codec": subject.codec}
    payload = {
        "sdk_version": __version__,
        "platform": "python",
        "direction": str(subject.direction),
        "temp_call_sid": subject.temporary_sid,
        **{key: value for key, value in known.items() if value is not None},
        "aggressive_nomination": False,
        "browser_extension": False,
        "dscp": application.dscp,
        "ice_restart_enabled": application.restarts_ice,
        **fields,
    }
    event = {
        "publisher": PUBLISHER,
        "group": group,
        "name": name,
        "level": "INFO",
        "timestamp": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "private": False,
        "payload_type": "application/json",
        "payload": payload,
        "publisher_metadata": {key: value for key, value in metadata.items() if value is not None},
    }
    return msgspec.json.encode(event)


class Gateway:
    """The event gateway of one server, found at the host of its signalling."""

    def __init__(self, *, tls: ssl.SSLContext | None, session: aiohttp.ClientSession | None, use_proxies: bool) -> None:
        """Opens nothing. The arguments are those of `Transport`."""
        self._tls = tls
        self._session = session
        self._use_proxies = use_proxies

    async def post(self, event: bytes, *, address: str, token: str) -> None:
        """Tell an event; returns when the server has answered, or when it is clear that it will not.

        Args:
            event: as `feedback_event` makes it.
            address: of the signalling socket: the gateway is at the same host.
            token: the access token.

        Without a shared session each post has one of its own: posts are rare, and come after a device's end as well.
        """
        try:
            async with asyncio.timeout(POST_S), self._any_session() as session:
                await self._send(session, event, address, token)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("an event could not be told: %s", str(error) or type(error).__name__)

    def _any_session(self) -> aiohttp.ClientSession | nullcontext[aiohttp.ClientSession]:
        if self._session is not None and not self._session.closed:
            return nullcontext(self._session)
        return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=self._use_proxies)

    async def _send(self, session: aiohttp.ClientSession, event: bytes, address: str, token: str) -> None:
        url = URL(address)
        request = session.post(
            url.with_scheme(_SCHEMES.get(url.scheme, url.scheme)).with_path(EVENTS_PATH),
            data=event,
            headers={"Content-Type": "application/json", TOKEN_HEADER: token},
            ssl=self._tls if self._tls is not None else True,
            allow_redirects=False,
        )
        async with request as answer:
            if answer.status >= 300:
                log.warning("the event gateway answered %d: %s", answer.status, (await answer.text())[:500])
