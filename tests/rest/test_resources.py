"""Subscriptions, applications, keys, accounts, and the extensions."""

from __future__ import annotations

import pytest

from midcall.core.accounts import AccountStatus
from midcall.core.alerts import Alert, Level
from midcall.core.calls import Status
from midcall.core.sids import AccountSid, AlertSid
from midcall.ports import TraceEvent
from support.rest import (
    ACCOUNT,
    CALL,
    MAIN_KEY,
    NOW,
    OTHER,
    SECRET,
    STANDARD_KEY,
    TOKEN,
    UNKNOWN_CALL,
    A,
    Edge,
    a_call,
    an_account,
)

SUBSCRIPTIONS = f"/Calls/{CALL}/UserDefinedMessageSubscriptions"
CALLBACK = {"Callback": "https://app.example/cb?x=1#rc=3"}

# subscriptions


async def test_a_subscription_is_made_and_deleted_once(edge: Edge) -> None:
    made = await edge.ask("POST", f"{SUBSCRIPTIONS}.json", CALLBACK)
    assert made.status == 201
    assert set(made.body) == {"account_sid", "call_sid", "sid", "date_created", "uri"}
    assert made.body["uri"] == f"{A}{SUBSCRIPTIONS}/{made.body['sid']}.json"
    (kept,) = await edge.store.subscriptions(ACCOUNT, CALL)
    assert (kept.callback, kept.method) == (CALLBACK["Callback"], "POST")
    assert (await edge.ask("DELETE", made.body["uri"])).status == 204
    assert (await edge.ask("DELETE", made.body["uri"])).refused == (404, 20404)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, 20001),
        ({"Callback": ""}, 20001),
        ({"Callback": "/relative"}, 21205),
        ({"Callback": "ws://app.example"}, 21205),
        ({"Callback": "https://my_app.example/"}, 21205),
        ({"Callback": "https://a b.example/"}, 21205),
        ({**CALLBACK, "Method": "PUT"}, 21209),
        ({**CALLBACK, "IdempotencyKey": "k" * 257}, 20001),
    ],
)
async def test_an_unusable_subscription_says_why(edge: Edge, form: dict[str, str], code: int) -> None:
    assert (await edge.ask("POST", f"{SUBSCRIPTIONS}.json", form)).refused == (400, code)
    assert await edge.store.subscriptions(ACCOUNT, CALL) == []


async def test_a_missing_callback_is_named(edge: Edge) -> None:
    answer = await edge.ask("POST", f"{SUBSCRIPTIONS}.json", {"Method": "GET"})
    assert answer.body["message"] == "Missing required parameter Callback in the post body"


async def test_the_same_callback_twice_is_two_and_an_eleventh_is_refused(edge: Edge) -> None:
    sids = {(await edge.ask("POST", f"{SUBSCRIPTIONS}.json", CALLBACK)).body["sid"] for _ in range(10)}
    assert len(sids) == 10
    assert (await edge.ask("POST", f"{SUBSCRIPTIONS}.json", CALLBACK)).refused == (400, 20001)


async def test_a_repeated_subscription_is_the_first_one(edge: Edge) -> None:
    form = CALLBACK | {"IdempotencyKey": "k"}
    first = await edge.ask("POST", f"{SUBSCRIPTIONS}.json", form)
    await edge.calls.put(a_call(status=Status.COMPLETED))
    again = await edge.ask("POST", f"{SUBSCRIPTIONS}.json", form)
    assert (again.status, again.body) == (201, first.body)
    assert (await edge.ask("POST", f"{SUBSCRIPTIONS}.json", form | {"Method": "GET"})).refused == (409, 20409)
    assert (await edge.ask("POST", f"{SUBSCRIPTIONS}.json", CALLBACK)).refused == (400, 21220)


async def test_a_subscription_to_an_unknown_call_is_404(edge: Edge) -> None:
    path = f"/Calls/{UNKNOWN_CALL}/UserDefinedMessageSubscriptions"
    assert (await edge.ask("POST", f"{path}.json", CALLBACK)).refused == (404, 20404)
    assert (await edge.ask("DELETE", f"{path}/ZY{'3' * 32}.json")).refused == (404, 20404)
    assert (await edge.ask("DELETE", f"{SUBSCRIPTIONS}/nonsense.json")).refused == (404, 20404)


# applications


