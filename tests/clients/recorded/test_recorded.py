"""PHP, Ruby and C#: the requests of the real libraries, and their way to read the answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import pytest

from clients.catalog import RECORDED
from clients.operations import OPERATIONS
from clients.recorded import readers
from clients.recorded.readers import READERS, Reader, Unreadable
from clients.recorded.replay import CALL, MESSAGES, SUBSCRIPTIONS, Replay, recorded
from clients.stage import Stage
from clients.table import NOT_RECORDED, PARSED, REPLAYED, Row, print_or_compare

DONE: Mapping[str, tuple[tuple[str, str] | None, Callable[[Replay], Awaitable[None]]]] = {
    "call": (("POST", "/Calls.json"), Replay.create_a_call),
    "message": (("POST", MESSAGES), Replay.create_a_message),
    "subscription": (("POST", SUBSCRIPTIONS), Replay.create_and_delete_a_subscription),
    "fetch": (("GET", f"{CALL}.json"), Replay.fetch_a_call),
    "list": (("GET", "/Calls.json"), Replay.list_calls_by_pages),
    "update": (None, Replay.update_a_call),
    "end": (("POST", f"{CALL}.json"), Replay.end_a_call),
    "application": (None, Replay.create_an_application),
    "key": (None, Replay.create_a_key),
    "error": (("GET", f"{CALL}.json"), Replay.read_an_error),
}
"""By operation: the recorded request, and what is done with it; where there is none, with one like it."""


@pytest.mark.parametrize(("name", "client"), RECORDED.items())
async def test_a_recorded_library_gets_what_it_can_read(name: str, client: str, stage: Stage) -> None:
    requests = recorded(client)
    (version,) = {request.version for request in requests}
    results = dict.fromkeys(OPERATIONS, NOT_RECORDED)
    async with stage.live_call(client, after=2) as call_sid, aiohttp.ClientSession() as session:
        replay = Replay(requests, READERS[client], stage.credentials, call_sid, session)
        for operation, (request, perform) in DONE.items():
            await perform(replay)
            results[operation] = REPLAYED if request is not None and replay.has(*request) else PARSED
    print_or_compare(Row(name, version, results))


GOOD = {
    "sid": "KX" + "1" * 32,
    "account_sid": "AC" + "1" * 32,
    "call_sid": "CA" + "1" * 32,
    "date_created": "Wed, 02 Dec 2020 20:02:01 +0000",
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_reader_refuses_what_its_library_cannot_read(reader: Reader) -> None:
    assert reader.record(json.dumps(GOOD), readers.MESSAGE)["date_created"].year == 2020
    for bad in ({"date_created": "yesterday"}, {"date_created": 1606939321}, {"call_sid": ["CA"]}):
        with pytest.raises(Unreadable):
            reader.record(json.dumps({**GOOD, **bad}), readers.MESSAGE)
    for text in ("", "[]", "null", json.dumps({"sid": "KX"})):
        with pytest.raises(Unreadable):
            reader.record(text, readers.MESSAGE)
    with pytest.raises(Unreadable):
        reader.error(json.dumps({"status": 400, "message": "no code"}), 400)


def test_some_things_only_one_library_cannot_read() -> None:
    wrong_day = json.dumps({**GOOD, "date_created": "Mon, 02 Dec 2020 20:02:01 +0000"})
    with pytest.raises(Unreadable):
        READERS["twilio-csharp"].record(wrong_day, readers.MESSAGE)
    iso = json.dumps({**GOOD, "date_created": "2020-12-02T20:02:01+00:00"})
    assert READERS["twilio-php"].record(iso, readers.MESSAGE)["date_created"].month == 12
    with pytest.raises(Unreadable):
        READERS["twilio-ruby"].record(iso, readers.MESSAGE)
    two_lists = json.dumps({"calls": [], "more": [], "next_page_uri": None})
    with pytest.raises(Unreadable):
        READERS["twilio-ruby"].page(two_lists, "calls", readers.CALL)
