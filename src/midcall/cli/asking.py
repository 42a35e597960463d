"""What the commands about messages share: the server, the sids and times in their arguments."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from midcall.cli.failure import ExitCode, Failure
from midcall.cli.options import credentials_of, folder_of, running_server
from midcall.folder import Credentials, ServerInfo

Call = Annotated[str | None, typer.Option("--call", metavar="CA…", help="Only this call.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="As the server says it, one JSON object a line.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="From then on: 2h, 30m, 3d ago, or 2026-01-31T12:00:00Z.", show_default=False),
]

_NAMES = {"CA": "call", "KX": "message", "ZY": "subscription", "RP": "replay"}
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Asking:
    """The server that a command talks to, and the account it talks for."""

    server: ServerInfo
    credentials: Credentials

    @classmethod
    def of(cls, data_dir: str | None) -> Asking:
        """Raises:
        Failure: no server runs there.
        """
        folder = folder_of(data_dir)
        return cls(running_server(folder, data_dir), credentials_of(folder, data_dir))

    @property
    def account(self) -> str:
        return f"/2010-04-01/Accounts/{self.credentials.account_sid}"

    @property
    def extension(self) -> str:
        return f"/midcall/v1/Accounts/{self.credentials.account_sid}"


def sid(text: str, prefix: str) -> str:
    """The argument, when it is a sid of that kind.

    Raises:
        Failure: it is not.
    """
    if re.fullmatch(rf"{prefix}[0-9a-fA-F]{{32}}", text, re.ASCII) is None:
        name = _NAMES[prefix]
        raise Failure(f"{text} is no {name}: a {name}'s sid is {prefix} and 32 hex digits", ExitCode.USAGE)
    return text


def no_call(call: str | None) -> str | None:
    """What to say when the server knows no such call."""
    return None if call is None else f"no call {call} is known here; see: midcall calls list"


def moment(text: str) -> str:
    """A time as the REST API takes it.

    Raises:
        Failure: it is none.
    """
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text, re.ASCII)
    if ago is not None:
        at = datetime.fromtimestamp(time.time() - int(ago[1]) * _UNITS[ago[2]], UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f"{text} is no time: take 2h, 30m or 3d (ago), or 2026-01-31T12:00:00Z", ExitCode.USAGE) from None
    return text


def chosen(**values: str | int | None) -> dict[str, str]:
    """Parameters that were given, by their REST names."""
    return {name: str(value) for name, value in values.items() if value is not None}
