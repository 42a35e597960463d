"""The official validators of request signatures, as an app would call them on what came over the wire.

Python's in this process, Node's in one long-lived process. `matrix` says which accepts what, for the documentation.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from support.lanes import AUTH_TOKEN
from support.servers import Heard

CLIENTS = Path(__file__).parents[1] / "clients"

Verdicts = Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as an app behind a web framework sees it."""

    protocol: str
    heard: Heard
    token: str = AUTH_TOKEN

    @property
    def url(self) -> str:
        return f"{self.protocol}://{self.heard.headers['host']}{self.heard.target}"

    @property
    def signature(self) -> str:
        return self.heard.headers["x-twilio-signature"]

    @property
    def content_type(self) -> str:
        return self.heard.headers.get("content-type", "")

    @property
    def form(self) -> dict[str, str]:
        """What a framework offers as the form: empty when the body is none."""
        if not self.content_type.startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(self.heard.body.decode(), keep_blank_values=True))

    @property
    def parsed(self) -> dict[str, Any]:
        """The body parsed by its type."""
        if self.content_type.startswith("application/json"):
            return dict(json.loads(self.heard.body))
        return self.form


class Validators:
    """Everybody who has a say."""

    def __init__(self, node: asyncio.subprocess.Process) -> None:
        self._node = node

    async def ask(self, seen: Seen) -> Verdicts:
        """Name of each way to validate, and whether it accepts the request."""
        return {**_python(seen), **await self._ask_node(seen)}

    async def _ask_node(self, seen: Seen) -> Verdicts:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        question = {
            "token": seen.token,
            "signature": seen.signature,
            "protocol": seen.protocol,
            "host": seen.heard.headers["host"],
            "target": seen.heard.target,
            "method": seen.heard.method,
            "type": seen.content_type,
            "body": seen.heard.body.decode(),
        }
        self._node.stdin.write(json.dumps(question).encode() + b"\n")
        answer = json.loads(await self._node.stdout.readline())
        return {f"Node: {name}": accepted for name, accepted in answer.items()}


def _python(seen: Seen) -> Verdicts:
    validator = RequestValidator(seen.token)
    return {
        "Python: validate, parsed body": validator.validate(seen.url, seen.parsed, seen.signature),
        "Python: validate, form only": validator.validate(seen.url, seen.form, seen.signature),
        "Python: validate, raw body": _raw(validator, seen),
    }


def _raw(validator: RequestValidator, seen: Seen) -> bool:
    if not seen.heard.body:
        return bool(validator.validate(seen.url, "", seen.signature))
    try:
        return bool(validator.validate(seen.url, seen.heard.body.decode(), seen.signature))
    except TypeError:  # it takes text only together with a digest in the URL
        return False


@asynccontextmanager
async def validators() -> AsyncIterator[Validators]:
    node = await asyncio.create_subprocess_exec(
        "node",
        str(CLIENTS / "validator.js"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    try:
        yield Validators(node)
    finally:
        assert node.stdin is not None
        node.stdin.close()
        await node.wait()


# The matrix of the documentation

WAYS: Sequence[tuple[str, str]] = (
    ("Python: validate, parsed body", "Python, `RequestValidator.validate(url, params, …)` with the parsed body"),
    ("Python: validate, form only", "Python, the same with the framework's form only (`request.form`)"),
    ("Python: validate, raw body", "Python, the same with the raw body as text"),
    ("Node: validateRequest", "Node, `validateRequest(…, params)` with the parsed body"),
    (
        "Node: validateExpressRequest",
        "Node, `validateExpressRequest` behind `express.urlencoded()` and `express.json()`",
    ),
    ("Node: webhook", "Node, middleware `twilio.webhook()` behind both parsers"),
    ("Node: webhook, forms only", "Node, middleware `twilio.webhook()` behind `express.urlencoded()` only"),
)


def table(columns: Mapping[str, Verdicts]) -> str:
    """Markdown: a row for each way to validate, a column for each kind of request."""
    lines = ["| validator | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for key, words in WAYS:
        cells = ("yes" if verdicts[key] else "no" for verdicts in columns.values())
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    python, node = version("twilio"), _node_version()
    return "\n".join([*lines, "", f"Measured with twilio {python} for Python and twilio {node} for Node."]) + "\n"


def _node_version() -> str:
    return str(json.loads((CLIENTS / "package.json").read_bytes())["dependencies"]["twilio"])
