"""A leg's way through its TwiML, as data: where the TwiML comes from, and where the leg stands in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Script:
    """Where a leg's TwiML comes from: a URL, or the text itself.

    `fallback_url` is asked once when a document cannot be had; empty when there is none.
    """

    url: str = ""
    method: str = "POST"
    twiml: str | None = None
    fallback_url: str = ""
    fallback_method: str = "POST"


@dataclass(slots=True, kw_only=True)
class Run:
    """Where a leg is in its TwiML. Everything that a leg needs to go on after it was put away.

    Attributes:
        whisper: this is what a child hears before its bridge: it cannot dial and has no fallback.
        url: of the current document, which relative addresses refer to; empty for TwiML given by REST.
        document: its text.
        index: the verb that runs.
        fetch: the request that is under way; None while a document runs.
        asked: address of that request; `asked_with`: its method.
        fetched: the request that brought, or failed to bring, the current document; None for TwiML given by REST.
        on_fallback: that request went to the fallback.
        silent_so_far: no verb but Redirect has run, so `answerOnBridge` still counts.
        documents: how many were run.
        echoing: the client hears itself.
    """

    whisper: bool
    url: str = ""
    document: str = ""
    index: int = 0
    fetch: int | None = None
    asked: str = ""
    asked_with: str = "POST"
    fetched: int | None = None
    on_fallback: bool = False
    silent_so_far: bool = True
    documents: int = 0
    echoing: bool = False
