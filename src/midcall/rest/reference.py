"""Prints two pages of the documentation from the code: the REST reference, and every rule that can refuse something.

`python -m midcall.rest.reference rest` or `errors` writes the page to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from midcall.core.errors import RULES, Rule
from midcall.rest.catalog import ENDPOINTS
from midcall.rest.endpoint import AnyEndpoint
from midcall.rest.openapi import refusals
from midcall.wire.parameters import Parameter, parameters

_REST_HEAD: Final = """\
# REST API

Printed by `python -m midcall.rest.reference rest`; do not edit. Machine-readable, from the same declarations:
`/openapi.json`.

The API is compatible with the voice part of the Twilio REST API: the official client libraries, the CLI and curl work
unmodified. These rules hold for every endpoint.

* **Credentials**: HTTP Basic, an account sid and its auth token, or a key sid and its secret. Endpoints marked
  *manages* refuse standard keys. An account's credentials open its subaccounts, too.
* **Paths** end in `.json` or have no suffix; the answer is always JSON. Sids may have capital hexadecimal digits.
* **Bodies** are forms, multipart or a JSON object with the same keys, up to 1 MiB and 1,000 parameters. Unknown
  parameters are ignored; of a repeated one the last counts.
* **Lists of words** are sent as the parameter repeated, as words apart by spaces, or as a JSON array.
* **Empty values** count as not sent, except where *clears* is said.
* **Lists** are newest first, `PageSize` rows a page, up to 1,000. Follow `next_page_uri` and `previous_page_uri`;
  `Page` is only an echo.
* **Time filters** take `YYYY-MM-DD` or an ISO 8601 time, UTC. The bare name is that day, `<` is before, `>` is on or
  after; the operator is part of the parameter's name.
* **Errors** are `{"code", "message", "more_info", "status"}`; the page [errors](errors.md) has all codes. A 503 means
  that nothing was done.
* **Browsers**: scripts may call with their own Authorization header (CORS). Navigations and no-cors requests from other
  sites are refused.
* **Every answer** has a `Twilio-Request-Id`, which is also in the log.
"""

_ERRORS_HEAD: Final = """\
# Errors

Printed by `python -m midcall.rest.reference errors` from the one table that holds every rule; do not edit.

A rule is raised once and rendered at each edge: as HTTP status and code by REST, as a code in an `error` or `hangup`
frame by signalling (a dash: no client can meet it there). *Try again* marks rules that pass by themselves. Messages
may say more than the sentence here.
"""


def rest_page() -> str:
    """`docs/reference/rest.md`."""
    served = [endpoint for endpoint in ENDPOINTS if not endpoint.extension]
    extensions = [endpoint for endpoint in ENDPOINTS if endpoint.extension]
    parts = [_REST_HEAD, *map(_endpoint, served), "## Extensions\n", *map(_endpoint, extensions)]
    return "\n".join(parts)


def errors_page() -> str:
    """`docs/reference/errors.md`."""
    rows = (
        (
            f"{rule.rest[0]} / {rule.rest[1]}",
            "–" if rule.signalling is None else str(rule.signalling),
            f"`{rule.name}`",
            rule.text,
            "yes" if rule.temporary else "",
        )
        for rule in sorted(RULES.values(), key=_by_code)
    )
    return f"{_ERRORS_HEAD}\n{_table(('REST', 'signalling', 'rule', 'sentence', 'try again'), rows)}"


def _by_code(rule: Rule) -> tuple[tuple[int, int], str]:
    return rule.rest, rule.name


def _endpoint(endpoint: AnyEndpoint) -> str:
    manages = " *Manages.*" if endpoint.manages else ""
    answer = "no body" if endpoint.answer is None else f"`{endpoint.answer.__name__}`"
    if endpoint.stream is not None:
        answer = "one JSON object a line" + (f", `{endpoint.answer.__name__}`" if endpoint.answer is not None else "")
    refused = ", ".join(f"{status}/{code}" for status, code in dict.fromkeys(rule.rest for rule in refusals(endpoint)))
    lines = [
        f"### {endpoint.name}",
        "",
        f"`{endpoint.method} {endpoint.shown_path}`",
        "",
        f"{endpoint.summary}{manages}",
        "",
    ]
    declared = parameters(endpoint.form)
    if declared:
        rows = [_row(parameter) for parameter in declared if parameter.inert is None]
        lines.append(_table(("parameter", "takes", "default"), rows))
    inert = [parameter for parameter in declared if parameter.inert is not None]
    if inert:
        lines += ["Checked, and without effect here; *†* leaves a warning (20001) on the call:", ""]
        lines.append(_table(("parameter", "takes", "because"), map(_inert_row, inert)))
    lines += [f"Answers {endpoint.status} with {answer}. Refuses with {refused}.", ""]
    return "\n".join(lines)


def _row(parameter: Parameter) -> tuple[str, str, str]:
    default = "required" if parameter.required else "" if parameter.default is None else _shown(parameter.default)
    takes = _takes(parameter) + (" (an extension)" if parameter.extension else "")
    return f"`{parameter.name}`", takes, default


def _inert_row(parameter: Parameter) -> tuple[str, str, str]:
    assert parameter.inert is not None
    mark = " *†*" if parameter.inert.surprises else ""
    return f"`{parameter.name}`{mark}", _takes(parameter), parameter.inert.why


def _shown(default: object) -> str:
    return f"`{' '.join(default) if isinstance(default, tuple) else default}`"


def _takes(parameter: Parameter) -> str:
    """A kind in words, from its schema."""
    schema = parameter.kind.schema()
    items = schema.get("items")
    words = items.get("enum") if isinstance(items, dict) else schema.get("enum")
    if isinstance(words, Sequence):
        return ("some of " if items else "") + ", ".join(f"`{word}`" for word in words)
    shape = {"uri": "a URL", "date-time": "a day or time"}.get(str(schema.get("format")), "")
    if schema["type"] == "integer":
        shape = f"a whole number from {schema['minimum']}" + (f" to {schema['maximum']}" if "maximum" in schema else "")
    elif schema["type"] == "boolean":
        shape = "`true` or `false`"
    elif "minLength" in schema:
        shape = f"a sid ({str(schema['pattern'])[1:3]}…)"
    elif "description" in schema:
        shape = str(schema["description"])
    elif not shape:
        shape = "a text" + (f" of at most {schema['maxLength']} characters" if "maxLength" in schema else "")
    return f"{shape}; empty clears" if parameter.kind.keeps_empty and "URL" in shape else shape


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


PAGES: Final = {"rest": rest_page, "errors": errors_page}


def main() -> None:
    sys.stdout.write(PAGES[sys.argv[1]]())


if __name__ == "__main__":
    main()
