"""The judge of all REST answers sees what would break a client library."""

from __future__ import annotations

from typing import Any

import pytest

from support.strict import problems

ERROR = {"code": 20404, "message": "", "more_info": "https://www.twilio.com/docs/errors/20404", "status": 404}
PAGE = {
    "uri": "/x.json",
    "first_page_uri": "/x.json",
    "next_page_uri": None,
    "previous_page_uri": None,
    "page": 0,
    "page_size": 50,
    "start": 0,
    "end": 0,
    "keys": [],
}
META = {
    "keys": [],
    "meta": {
        "key": "keys",
        "page": 0,
        "page_size": 50,
        "first_page_url": "https://h/v1/x",
        "previous_page_url": None,
        "url": "https://h/v1/x",
        "next_page_url": None,
    },
}


def judged(body: Any, *, method: str = "GET", path: str = "/x.json", status: int = 200) -> list[str]:
    return list(problems(method, path, status, body))


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (PAGE, {}),
        (META, {"path": "/v1/x"}),
        (ERROR, {"status": 404}),
        (None, {"method": "DELETE", "status": 204}),
        ({"date_created": "Wed, 02 Dec 2020 20:02:01 +0000", "duration": None, "ttl": "5"}, {}),
        ({"date_created": "2020-12-02T20:02:01Z"}, {"path": "/v1/Alerts"}),
    ],
)
def test_what_clients_can_read_passes(body: Any, answer: dict[str, Any]) -> None:
    assert judged(body, **answer) == []


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (ERROR | {"code": "20404"}, {"status": 404}),
        (ERROR | {"status": 400}, {"status": 404}),
        (ERROR | {"more_info": None}, {"status": 404}),
        (ERROR | {"type": "", "title": ""}, {"status": 404}),
        ("not found", {"status": 404}),
        ({}, {"status": 202}),
        ({}, {"method": "DELETE"}),
        (ERROR, {"method": "DELETE", "status": 204}),
        (None, {}),
        (PAGE | {"more": []}, {}),
        (PAGE | {"more": 1}, {}),
        ({name: value for name, value in PAGE.items() if name != "end"}, {}),
        (PAGE | {"page": "0"}, {}),
        (PAGE | {"next_page_uri": "https://h/x.json"}, {}),
        (META | {"meta": {**META["meta"], "next_page_url": "/v1/x"}}, {"path": "/v1/x"}),  # type: ignore[dict-item]
        (META | {"meta": {"key": "keys"}}, {"path": "/v1/x"}),
        ({"duration": 5}, {}),
        (PAGE | {"keys": [{"error_code": 32711}]}, {}),
        ({"date_created": "Wed, 02 Dec 2020 20:02:01 GMT"}, {}),
        ({"start_time": "2020-12-02T20:02:01Z"}, {}),
        ({"voice_url": ""}, {}),
        ({"price_unit": ""}, {}),
        ({"subresource_uris": {"calls": ["/x"]}}, {}),
    ],
)
def test_what_breaks_a_client_is_seen(body: Any, answer: dict[str, Any]) -> None:
    assert judged(body, **answer)
