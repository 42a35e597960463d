"""What holds for every request: credentials, paths, methods, headers, browsers, and our own bugs."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from aiohttp import FormData

from midcall.core import errors
from midcall.core.accounts import AccountStatus
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid, KeySid
from midcall.rest.body import BodyLimits
from support.rest import ACCOUNT, CALL, MAIN_KEY, OTHER, SECRET, TOKEN, A, Edge, an_account, basic

NEW_CALL = {"To": "client:bob", "From": "a", "Twiml": "<Response/>"}

# credentials


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "Authentication Error - No credentials provided"),
        ("", "Authentication Error - No credentials provided"),
        (basic("nobody", TOKEN), "Authentication Error - invalid username"),
        (basic("AC" + "9" * 32, TOKEN), "Authentication Error - invalid username"),
        (basic(f" {ACCOUNT}", TOKEN), "Authentication Error - invalid username"),
        (basic(ACCOUNT, "wrong"), "Authenticate"),
        (basic(ACCOUNT, f"{TOKEN}\n"), "Authenticate"),
        (basic(ACCOUNT, ""), "Authenticate"),
        (basic("SK" + "9" * 32, SECRET), "Authenticate"),
        (basic(OTHER, "d" * 32), "Authenticate"),
        ("Bearer abc", "Authenticate"),
        ("Basic !!!", "Authenticate"),
        ("Basic", "Authenticate"),
    ],
)
async def test_bad_credentials_are_401_with_the_vendors_words(edge: Edge, header: str | None, message: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with edge.client.get(f"{A}/Calls.json", headers=headers) as response:
        body = await response.json()
    assert (response.status, body["code"], body["message"]) == (401, 20003, message)
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Midcall"'


@pytest.mark.parametrize(("user", "password"), [(ACCOUNT, TOKEN), (MAIN_KEY, SECRET)])
async def test_tokens_and_keys_open_the_account(edge: Edge, user: str, password: str) -> None:
    assert (await edge.ask("GET", "/Calls.json", user=user, password=password)).status == 200


async def test_a_deleted_key_opens_nothing_from_then_on(edge: Edge) -> None:
    await edge.store.delete_key(ACCOUNT, KeySid(MAIN_KEY))
    assert (await edge.ask("GET", "/Calls.json", user=MAIN_KEY, password=SECRET)).refused == (401, 20003)


async def test_a_suspended_account_opens_nothing(edge: Edge) -> None:
    await edge.store.put_account(an_account(status=AccountStatus.SUSPENDED))
    assert (await edge.ask("GET", "/Calls.json")).refused == (401, 20003)


async def test_credentials_are_judged_before_parameters_and_sids(edge: Edge) -> None:
    path = f"/Calls/{CALL}/UserDefinedMessages.json"
    assert (await edge.ask("POST", path, b"\xff", password="wrong")).refused == (401, 20003)
    assert (await edge.ask("GET", "/Calls/nonsense.json", password="wrong")).refused == (401, 20003)
    foreign = f"/2010-04-01/Accounts/{AccountSid('AC' + '8' * 32)}/Calls.json"
    assert (await edge.ask("GET", foreign)).refused == (401, 20003)
    assert (await edge.ask("GET", "/2010-04-01/Accounts/nonsense/Calls.json")).refused == (404, 20404)


# paths and methods


@pytest.mark.parametrize("path", ["/Calls", "/Calls.json", f"/Calls/{CALL}", f"/Calls/{CALL}.json"])
async def test_json_is_the_answer_with_and_without_the_suffix(edge: Edge, path: str) -> None:
    answer = await edge.ask("GET", path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json;charset=utf-8")


@pytest.mark.parametrize(
    "path",
    [
        f"{A}/Calls.xml",
        f"{A}/Calls.csv",
        f"{A}/Calls/{CALL}.xml",
        f"{A}/calls.json",
        f"{A}/Calls/",
        f"{A}/Nothing.json",
        "/2010-04-01/Nothing",
        "/v1/Nothing",
    ],
)
async def test_unknown_paths_are_404_with_the_path(edge: Edge, path: str) -> None:
    answer = await edge.ask("GET", path)
    assert answer.refused == (404, 20404)
    assert answer.body["message"] == f"The requested resource {path} was not found"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "DELETE"])
async def test_other_methods_are_405(edge: Edge, method: str) -> None:
    answer = await edge.ask(method, "/Calls.json")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    if method != "HEAD":
        assert answer.refused == (405, 20004)


async def test_methods_are_never_overridden(edge: Edge) -> None:
    headers = {"X-HTTP-Method-Override": "DELETE"}
    assert (await edge.ask("POST", f"/Calls/{CALL}.json?_method=DELETE", {}, headers=headers)).status == 200


# headers


async def test_every_answer_has_its_own_request_id(edge: Edge) -> None:
    first, second = await edge.ask("GET", "/Calls.json"), await edge.ask("GET", "/Nothing.json")
    for answer in (first, second):
        assert answer.headers["Twilio-Request-Id"].startswith("RQ")
        assert answer.headers["Twilio-Request-Duration"] == "0.000"
        assert answer.headers["Twilio-Concurrent-Requests"] == "1"
    assert first.headers["Twilio-Request-Id"] != second.headers["Twilio-Request-Id"]


async def test_connection_close_is_echoed(edge: Edge) -> None:
    for path in ("/Calls.json", "/Nothing.json"):
        answer = await edge.ask("GET", path, headers={"Connection": "close"})
        assert answer.headers["Connection"] == "close"
    assert "Connection" not in (await edge.ask("GET", "/Calls.json")).headers


async def test_a_client_may_expect_100_continue(edge: Edge) -> None:
    assert (await edge.ask("POST", "/Applications.json", {"FriendlyName": "x"}, expect100=True)).status == 201


async def test_gets_ignore_a_content_type_without_a_body(edge: Edge) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await edge.ask("GET", "/Calls.json", headers=headers)).status == 200
    deleted = await edge.ask("DELETE", f"/Keys/{MAIN_KEY}.json", headers=headers)
    assert (deleted.status, deleted.body) == (204, None)
    assert "Content-Type" not in deleted.headers


@pytest.mark.parametrize("accept", ["utf-8", "compress", "*;q=0"])
async def test_no_accept_header_is_406(edge: Edge, accept: str) -> None:
    headers = {"Accept-Encoding": accept, "Accept": "text/xml", "Accept-Charset": "x"}
    assert (await edge.ask("GET", "/Calls.json", headers=headers)).status == 200


async def test_a_post_without_a_body_or_type_is_read_as_empty(edge: Edge) -> None:
    assert (await edge.ask("POST", "/Applications.json")).status == 201
    answer = await edge.ask("POST", "/Applications.json", b"FriendlyName=x", headers={"Content-Type": "text/plain"})
    assert answer.refused == (400, 20001)
    assert "Content-Type" in answer.body["message"]


async def test_the_last_of_a_repeated_parameter_counts(edge: Edge) -> None:
    form = FormData([("FriendlyName", "first"), ("FriendlyName", "last")])
    assert (await edge.ask("POST", "/Applications.json", form)).body["friendly_name"] == "last"


async def test_a_body_that_does_not_arrive_is_given_up() -> None:
    edge = Edge(BodyLimits(wait_s=0))
    await edge.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.client.port)
    lines = [
        f"POST {A}/Applications.json HTTP/1.1",
        "Host: localhost",
        f"Authorization: {basic(ACCOUNT, TOKEN)}",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 10",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert await reader.readline() == b"HTTP/1.1 400 Bad Request\r\n"
    writer.close()
    await edge.stop()


# browsers


def browser(site: str, mode: str) -> dict[str, str]:
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Origin": "https://elsewhere.example"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["navigate", "no-cors", "nested-navigate"])
async def test_pages_of_other_sites_cannot_use_cached_credentials(edge: Edge, site: str, mode: str) -> None:
    assert (await edge.ask("POST", "/Calls.json", NEW_CALL, headers=browser(site, mode))).refused == (403, 20403)
    assert edge.calls.created == []
    assert (await edge.ask("GET", "/Calls.json", headers=browser(site, mode))).refused == (403, 20403)


@pytest.mark.parametrize(
    ("site", "mode"),
    [("cross-site", "cors"), ("same-origin", "cors"), ("none", "navigate"), ("same-origin", "no-cors")],
)
async def test_scripts_with_their_own_credentials_and_people_get_in(edge: Edge, site: str, mode: str) -> None:
    answer = await edge.ask("GET", "/Calls.json", headers=browser(site, mode))
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_preflights_are_answered_without_credentials(edge: Edge) -> None:
    headers = browser("cross-site", "cors") | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with edge.client.options(f"{A}/Calls.json", headers=headers) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    async with edge.client.options(f"{A}/Nothing.json", headers=headers) as response:
        assert response.status == 404


# our own troubles


async def test_a_bug_is_500_and_logged_with_its_ids(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    edge.calls.failure = RuntimeError("a bug")
    with caplog.at_level(logging.ERROR):
        answer = await edge.ask("POST", "/Calls.json", NEW_CALL | {"From": "a-secret-name"})
    assert answer.refused == (500, 20500)
    assert "a bug" not in str(answer.body)
    (record,) = caplog.records
    assert getattr(record, "request_id") == answer.headers["Twilio-Request-Id"]  # noqa: B009
    assert "a-secret-name" not in record.getMessage()


async def test_a_full_disk_is_503_with_a_time_to_come_back(edge: Edge) -> None:
    edge.calls.failure = Refused(errors.STORE_UNAVAILABLE, retry_after=1.2)
    answer = await edge.ask("POST", "/Calls.json", NEW_CALL)
    assert answer.refused == (503, 20503)
    assert answer.headers["Retry-After"] == "2"


# operators


async def text(edge: Edge, path: str, **headers: str) -> tuple[int, str]:
    async with edge.client.get(path, headers=headers) as response:
        return response.status, await response.text()


async def test_health_and_readiness(edge: Edge) -> None:
    assert await text(edge, "/healthz") == (200, "ok\n")
    assert await text(edge, "/readyz") == (200, "ready\n")
    edge.unready = "draining"
    assert await text(edge, "/readyz") == (503, "draining\n")
    assert await text(edge, "/healthz") == (200, "ok\n")


async def test_the_root_says_what_this_is(edge: Edge) -> None:
    status, hint = await text(edge, "/")
    assert (status, "midcall doctor" in hint) == (200, True)


async def test_metrics_count_answers(edge: Edge) -> None:
    await edge.ask("GET", "/Calls.json")
    await edge.ask("GET", "/Nothing.json")
    status, metrics = await text(edge, "/metrics")
    assert status == 200
    assert 'midcall_rest_responses_total{operation="ListCall",status="200"} 1' in metrics
    assert 'midcall_rest_responses_total{operation="unknown",status="404"} 1' in metrics
    assert "midcall_rest_request_seconds_count 2" in metrics
    assert "midcall_rest_requests_in_flight 0" in metrics


async def test_metrics_are_for_this_machine_or_for_the_token(edge: Edge) -> None:
    proxied = {"X-Forwarded-For": "198.51.100.7"}
    assert (await text(edge, "/metrics", **proxied))[0] == 403
    assert (await text(edge, "/metrics", Authorization="Bearer wrong", **proxied))[0] == 403
    assert (await text(edge, "/metrics", Authorization="Bearer " + "m" * 20, **proxied))[0] == 200


async def test_an_unknown_path_outside_the_api_is_404_too(edge: Edge) -> None:
    status, body = await text(edge, "/favicon.ico")
    assert (status, json.loads(body)["code"]) == (404, 20404)


async def test_the_document_is_served(edge: Edge) -> None:
    async with edge.client.get("/openapi.json") as response:
        assert (await response.json())["openapi"] == "3.1.0"
