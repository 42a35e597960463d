"""The plugin in real time, as the developers of an application run it in their own repository."""

import pytest

pytestmark = pytest.mark.timeout(240)  # test runs in processes of their own

STORIES = """
import asyncio
import os

import pytest
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

import desk
from midcall.testing import ExpectationFailed, Fault

BEFORE = dict(os.environ)
PAUSE = "<Response><Pause length='60'/></Response>"


async def test_a_call_is_answered_and_told_about(switchboard):
    app = desk.Desk()
    await switchboard.serve(app)
    alice, bob = await switchboard.person("alice"), await switchboard.person("bob")
    call = await alice.call("bob", {"order": "7"})
    incoming = await bob.incoming()
    assert incoming.from_ == "client:alice"
    await incoming.accept()
    await call.expect("accept")
    await bob.speak("hello")
    await alice.hears("hello")
    await bob.says_nothing_for("100ms")
    await alice.send_digits("12#")
    await bob.expect_digits("12#")
    await switchboard.rest.calls(incoming.sid).user_defined_messages.create_async(content='{"say": "hi", "n": [1]}')
    assert (await bob.expect_message({"say": "hi"})).content == {"say": "hi", "n": [1]}
    await bob.hang_up()
    await call.expect_end()
    assert (await call.refresh()).status == "closed"
    assert app.asked[0][0] == "/voice" and app.asked[0][1]["order"] == "7"
    assert "hello" in await switchboard.timeline(call)



async def test_the_clients_of_the_official_library_find_the_server_by_themselves(switchboard):
    bob = await switchboard.person("bob", on_call=[{"answer": {}}])
    made = Client().calls.create(to="client:bob", from_="client:desk", twiml=PAUSE)  # blocks this loop, not the server
    await (await bob.incoming()).expect(status="open")
    http = AsyncTwilioHttpClient()
    assert (await Client(http_client=http).calls(made.sid).fetch_async()).status == "in-progress"
    await http.session.close()
    assert switchboard.env["TWILIO_ACCOUNT_SID"] == os.environ["TWILIO_ACCOUNT_SID"] == switchboard.account_sid


def test_the_environment_is_as_it_was_before():
    changed = {name for name in BEFORE.keys() | os.environ.keys() if BEFORE.get(name) != os.environ.get(name)}
    assert changed <= {"PYTEST_CURRENT_TEST"}



async def test_somebody_has_a_phone(switchboard):
    await switchboard.serve(desk.Desk())
    alice, carol = await switchboard.person("alice"), await switchboard.person("carol", number="+15550100")
    call = await alice.call("+15550100")
    await (await carol.incoming()).accept()
    await call.expect(status="open")


async def test_requests_are_recorded_and_their_signatures_checked(switchboard):
    recorder = await switchboard.recorder(twiml="<Response><Reject/></Response>")
    await switchboard.point(recorder.url, voice="/voice")
    alice = await switchboard.person("alice")
    await alice.call("bob")
    request = await recorder.expect({"To": "bob"})
    assert (request.method, request.is_signed) == ("POST", True)
    await alice.expect_end()

    import aiohttp
    async with aiohttp.ClientSession() as session, session.post(recorder.url, data={"To": "eve"}) as answer:
        assert answer.status == 200
    with pytest.raises(ExpectationFailed, match="not signed"):
        await recorder.expect({"To": "eve"})


async def test_a_network_is_cut_and_comes_back(switchboard):
    await switchboard.serve(desk.Desk())
    alice, bob = await switchboard.person("alice"), await switchboard.person("bob", on_call=[{"answer": {}}])
    call = await alice.call("bob")
    await call.expect("accept")
    await alice.cut_network()
    await call.expect("reconnecting")
    await alice.restore_network()
    await call.expect("reconnected")


async def test_a_message_that_is_lost_on_the_way_is_not_acknowledged(switchboard):
    await switchboard.serve(desk.Desk())
    alice, bob = await switchboard.person("alice"), await switchboard.person("bob", on_call=[{"answer": {}}])
    call = await alice.call("bob")
    await call.expect("accept")
    await alice.network.disturb(Fault("drop", "from_client", "message"))
    await call.send_message({"say": "one"}, wait=False)
    await call.send_message({"say": "two"})
    await alice.network.heal()


async def test_an_application_misbehaves_on_request(switchboard):
    app = await switchboard.serve(desk.Desk())
    app.behaves({"failing": 503}, path="/voice")
    alice = await switchboard.person("alice")
    await alice.call("bob")
    assert (await alice.expect_end()).ended_by == "disconnect"
    assert all(request.is_signed for request in app.requests("/voice"))


async def test_there_is_a_token_for_other_clients(switchboard):
    from midcall.sdk import Device

    token = await switchboard.token("dora", ttl="1h")
    async with Device(token, url=switchboard.signal_url, ca_file=switchboard.ca_file, media="none") as dora:
        await dora.register()


@pytest.mark.switchboard(settings={"sdk_content_bytes": 20})
async def test_a_setting_of_the_server_is_the_tests_own(switchboard):
    await switchboard.serve(desk.Desk())
    alice, bob = await switchboard.person("alice"), await switchboard.person("bob", on_call=[{"answer": {}}])
    call = await alice.call("bob")
    await call.expect("accept")
    with pytest.raises(Exception, match="31212"):
        await call.send_message({"say": "too long for twenty bytes"})


@pytest.mark.switchboard(media="real")
async def test_sound_is_real_when_it_is_asked_for(switchboard):
    await switchboard.serve(desk.Desk())
    alice, bob = await switchboard.person("alice"), await switchboard.person("bob", on_call=[{"answer": {}}])
    call = await alice.call("bob")
    await call.expect("accept")
    await (await bob.incoming()).speak(tone_hz=660)
    await alice.hears(tone_hz=660)
    await alice.send_digits("12#")
    await bob.expect_digits("12#")


def test_plain_functions_wait_instead(switchboard):
    switchboard.serve(desk.wsgi)
    alice, bob = switchboard.person("alice"), switchboard.person("bob")
    call = alice.call("bob")
    incoming = bob.incoming()
    incoming.accept()
    call.expect("accept")
    bob.speak("hello")
    alice.hears("hello")
    switchboard.rest.calls(incoming.sid).user_defined_messages.create(content='{"say": "hi"}')
    assert bob.expect_message({"say": "hi"}).message_type == "user-defined-message"
    bob.hang_up()
    call.expect_end()
    assert "hello" in switchboard.timeline(call)


def test_a_plain_function_may_serve_asgi(switchboard):
    switchboard.serve(desk.Desk())
    alice, bob = switchboard.person("alice"), switchboard.person("bob", on_call=[{"answer": {}}])
    alice.call("bob").expect(status="open")
"""


