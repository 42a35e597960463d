"""The plugin in virtual time: hours in moments, the same each time."""

import pytest

from midcall.testing.plugin import wishes_of

pytestmark = pytest.mark.timeout(240)  # test runs in processes of their own

STORIES = """
import asyncio
import time

import pytest
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

import desk

pytestmark = pytest.mark.switchboard(time="virtual")


async def test_nobody_answers_for_a_minute(switchboard):
    begun = switchboard.clock.now()
    await switchboard.serve(desk.Desk())
    alice, bob = await switchboard.person("alice"), await switchboard.person("bob")
    call = await alice.call("bob")
    await bob.incoming()
    await call.expect_end(timeout="2m")
    assert 60 <= switchboard.clock.now() - begun < 70
    assert (await bob.calls())[0].ended_by == "cancel"



async def test_a_callback_is_repeated_for_hours(switchboard):
    recorder = await switchboard.recorder(behaviour={"failing": 503, "times": 8})
    bob = await switchboard.person("bob", on_call=[{"answer": {}}])
    call = await switchboard.rest.calls.create_async(
        to="client:bob", from_="client:desk", twiml="<Response><Pause length='3'/></Response>"
    )
    await (await bob.incoming()).expect(status="open")
    await switchboard.rest.calls(call.sid).user_defined_message_subscriptions.create_async(callback=recorder.url)
    await bob.send_message({"say": "hello"})
    await switchboard.clock.advance("12h")
    requests = await recorder.requests()
    assert len(requests) == 9
    assert len({request.fields["Sid"] for request in requests}) == 1


async def test_an_application_says_nothing_for_a_while(switchboard):
    bob = await switchboard.person("bob", on_call=[{"answer": {}}])
    await switchboard.rest.calls.create_async(
        to="client:bob", from_="client:desk", twiml="<Response><Pause length='100'/></Response>"
    )
    await (await bob.incoming()).expect(status="open")
    await bob.says_nothing_for("50s")


async def test_the_clients_of_the_official_library_find_the_server_by_themselves(switchboard):
    http = AsyncTwilioHttpClient()
    assert (await Client(http_client=http).api.v2010.account.fetch_async()).sid == switchboard.account_sid
    await http.session.close()
    fetched = await asyncio.to_thread(lambda: Client().api.v2010.account.fetch())
    assert fetched.sid == switchboard.account_sid


async def test_wsgi_is_served_as_well(switchboard):
    assert await switchboard.serve(desk.wsgi) != await switchboard.serve(desk.Desk(), voice=None)
    alice, bob = await switchboard.person("alice"), await switchboard.person("bob", on_call=[{"answer": {}}])
    await (await alice.call("bob")).expect("accept")


@pytest.fixture
async def bob(switchboard):
    person = await switchboard.person("bob", on_call=[{"ring": "5s"}, {"answer": {}}])
    yield person
    await person.leave()


async def test_fixtures_share_the_loop(switchboard, bob):
    await switchboard.serve(desk.Desk())
    await (await (await switchboard.person("alice")).call("bob")).expect("accept")
    assert (await bob.calls())[0].status == "open"


TIMELINES = []


@pytest.mark.parametrize("time", [1, 2])
@pytest.mark.switchboard(seed=7)
async def test_a_seed_decides(switchboard, time):
    await switchboard.serve(desk.Desk())
    alice, bob = await switchboard.person("alice"), await switchboard.person("bob", on_call=[{"answer": {}}])
    call = await alice.call("bob")
    await call.expect("accept")
    await call.send_message({"say": "hello"})
    await alice.cut_network()
    await call.expect("reconnecting")
    await switchboard.clock.sleep("3s")
    await alice.restore_network()
    await call.expect("reconnected")
    TIMELINES.append((call.sid, await switchboard.timeline()))
    assert len(set(TIMELINES)) == 1


@pytest.mark.switchboard(time="real")
async def test_the_nearest_mark_counts(switchboard):
    assert switchboard.time == "real"
"""


def test_hours_pass_in_moments(repository):
    repository.run(STORIES).assert_outcomes(passed=9)


def test_the_ini_file_may_say_so_for_all_tests(repository):
    repository.ini(
        mode="strict",
        asyncio_default_test_loop_scope="session",
        switchboard_time="virtual",
        switchboard_settings="resume_window = 40",
    )
    tests = """
        import pytest

        async def test_it(switchboard):
            assert switchboard.time == "virtual"

        def test_others_have_the_usual_loop(request):
            assert not hasattr(request.node, "callspec")

        @pytest.mark.asyncio
        async def test_that_are_asynchronous_too(request):
            import asyncio
            assert not hasattr(request.node, "callspec")
            assert type(asyncio.get_running_loop()).__name__ != "VirtualLoop"
    """
    import textwrap

    repository.run(textwrap.dedent(tests)).assert_outcomes(passed=3)


def test_a_failure_names_the_seed(repository):
    result = repository.run(
        """
import pytest

@pytest.mark.switchboard(time="virtual", seed=3)
async def test_it(switchboard):
    await switchboard.person("bob")
    await switchboard.clock.advance("3h")
    assert switchboard.time == "real"
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*switchboard timeline, virtual time, seed 3*", "*bob *registered*"])


@pytest.mark.parametrize(
    ("arguments", "marks", "seed"), [((), [], 5), ((), [3], 3), (("--switchboard-seed=4",), [3], 4)]
)
def test_a_seed_is_the_command_lines_then_the_marks_then_the_ini_files(pytester, arguments, marks, seed):
    pytester.makeini("[pytest]\nswitchboard_seed = 5\n")
    config = pytester.parseconfig(*arguments)
    assert wishes_of(config, [pytest.mark.switchboard(seed=mark).mark for mark in marks]).seed == seed


def test_it_works_with_anyios_plugin(repository):
    tests = STORIES.replace("async def test", "@pytest.mark.anyio\nasync def test").replace(
        'time="virtual")\n', 'time="virtual")\n\n\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n', 1
    )
    repository.ini(mode=None)
    chosen = ("-k", "minute or wsgi or share_the_loop or nearest")
    repository.run(tests, "-p", "no:asyncio", *chosen).assert_outcomes(passed=4, deselected=5)
