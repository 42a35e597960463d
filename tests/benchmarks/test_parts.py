"""Samples are counted for the part that their innermost known frame belongs to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from parts import OTHER, part_of, shares


@pytest.mark.parametrize(
    ("innermost", "part"),
    [
        ("StreamWriter._writelines (aiohttp/http_writer.py)", "writing to sockets"),
        ("RequestHandler.start (aiohttp/web_protocol.py:577)", "HTTP server"),
        ("WebSocketResponse.receive (aiohttp/web_ws.py:50)", "WebSocket"),
        ("BaseConnector.connect (aiohttp/connector.py:635)", "HTTP client"),
        ("sign (midcall/core/signature.py:30)", "callback: built, signed, dispatched, judged"),
        ("parse (midcall/core/sids.py:44)", "message rules, nudges"),
        ("Hub.record (midcall/signalling/hub.py:400)", "timeline"),
        ("create_task (asyncio/tasks.py:381)", OTHER),
    ],
)
def test_a_frame_belongs_to_a_part(innermost: str, part: str) -> None:
    assert part_of([innermost]) == part


def test_frames_that_belong_to_none_count_for_who_called_them() -> None:
    assert part_of(["unquote (urllib/parse.py:10)", "read_form (midcall/wire/forms.py:80)"]) == (
        "REST: credentials, form, resource, envelope"
    )


def test_shares_are_of_the_loop_alone() -> None:
    raw = (
        "thread (1): MainThread;run (asyncio/runners.py);sign (midcall/core/signature.py) 3\n"
        "thread (1): MainThread;run (asyncio/runners.py) 1\n"
        "thread (2): store-writer;run (midcall/storage/queries.py) 9\n"
    )
    assert shares(raw) == {"callback: built, signed, dispatched, judged": 0.75, OTHER: 0.25}
    assert shares("") == {}
