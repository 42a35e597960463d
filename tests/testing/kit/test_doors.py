"""An application that is served: what it was asked is noted, and it misbehaves on request."""

import aiohttp
import pytest

from midcall.core.signature import sign
from midcall.testing.kit import apps
from midcall.testing.kit.doors import Doors, Served
from midcall.testing.kit.failures import SwitchboardUnusable

TOKEN = "b" * 32


async def echo(scope, receive, send):
    """Answers with the body, in two pieces."""
    if scope["type"] == "lifespan":
        return
    body = b""
    while (event := await receive()).get("more_body") or event.get("body"):
        body += event["body"]
        if not event["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body[:1], "more_body": True})
    await send({"type": "http.response.body", "body": body[1:]})


@pytest.fixture
async def served():
    doors = Doors(echo, TOKEN)
    async with apps.asgi(doors) as url:
        yield Served.at(url, doors)


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


async def posted(session, url, **fields):
    async with session.post(url, data=fields) as answer:
        return answer.status, await answer.text()


async def test_it_is_its_url_and_the_application_answers(served, session):
    assert await posted(session, served + "/voice?a=1", To="bob", Say="a b") == (200, "To=bob&Say=a+b")
    (request,) = served.requests("/voice")
    assert (request.method, request.path, request.fields) == ("POST", "/voice", {"To": "bob", "Say": "a b"})
    assert (request.body, request.is_signed) == ("To=bob&Say=a+b", False)
    assert served.requests("/other") == []


async def test_a_signature_is_checked_against_the_url_as_it_was_requested(served, session):
    url = served + "/voice%20now?a=1"
    headers = {"X-Twilio-Signature": sign(TOKEN, url, [("To", "bob")])}
    async with session.post(aiohttp.client.URL(url, encoded=True), data={"To": "bob"}, headers=headers):
        pass
    async with session.post(served + "/voice", data={"To": "bob"}, headers=headers):
        pass
    assert [request.is_signed for request in served.requests()] == [True, False]


async def test_it_fails_as_often_as_it_was_told_and_only_there(served, session):
    served.behaves({"failing": 503, "times": 2}, path="/messages")
    asked = [(await posted(session, served + path, a="1"))[0] for path in ("/messages", "/voice", *["/messages"] * 2)]
    assert asked == [503, 200, 503, 200]
    assert len(served.requests()) == 4


async def test_it_lies_about_a_body(served, session):
    served.behaves("closes_before_body")
    with pytest.raises(aiohttp.ClientError):
        await posted(session, served + "/voice", a="1")
    served.behaves("ok")
    assert await posted(session, served + "/voice", a="1") == (200, "a=1")


async def test_what_the_application_did_before_its_answer_was_lost_is_done(session):
    done = []

    async def notes(scope, receive, send):
        if scope["type"] == "http":
            done.append(scope["path"])
            await echo(scope, receive, send)

    doors = Doors(notes, TOKEN)
    async with apps.asgi(doors) as url:
        Served.at(url, doors).behaves("closes_before_body")
        with pytest.raises(aiohttp.ClientError):
            await posted(session, url + "/voice", a="1")
    assert done == ["/voice"]


async def test_it_answers_without_having_read(served, session):
    served.behaves("does_not_read")
    assert await posted(session, served + "/voice", a="1") == (200, "")
    (request,) = served.requests()
    assert (request.body, request.is_signed) == ("", None)


async def test_a_slow_answer_is_its_own(served, session):
    served.behaves({"slow": "10ms"})
    assert await posted(session, served + "/voice", a="1") == (200, "a=1")


async def test_what_it_cannot_do_is_refused(served):
    with pytest.raises(SwitchboardUnusable, match="this is no behaviour"):
        served.behaves({"failing": "often"})
    with pytest.raises(SwitchboardUnusable, match="a recorder that does"):
        served.behaves("refuses")
