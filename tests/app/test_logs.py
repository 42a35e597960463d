"""Log lines: text for a terminal, JSON elsewhere, secrets in neither."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from midcall import logs
from midcall.core.redaction import redact

CALL = "CA" + "0" * 32


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def undo() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def logged(stream: io.StringIO, style: str, *, level: str = "info") -> str:
    logs.configure(level=level, style=style, redact=redact, stream=stream)
    log = logging.getLogger("midcall.webhooks.dispatcher")
    log.debug("not shown")
    log.warning("lane to %s is down", "https://user:secret@example.org/x", extra={"call_sid": CALL})
    return stream.getvalue()


def test_elsewhere_each_line_is_a_json_object_with_the_sids() -> None:
    line = json.loads(logged(io.StringIO(), "auto"))
    assert (line["level"], line["logger"], line["call_sid"]) == ("warning", "midcall.webhooks.dispatcher", CALL)
    assert line["text"].startswith("lane to https://")


def test_on_a_terminal_it_is_coloured_text() -> None:
    shown = logged(Terminal(), "auto")
    assert "warning webhooks.dispatcher: lane to" in shown
    assert f"call_sid={CALL}" in shown
    assert "\x1b[33m" in shown


def test_the_style_can_be_chosen() -> None:
    assert logged(io.StringIO(), "text").endswith(f"call_sid={CALL}\n")
    assert json.loads(logged(Terminal(), "json"))["call_sid"] == CALL


@pytest.mark.parametrize("style", ["text", "json"])
def test_secrets_are_taken_out(style: str) -> None:
    assert "user:secret" not in logged(io.StringIO(), style)


def test_the_trace_of_an_exception_is_redacted_too() -> None:
    stream = io.StringIO()
    logs.configure(level="info", style="json", redact=redact, stream=stream)
    try:
        raise ValueError("Authorization: Basic dXNlcjpwYXNzd29yZA==")
    except ValueError:
        logging.getLogger("x").exception("failed")
    line = json.loads(stream.getvalue())
    assert "ValueError" in line["trace"]
    assert "dXNlcjpwYXNzd29yZA" not in line["trace"]


def test_less_important_lines_are_left_out() -> None:
    assert logged(io.StringIO(), "json", level="error") == ""
