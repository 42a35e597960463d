"""Who may use the control API, and that nobody may in production."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from support.control import Kit

StartKit = Callable[..., Awaitable[Kit]]


async def test_the_control_api_tells_what_it_is(kit: Kit) -> None:
    about = await kit.ask("GET", "")
    made = kit.running.credentials
    assert (about["version"], about["mode"], about["time"], about["media"]) == ("1", "dev", "real", "none")
    assert (about["account_sid"], about["application_sid"]) == (made.account_sid, made.application_sid)
    assert about["people"] == []


async def test_nobody_gets_in_without_credentials(kit: Kit) -> None:
    await kit.person("bob")
    url = f"{kit.running.info.http_url}/control/v1"
    for headers in ({}, {"Authorization": aiohttp.encode_basic_auth(kit.running.credentials.account_sid, "wrong")}):
        for method, path in (("GET", "/people"), ("POST", "/people/bob/calls"), ("DELETE", "/people")):
            async with kit.session.request(method, url + path, headers=headers) as response:
                assert (response.status, (await response.json())["code"]) == (401, 20003)
    assert len((await kit.ask("GET", "/people"))["people"]) == 1


@pytest.mark.parametrize(("site", "mode"), [("cross-site", "no-cors"), ("cross-site", "cors"), ("same-site", "cors")])
async def test_another_sites_page_cannot_post_with_cached_credentials(kit: Kit, site: str, mode: str) -> None:
    url = f"{kit.running.info.http_url}/control/v1/people"
    headers = {**kit.headers, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Content-Type": "text/plain"}
    async with kit.session.post(url, data='{"name":"mallory"}', headers=headers) as response:
        assert response.status == 403


async def test_a_client_that_is_no_browser_may_say_that_it_fetches(kit: Kit) -> None:
    url = f"{kit.running.info.http_url}/control/v1/people"
    async with kit.session.get(url, headers={**kit.headers, "Sec-Fetch-Mode": "cors"}) as response:  # as Node does
        assert response.status == 200


async def test_another_tenant_has_people_of_its_own(kit: Kit) -> None:
    await kit.person("bob")
    other = await kit.subaccount()
    assert (await other.ask("GET", "/people"))["people"] == []
    await other.ask("GET", "/people/bob", status=404)
    await other.person("bob")  # the same name, and the same identity, in another account
    await other.ask("DELETE", "/people", status=204)
    assert [person["name"] for person in (await kit.ask("GET", "/people"))["people"]] == ["bob"]


async def test_production_has_no_control_api(start_kit: StartKit) -> None:
    kit = await start_kit(mode="production")
    for path in ("", "/people", "/tokens"):
        await kit.ask("GET", path, status=404)


async def test_what_cannot_be_read_is_refused_with_a_reason(kit: Kit) -> None:
    for body in (
        {},
        {"name": "a/b"},
        {"name": "bob", "colour": "red"},
        {"name": "bob", "on_call": [{"dance": {}}]},
        [],
    ):
        refused = await kit.post("/people", body, status=400)
        assert refused["code"] == 20001
        assert refused["message"]
    await kit.person("bob")
    await kit.post("/people", {"name": "bob"}, status=409)
    await kit.post("/people/bob/incoming", {"timeout": "5 weeks"}, status=400)
    await kit.post("/people/bob/incoming", {"timeout": 601}, status=400)
    await kit.post("/people/nobody/incoming", {}, status=404)
    await kit.post("/people/bob/calls/bob-1/accept", {}, status=404)
