"""Connect tokens: what another device of the same identity needs to take a call over (reference section 3.8)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from midcall.sdk.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class ConnectToken:
    """A call's parameters (CallSid among them), its custom parameters, and the leg's reconnect token."""

    parameters: Mapping[str, str]
    custom_parameters: Mapping[str, str]
    reconnect: str

    def encode(self) -> str:
        """As the browser SDK spells it: base64 of percent-encoded JSON."""
        told = {
            "customParameters": dict(self.custom_parameters),
            "parameters": dict(self.parameters),
            "signalingReconnectToken": self.reconnect,
        }
        text = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
        return base64.b64encode(quote(text, safe="-_.!~*'()").encode()).decode()

    @classmethod
    def decode(cls, text: str) -> ConnectToken:
        """Read one, from this SDK or a browser's.

        Raises:
            InvalidArgumentError: it cannot be parsed, or lacks the CallSid or the reconnect token.
        """
        try:
            told = json.loads(unquote(base64.b64decode(text, validate=True).decode()))
        except (TypeError, ValueError, RecursionError):
            raise InvalidArgumentError("the connect token cannot be parsed") from None
        told = told if isinstance(told, dict) else {}
        parameters = _strings(told.get("parameters"))
        reconnect = told.get("signalingReconnectToken")
        if not parameters.get("CallSid") or not isinstance(reconnect, str) or not reconnect:
            raise InvalidArgumentError("the connect token is invalid")
        return cls(parameters, _strings(told.get("customParameters")), reconnect)


def _strings(values: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}
