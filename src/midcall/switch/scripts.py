"""Where a leg's TwiML comes from and where it reports: told by a REST call, an application or a phone number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from midcall.core.accounts import Application
from midcall.core.leg import MessageCallback
from midcall.core.run import Script
from midcall.core.twiml import STATUS_EVENTS, StatusCallback

if TYPE_CHECKING:
    from midcall.switch.calls import NewCall


class Voice(Protocol):
    """What applications and phone numbers say about calls. Empty text means "not set"."""

    @property
    def voice_url(self) -> str: ...
    @property
    def voice_method(self) -> str: ...
    @property
    def voice_fallback_url(self) -> str: ...
    @property
    def voice_fallback_method(self) -> str: ...
    @property
    def status_callback(self) -> str: ...
    @property
    def status_callback_method(self) -> str: ...


def instructions(new: NewCall) -> tuple[Script, StatusCallback | None]:
    """The TwiML and the reporting that a REST call brings itself."""
    script = Script(
        url=new.url or "",
        method=new.method,
        twiml=None if new.url else new.twiml,
        fallback_url=new.fallback_url or "",
        fallback_method=new.fallback_method,
    )
    reporting = None
    if new.status_callback:
        reporting = StatusCallback(
            url=new.status_callback,
            method=_method(new.status_callback_method),
            events=tuple(event for event in STATUS_EVENTS if event in new.status_callback_events),
        )
    return script, reporting


def given_by(voice: Voice) -> tuple[Script, StatusCallback | None]:
    """The TwiML and the reporting of a leg that runs an application, or is of a number."""
    return script_of(voice), reporting_of(voice)


def script_of(voice: Voice) -> Script:
    return Script(
        url=voice.voice_url,
        method=voice.voice_method,
        fallback_url=voice.voice_fallback_url,
        fallback_method=voice.voice_fallback_method,
    )


def reporting_of(voice: Voice) -> StatusCallback | None:
    if not voice.status_callback:
        return None
    return StatusCallback(url=voice.status_callback, method=_method(voice.status_callback_method))


def message_callback_of(application: Application | None) -> MessageCallback | None:
    if application is None or not application.message_callback:
        return None
    return MessageCallback(url=application.message_callback, method=application.message_callback_method)


def _method(text: str) -> Literal["GET", "POST"]:
    return "GET" if text == "GET" else "POST"
