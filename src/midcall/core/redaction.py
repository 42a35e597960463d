"""The one table of what never reaches a log, a trace or the console: secrets, tokens, passwords.

`redact` is applied to every text before it is stored or logged, `redact_parameters` to forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

REDACTED: Final = "[redacted]"


@dataclass(frozen=True, slots=True)
class Redaction:
    """One kind of secret: what it looks like, and what is put in its place."""

    name: str
    pattern: re.Pattern[str]
    replacement: str


_FIELDS: Final = (
    r"auth_?token|api_?key_?secret|api_?secret|client_?secret|secret|password|passwd|credential|reconnect"
    r"|signalingReconnectToken|access_?token|token"
)

TABLE: Final = (
    Redaction(
        "authorization",
        re.compile(r"(?i)(\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)[^\r\n\"',}]{1,8192}"),
        rf"\1{REDACTED}",
    ),
    Redaction(
        "basic or bearer",
        re.compile(r"\b(Basic|Bearer)\s+[A-Za-z0-9._~+/=-]{8,8192}"),
        rf"\1 {REDACTED}",
    ),
    Redaction(
        "access token",
        re.compile(r"\beyJ[A-Za-z0-9_-]{4,8192}\.[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{0,8192}"),
        REDACTED,
    ),
    Redaction(
        "JSON or form field that holds a secret (reconnect tokens, API secrets, TURN passwords)",
        re.compile(rf"(?i)(\"(?:{_FIELDS})\"\s*:\s*)\"(?:[^\"\\]|\\.){{0,65536}}\""),
        rf'\1"{REDACTED}"',
    ),
    Redaction(
        "form or query parameter that holds a secret",
        re.compile(rf"(?i)(?<![A-Za-z0-9_])((?:{_FIELDS})=)[^&\s\"'#]{{1,8192}}"),
        rf"\1{REDACTED}",
    ),
    Redaction(
        "userinfo in a URL",
        re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,31}://)[^\s/@\"'<>?#]{1,1024}@"),
        rf"\1{REDACTED}@",
    ),
    Redaction(
        "ICE password in a session description",
        re.compile(r"(a=ice-pwd:)[^\r\n\\\"]{1,256}"),
        rf"\1{REDACTED}",
    ),
)
"""Applied in this order. Every quantifier is bounded, so that a long line costs what its length says."""


def redact(text: str) -> str:
    """The text without the secrets that the table knows."""
    if text.replace("-", "").isalnum():  # one word: nothing in the table looks like that
        return text
    for redaction in TABLE:
        text = redaction.pattern.sub(redaction.replacement, text)
    return text


def redact_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A form's parameters with secret values blanked, by their names too."""
    return {name: redact(f"{name}={value}").partition("=")[2] for name, value in pairs}
