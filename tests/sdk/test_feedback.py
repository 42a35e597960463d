"""Feedback of a call: what is refused, and what is posted to a scripted event gateway."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from midcall import __version__
from midcall.core.insights import Kind
from midcall.sdk import InvalidArgumentError
from midcall.wire.insights import Given, read_post
from support.scripted_server import CALL, Server, opened


class Posts:
    """What was posted, and the status that is answered."""

    def __init__(self) -> None:
        self.status = 202
        self.taken: asyncio.Queue[tuple[str | None, bytes]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        self.taken.put_nowait((request.headers.get("X-Twilio-Token"), await request.read()))
        return web.Response(status=self.status, text="because")


@pytest.fixture
async def posts(server: Server) -> AsyncIterator[Posts]:
    """A server with signalling and an event gateway on one port; the `server` fixture's devices go there."""
    posts = Posts()
    application = web.Application()
    application.router.add_get("/signal", server.handle)
    application.router.add_post("/v4/EndpointEvents", posts.take)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/signal"
    yield posts
    await runner.cleanup()


async def test_what_is_posted_is_an_event_of_the_browser_sdks_shape(posts, registered):
    device, connection = await registered()
    call = await opened(device, connection)
    device.update_token("newer")
    await call.post_feedback(3, "noisy-call")
    token, body = posts.taken.get_nowait()
    post = read_post(Kind.EVENT, body)
    assert token == "newer"
    assert (post.group, post.name, post.level, post.feedback) == (
        "feedback",
        "received",
        "info",
        Given(3, ("noisy-call",)),
    )
    assert (post.told[0].call_sid, post.told[0].temporary_sid) == (CALL, call.outbound_connection_id)
    assert f'"sdk_version":"{__version__}"'.encode() in body


@pytest.mark.parametrize("issue", [None, "echo", "no such issue"])
async def test_no_score_is_told_as_none_whatever_the_issue(posts, registered, issue):
    call = await (await registered())[0].connect()
    await call.post_feedback(None, issue)
    post = read_post(Kind.EVENT, posts.taken.get_nowait()[1])
    assert (post.name, post.feedback, post.told[0].call_sid) == ("received-none", None, None)


@pytest.mark.parametrize("score", [0, 6, -1, 2.5, "3", True])
async def test_other_scores_are_refused_before_anything_is_sent(posts, registered, score):
    call = await (await registered())[0].connect()
    with pytest.raises(InvalidArgumentError, match=r"^Feedback score must be one of 1, 2, 3, 4, 5$"):
        await call.post_feedback(score)
    assert posts.taken.empty()


@pytest.mark.parametrize("issue", ["", "ECHO", "post-dial-delay", 1])
async def test_other_issues_are_refused_before_anything_is_sent(posts, registered, issue):
    call = await (await registered())[0].connect()
    with pytest.raises(InvalidArgumentError, match=r"^Feedback issue must be one of audio-latency, "):
        await call.post_feedback(5, issue)
    assert posts.taken.empty()


async def test_a_gateway_that_refuses_disturbs_nobody_and_is_logged(posts, registered, caplog):
    posts.status = 404
    call = await (await registered())[0].connect()
    with caplog.at_level(logging.WARNING, "midcall.sdk"):
        await call.post_feedback(5)
    assert "the event gateway answered 404: because" in caplog.text
    assert call.status() == "connecting"


async def test_a_gateway_that_cannot_be_reached_disturbs_nobody_and_is_logged(registered, caplog, unused_tcp_port):
    device, _ = await registered()
    call = await device.connect()
    device._signalling._transport._address = f"ws://127.0.0.1:{unused_tcp_port}/signal"
    with caplog.at_level(logging.WARNING, "midcall.sdk"):
        await call.post_feedback(5)
    assert "an event could not be told" in caplog.text
    assert call.status() == "connecting"


async def test_the_application_and_its_options_are_told(posts, registered):
    device, _ = await registered(app_name="desk", app_version="1.2")
    call = await device.connect()
    await call.post_feedback(5)
    event = json.loads(posts.taken.get_nowait()[1])
    assert event["publisher_metadata"] == {"app_name": "desk", "app_version": "1.2"}
    assert (event["payload"]["dscp"], event["payload"]["ice_restart_enabled"]) == (False, False)  # it has no media
