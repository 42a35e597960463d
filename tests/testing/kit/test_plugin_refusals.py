"""What cannot be had is refused with a sentence that says what to do."""

from fnmatch import fnmatch

import pytest

from midcall.testing import SwitchboardUnusable
from midcall.testing.plugin import wishes_of

pytestmark = pytest.mark.timeout(240)  # test runs in processes of their own

REFUSED = {
    "virtual time is for asynchronous tests*write `async def test_it*": """
@pytest.mark.switchboard(time="virtual")
def test_it(switchboard): ...
""",
    "virtual time needs a loop of the test's own*leave out a loop_scope": """
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.switchboard(time="virtual")
async def test_it(switchboard): ...
""",
    "there are no real media in virtual time": """
@pytest.mark.switchboard(time="virtual", media="real")
async def test_it(switchboard): ...
""",
    "the time of a switchboard is 'real' or 'virtual', not 'imaginary'": """
@pytest.mark.switchboard(time="imaginary")
async def test_it(switchboard): ...
""",
    "*@pytest.mark.switchboard cannot be used so; it takes switchboard(time=None*": """
@pytest.mark.switchboard("virtual")
async def test_it(switchboard): ...
""",
    "the switchboard's server cannot start: *no_such_setting*": """
@pytest.mark.switchboard(settings={"no_such_setting": 1})
async def test_it(switchboard): ...
""",
    "the switchboard's server cannot start: *resume_window*": """
@pytest.mark.switchboard(time="virtual", settings={"resume_window": "long"})
async def test_it(switchboard): ...
""",
    "the setting port of a switchboard is 0 and cannot be chosen": """
@pytest.mark.switchboard(settings={"port": 8443})
async def test_it(switchboard): ...
""",
    "the settings of a switchboard are a dict, such as *, not 'resume_window = 40'": """
@pytest.mark.switchboard(settings="resume_window = 40")
def test_it(switchboard): ...
""",
    "the seed of a switchboard is a number, not 'seven'": """
@pytest.mark.switchboard(time="virtual", seed="seven")
async def test_it(switchboard): ...
""",
    "*SwitchboardUnusable: an ASGI application is served by uvicorn*pip install 'midcall*testing*'": """
import sys

async def test_it(switchboard, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    import desk
    await switchboard.serve(desk.Desk())
""",
    "*SwitchboardUnusable: switchboard.rest is the client of the official library*pip install twilio": """
import sys

def test_it(switchboard, monkeypatch):
    monkeypatch.setitem(sys.modules, "twilio.rest", None)
    switchboard.rest
""",
    "*SwitchboardUnusable: real time cannot be advanced*": """
async def test_it(switchboard):
    await switchboard.clock.advance("2h")
""",
    "*SwitchboardUnusable: real time cannot be advanced, and a test without asyncio has no other*": """
def test_it(switchboard):
    switchboard.clock.advance("2h")
""",
    "*ActionRefused: a script is a list of at most*": """
async def test_it(switchboard):
    await switchboard.person("bob", on_call={"answer": {}})
""",
    "*ActionRefused: *`$.params`*": """
async def test_it(switchboard):
    await (await switchboard.person("bob")).call("alice", params=["order"])
""",
    "*TypeError: 'drop' is no fault: give Fault(*": """
async def test_it(switchboard):
    await switchboard.network("bob").disturb("drop")
""",
    "*SwitchboardUnusable: voice is a path below the application's URL, such as '/voice', not 'voice'": """
def test_it(switchboard):
    switchboard.point("http://localhost:3000", voice="voice")
""",
    "*ActionRefused: VoiceUrl is not a valid URL*": """
def test_it(switchboard):
    switchboard.point("desk")
""",
    "*SwitchboardUnusable: a resource is a path below the account, such as '/Calls.json', not 'Calls.json'": """
def test_it(switchboard):
    switchboard.get("Calls.json")
""",
    "*SwitchboardUnusable: requests are told apart by paths such as '/voice', or '*' for all, not 'voice'": """
async def app(scope, receive, send): ...

def test_it(switchboard):
    switchboard.serve(app).behaves({"failing": 503}, path="voice")
""",
    "*ActionRefused: bob has no call yet": """
def test_it(switchboard):
    switchboard.person("bob").hang_up()
""",
    "*ActionRefused: *there is*bob*": """
async def test_it(switchboard):
    await switchboard.person("bob")
    await switchboard.person("bob")
""",
}


def test_each_refusal_says_what_to_do(repository):
    tests = ["import pytest\n"]
    tests += [text.replace("test_it", f"test_it_{n}", 1) for n, text in enumerate(REFUSED.values())]
    result = repository.run("\n".join(tests))
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == len(REFUSED)
    for sentence in REFUSED:
        assert any(fnmatch(line, f"*{sentence}*") for line in result.outlines), sentence


def test_a_line_of_settings_without_an_equals_sign_is_refused(pytester):
    pytester.makeini("[pytest]\nswitchboard_settings = resume_window 40\n")
    with pytest.raises(SwitchboardUnusable, match="switchboard_settings takes one NAME = VALUE a line"):
        wishes_of(pytester.parseconfig(), [])


def test_a_package_that_virtual_time_needs_is_named(repository):
    result = repository.run("""
import sys

import pytest

sys.modules["time_machine"] = None

@pytest.mark.switchboard(time="virtual")
async def test_it(switchboard): ...
""")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["virtual time needs the package time-machine: pip install 'midcall*testing*'"])


def test_another_pytest_asyncio_breaks_no_test_but_those_with_calls(repository, pytester):
    """Of a version from before there were scopes of loops, and switched off."""
    (pytester.path / "pytest_asyncio.py").write_text("""
import pytest

def fixture(function=None, **options):
    return pytest.fixture(function, **options)
""")
    repository.ini(mode=None, markers="asyncio")
    result = repository.run(
        """
import pytest

def test_without_calls(): ...

@pytest.mark.asyncio
async def test_with_calls(switchboard): ...
""",
        "-p",
        "no:asyncio",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*asynchronous tests with a switchboard need pytest-asyncio 1.4 or newer*"])