def test_the_stories_of_an_application_come_true(repository):
    repository.run(STORIES).assert_outcomes(passed=13)


def test_they_do_so_in_parallel_and_in_strict_mode_without_a_mark(repository):
    repository.ini(mode="strict")
    chosen = ("-k", "answered or signatures or themselves or before or plain")
    repository.run(STORIES, "-n", "2", *chosen).assert_outcomes(passed=6)


FAILURES = """
async def test_a_message_that_never_comes(switchboard):
    bob = await switchboard.person("bob", on_call=[{"answer": {}}])
    await switchboard.rest.calls.create_async(to="client:bob", from_="client:x", twiml="<Response><Pause/></Response>")
    await (await bob.incoming()).expect(status="open")
    await bob.expect_message({"say": "hello"}, timeout="100ms")


async def test_a_sound_that_never_comes(switchboard):
    frank = await switchboard.person("frank", on_call=[{"answer": {}}])
    twiml = f"<Response>{'<Pause/>' * 99}</Response>"
    await switchboard.rest.calls.create_async(to="client:frank", from_="client:x", twiml=twiml)
    await (await frank.incoming()).hears("hello", timeout="100ms")


async def test_an_assertion_of_ones_own(switchboard):
    carol = await switchboard.person("carol")
    assert carol.name == "dora"


def test_a_plain_function(switchboard):
    switchboard.person("erin").incoming(timeout="50ms")
"""


def test_a_failure_tells_what_was_expected_and_seen_and_what_happened(repository):
    result = repository.run(FAILURES)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            '>*await bob.expect_message({"say": "hello"}, timeout="100ms")',
            "E *ExpectationFailed: bob: *",
            'E *expected: {"say": "hello"}',
            "E *seen: nothing",
            "E *timeline:",
            "E *bob *is called*",
            "E *ExpectationFailed: frank: *",
            'E *expected: {"label": "hello"}',
            "*switchboard timeline, real time*",
            "*carol *registered*",
            '>*switchboard.person("erin").incoming(timeout="50ms")',
            "E *ExpectationFailed: erin*",
        ]
    )
    assert max(map(len, result.outlines)) < 190, "a timeline in a report is for eyes"
    for file in ("kit/control.py", "kit/real.py", "concurrent/futures"):
        assert file not in result.stdout.str(), "the kit's own lines are no part of the traceback"
