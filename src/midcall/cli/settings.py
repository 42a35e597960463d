"""`midcall settings`: the example file and the reference page, printed from the `Settings` class."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from midcall.settings import Settings, is_secret, names, sentence, takes

WIDTH = 110


class Format(StrEnum):
    TOML = "toml"
    MARKDOWN = "markdown"


def settings(
    format: Annotated[Format, typer.Option(help="toml for a settings file, markdown for reading.")] = Format.TOML,
) -> None:
    """
    Print every setting with its default and what it does.

    A flag wins over its MIDCALL_ variable, that over the file given with
    --config, that over the default.

    \b
    [bold]Examples[/bold]
      midcall settings > midcall.toml         # a file to edit
      midcall serve --config midcall.toml
      MIDCALL_LOG_LEVEL=debug midcall serve
    """
    print(example_file() if format is Format.TOML else reference_page(), end="")


def example_file() -> str:
    """A TOML file in which every setting is commented out at its default."""
    parts = [
        "# Settings of Midcall, all at their defaults: remove the # of what you change.\n"
        "# A flag (--port) wins over its variable (MIDCALL_PORT), that over this file.\n"
    ]
    for name in names():
        wrapped = "\n".join(f"# {line}" for line in _wrap(f"{_plain(sentence(name))} Takes {takes(name)}."))
        parts.append(f"{wrapped}\n# {name} = {_toml(_default(name))}\n")
    return "\n".join(parts)


def reference_page() -> str:
    """The settings page of the documentation."""
    lines = [
        "# Settings",
        "",
        "Printed by `midcall settings --format markdown`; do not edit.",
        "",
        "Each setting can be given as a flag of `midcall serve` (`--set NAME=VALUE` where it has none of its own), as "
        "an environment variable (`MIDCALL_` and the name in capitals; lists are separated by commas), or in a TOML "
        "file (`--config FILE` or `MIDCALL_CONFIG`). They win in this order. `midcall settings` prints a file to start "
        "from. Durations are in seconds.",
        "",
        "| setting | default | takes | what it does |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{name}` | {_shown_default(name)} | {takes(name)} | {sentence(name)} |" for name in names()]
    return "\n".join(lines) + "\n"


def _default(name: str) -> object:
    return getattr(Settings(), name)


def _shown_default(name: str) -> str:
    default = _default(name)
    if default is None or default in ("", ()):
        return "made up" if is_secret(name) and name != "metrics_token" else "unset"
    return f"`{default}`"


def _toml(value: object) -> str:
    if value is None:
        return "0"
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return json.dumps(value)


def _plain(text: str) -> str:
    return text.replace("`", "")


def _wrap(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH)