async def test_an_application_lives(edge: Edge) -> None:
    made = (
        await edge.ask("POST", "/Applications.json", {"FriendlyName": "app", "VoiceUrl": "https://a.example/v"})
    ).body
    assert (made["voice_url"], made["voice_method"], made["status_callback"]) == ("https://a.example/v", "POST", None)
    path = f"/Applications/{made['sid']}.json"
    assert (await edge.ask("GET", path)).body == made
    edge.clock.advance(60)
    form = {
        "VoiceUrl": "",
        "StatusCallback": "https://a.example/s",
        "VoiceCallerIdLookup": "True",
        "VoiceMethod": "GET",
    }
    changed = (await edge.ask("POST", path, form)).body
    assert (changed["voice_url"], changed["friendly_name"], changed["voice_method"]) == (None, "app", "GET")
    assert (changed["status_callback"], changed["voice_caller_id_lookup"]) == ("https://a.example/s", True)
    assert changed["date_updated"] != changed["date_created"] == made["date_created"]
    assert (await edge.ask("DELETE", path)).status == 204
    for method in ("GET", "POST", "DELETE"):
        assert (await edge.ask(method, path, {} if method == "POST" else None)).refused == (404, 20404)


async def test_applications_are_listed_by_exact_name(edge: Edge) -> None:
    for name in ("one", "two", "one"):
        await edge.ask("POST", "/Applications.json", {"FriendlyName": name})
    assert len((await edge.ask("GET", "/Applications.json")).body["applications"]) == 3
    page = (await edge.ask("GET", "/Applications.json?FriendlyName=one&PageSize=1")).body
    assert [app["friendly_name"] for app in page["applications"]] == ["one"]
    rest = (await edge.ask("GET", page["next_page_uri"])).body
    assert ([app["friendly_name"] for app in rest["applications"]], rest["next_page_uri"]) == (["one"], None)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"FriendlyName": "n" * 65}, 20002),
        ({"VoiceUrl": "x"}, 21205),
        ({"SmsUrl": "x"}, 21205),
        ({"StatusCallbackMethod": "HEAD"}, 21209),
        ({"VoiceCallerIdLookup": "perhaps"}, 20001),
    ],
)
async def test_an_unusable_application_says_why(edge: Edge, form: dict[str, str], code: int) -> None:
    assert (await edge.ask("POST", "/Applications.json", form)).refused == (400, code)


# keys


@pytest.mark.parametrize(("noun", "array"), [("Keys", "keys"), ("SigningKeys", "signing_keys")])
async def test_a_key_shows_its_secret_only_when_it_is_made(edge: Edge, noun: str, array: str) -> None:
    made = await edge.ask("POST", f"/{noun}.json", {"FriendlyName": "k"})
    assert made.status == 201
    secret = made.body.pop("secret")
    assert len(secret) == 32 and secret.isalnum()
    path = f"/{noun}/{made.body['sid']}.json"
    assert (await edge.ask("GET", path)).body == made.body
    listed = (await edge.ask("GET", f"/{noun}.json")).body[array]
    assert made.body in listed and len(listed) == 3
    renamed = (await edge.ask("POST", path, {"FriendlyName": "l"})).body
    assert renamed["friendly_name"] == "l"
    assert (await edge.ask("GET", "/Calls.json", user=made.body["sid"], password=secret)).status == 200
    assert (await edge.ask("DELETE", path)).status == 204
    assert (await edge.ask("GET", "/Calls.json", user=made.body["sid"], password=secret)).refused == (401, 20003)
    assert (await edge.ask("DELETE", path)).refused == (404, 20404)


async def test_both_names_of_keys_show_the_same_rows(edge: Edge) -> None:
    made = (await edge.ask("POST", "/Keys.json", {})).body
    assert (await edge.ask("GET", f"/SigningKeys/{made['sid']}.json")).status == 200


async def test_a_key_of_another_account_is_404(edge: Edge) -> None:
    other = {"user": OTHER, "password": "d" * 32}
    path = f"/2010-04-01/Accounts/{OTHER}/Keys/{MAIN_KEY}.json"
    for method in ("GET", "POST", "DELETE"):
        assert (await edge.ask(method, path, **other)).refused == (404, 20404)
    assert (await edge.ask("POST", "/Keys.json", {"FriendlyName": "k" * 65})).refused == (400, 20002)


# accounts


async def test_the_account_shows_itself(edge: Edge) -> None:
    shown = (await edge.ask("GET", f"{A}.json")).body
    assert (shown["sid"], shown["owner_account_sid"], shown["type"]) == (ACCOUNT, ACCOUNT, "Full")
    assert (shown["auth_token"], shown["status"]) == (TOKEN, "active")
    assert (await edge.ask("POST", f"{A}.json", {"FriendlyName": "new"})).body["friendly_name"] == "new"
    assert (await edge.ask("POST", f"{A}.json", {"FriendlyName": "n" * 65})).refused == (400, 20002)


async def test_a_subaccount_works_is_suspended_and_closed_for_ever(edge: Edge) -> None:
    made = (await edge.ask("POST", "/2010-04-01/Accounts.json", {"FriendlyName": "sub"})).body
    assert made["owner_account_sid"] == ACCOUNT
    path = f"/2010-04-01/Accounts/{made['sid']}.json"
    own = {"user": made["sid"], "password": made["auth_token"]}
    calls = f"/2010-04-01/Accounts/{made['sid']}/Calls.json"
    assert (await edge.ask("GET", calls)).body["calls"] == []
    assert (await edge.ask("GET", calls, **own)).status == 200
    assert (await edge.ask("GET", "/Calls.json", **own)).refused == (401, 20003)
    assert (await edge.ask("POST", "/2010-04-01/Accounts.json", {}, **own)).refused == (400, 21101)

    assert (await edge.ask("POST", path, {"Status": "suspended"})).body["status"] == "suspended"
    assert (await edge.ask("GET", calls, **own)).refused == (401, 20003)
    assert (await edge.ask("POST", path, {"Status": "active"})).body["status"] == "active"
    assert (await edge.ask("POST", path, {"Status": "nonsense"})).refused == (400, 20001)
    assert (await edge.ask("POST", path, {"Status": "closed"})).body["status"] == "closed"
    assert (await edge.ask("POST", path, {"Status": "active"})).refused == (400, 20001)


async def test_a_main_account_cannot_lock_itself_out(edge: Edge) -> None:
    assert (await edge.ask("POST", f"{A}.json", {"Status": "suspended"})).refused == (400, 20001)
    assert (await edge.ask("POST", f"{A}.json", {"Status": "active"})).status == 200


async def test_accounts_are_listed_with_their_filters(edge: Edge) -> None:
    sub = AccountSid("AC" + "b" * 32)
    await edge.store.put_account(
        an_account(sub, owner_sid=ACCOUNT, friendly_name="sub", status=AccountStatus.SUSPENDED)
    )

    async def listed(query: str) -> list[str]:
        page = (await edge.ask("GET", f"/2010-04-01/Accounts.json{query}")).body
        return [account["sid"] for account in page["accounts"]]

    assert set(await listed("")) == {ACCOUNT, sub}
    assert await listed("?FriendlyName=sub") == [sub]
    assert await listed("?Status=active") == [ACCOUNT]


async def test_a_standard_key_manages_neither_accounts_nor_keys(edge: Edge) -> None:
    standard = {"user": STANDARD_KEY, "password": SECRET}
    main = {"user": MAIN_KEY, "password": SECRET}
    for path in ("/2010-04-01/Accounts.json", f"{A}.json", f"{A}/Keys.json", f"{A}/SigningKeys/{MAIN_KEY}.json"):
        assert (await edge.ask("GET", path, **standard)).refused == (401, 20003)
        assert (await edge.ask("GET", path, **main)).status == 200
    assert (await edge.ask("GET", "/Calls.json", **standard)).status == 200


# extensions


async def test_alerts_are_listed_per_call(edge: Edge) -> None:
    for number, call in enumerate((CALL, None, CALL)):
        alert = Alert(
            sid=AlertSid(f"NO{number:032x}"),
            account_sid=ACCOUNT,
            call_sid=call,
            code=32711,
            level=Level.WARNING,
            reason="The callback answered 500",
            at=NOW,
            request_url="https://app.example/cb",
        )
        await edge.store.add_alert(alert)
    path = f"/midcall/v1/Accounts/{ACCOUNT}/Alerts.json"
    assert len((await edge.ask("GET", path)).body["alerts"]) == 3
    page = (await edge.ask("GET", f"{path}?CallSid={CALL}&PageSize=1")).body
    assert [alert["sid"] for alert in page["alerts"]] == [f"NO{2:032x}"]
    assert page["alerts"][0]["code"] == 32711
    rest = (await edge.ask("GET", page["next_page_uri"])).body
    assert ([alert["sid"] for alert in rest["alerts"]], rest["next_page_uri"]) == ([f"NO{0:032x}"], None)
    assert (await edge.ask("GET", path, user=OTHER, password="d" * 32)).refused == (401, 20003)


async def test_a_timeline_is_told_in_order(edge: Edge) -> None:
    for number in range(3):
        edge.trace.record(
            TraceEvent(
                at=NOW + number / 4, account_sid=ACCOUNT, leg_sid=CALL, kind="leg.status", detail={"number": number}
            )
        )
    path = f"/midcall/v1/Accounts/{ACCOUNT}/Calls/{CALL}/Timeline"
    shown = (await edge.ask("GET", f"{path}.json?Limit=2")).body
    assert [(event["at"], event["kind"], event["detail"]) for event in shown["events"]] == [
        ("2020-12-02T20:02:01.250Z", "leg.status", {"number": 1}),
        ("2020-12-02T20:02:01.500Z", "leg.status", {"number": 2}),
    ]
    assert (await edge.ask("GET", f"{path.replace(CALL, UNKNOWN_CALL)}.json")).refused == (404, 20404)
    assert (await edge.ask("GET", f"{path}?Limit=0")).refused == (400, 20001)


async def test_an_application_may_name_the_one_api_version(edge: Edge) -> None:
    made = await edge.ask("POST", "/Applications.json", {"ApiVersion": "2010-04-01"})
    assert (made.status, made.body["api_version"]) == (201, "2010-04-01")


# keys, by the newer API


async def test_the_newer_key_api_has_the_same_keys(edge: Edge) -> None:
    made = await edge.ask("POST", "/v1/Keys", {"AccountSid": ACCOUNT, "FriendlyName": "new"})
    assert made.status == 201
    assert set(made.body) == {"sid", "friendly_name", "date_created", "date_updated", "secret", "policy"}
    path = f"/v1/Keys/{made.body['sid']}"
    assert (await edge.ask("GET", f"{A}/Keys/{made.body['sid']}.json")).body["friendly_name"] == "new"
    assert (await edge.ask("POST", path, {"FriendlyName": "newer"})).body["friendly_name"] == "newer"
    assert "secret" not in (await edge.ask("GET", path)).body
    page = (await edge.ask("GET", f"/v1/Keys?AccountSid={ACCOUNT}&PageSize=1")).body
    assert [row["sid"] for row in page["keys"]] == [made.body["sid"]]
    assert page["meta"]["next_page_url"].startswith(f"{edge.base_url}/v1/Keys?AccountSid={ACCOUNT}&PageSize=1&Page=1")
    assert (await edge.ask("DELETE", path)).status == 204
    assert (await edge.ask("GET", path)).refused == (404, 20404)


async def test_the_newer_key_api_reaches_subaccounts_and_nobody_else(edge: Edge) -> None:
    sub = (await edge.ask("POST", "/2010-04-01/Accounts.json")).body["sid"]
    key = (await edge.ask("POST", "/v1/Keys", {"AccountSid": sub})).body["sid"]
    assert (await edge.ask("GET", f"/v1/Keys/{key}")).status == 200
    assert [row["sid"] for row in (await edge.ask("GET", f"/v1/Keys?AccountSid={sub}")).body["keys"]] == [key]
    assert (await edge.ask("POST", "/v1/Keys", {"AccountSid": OTHER})).refused == (401, 20003)
    assert (await edge.ask("GET", f"/v1/Keys?AccountSid={OTHER}")).refused == (401, 20003)
    assert (await edge.ask("GET", f"/v1/Keys/{key}", user=OTHER, password="d" * 32)).refused == (404, 20404)
    assert (await edge.ask("GET", f"/v1/Keys/{key}", user=STANDARD_KEY, password=SECRET)).refused == (401, 20003)


@pytest.mark.parametrize(
    "form", [{}, {"AccountSid": "AC1"}, {"KeyType": "main"}, {"KeyType": "restricted"}, {"Policy": "{}"}]
)
async def test_a_restricted_key_is_refused_rather_than_made_without_restrictions(
    edge: Edge, form: dict[str, str]
) -> None:
    known = {"AccountSid": ACCOUNT} if form and "AccountSid" not in form else {}
    assert (await edge.ask("POST", "/v1/Keys", known | form)).refused == (400, 20001)
    if "Policy" in form:
        assert (await edge.ask("POST", f"/v1/Keys/{STANDARD_KEY}", form)).refused == (400, 20001)


# tokens


async def test_a_token_names_no_ice_servers_because_clients_reach_this_one_directly(edge: Edge) -> None:
    answer = await edge.ask("POST", "/Tokens.json", {"Ttl": "3600"})
    assert answer.status == 201
    assert (answer.body["ttl"], answer.body["ice_servers"]) == ("3600", [])
    other = (await edge.ask("POST", "/Tokens.json")).body
    assert other["ttl"] == "86400"
    assert {answer.body["username"], answer.body["password"]}.isdisjoint({other["username"], other["password"]})


@pytest.mark.parametrize("ttl", ["0", "-1", "1.5", "soon"])
async def test_a_token_lives_a_whole_number_of_seconds(edge: Edge, ttl: str) -> None:
    assert (await edge.ask("POST", "/Tokens.json", {"Ttl": ttl})).refused == (400, 20001)
