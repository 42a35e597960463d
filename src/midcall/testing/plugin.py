"""The pytest plugin: a switchboard for each test that asks for one, and the timeline of those that fail.

Loaded in every run of whoever has it installed, so it imports what it needs only when a test asks for it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from midcall.testing.kit.failures import SwitchboardUnusable, for_eyes

if TYPE_CHECKING:
    from midcall.testing.kit.blocking import BlockingSwitchboard
    from midcall.testing.kit.real import LoopThread
    from midcall.testing.kit.switchboard import Switchboard

MARKER: Final = "switchboard"
STORY_S: Final = 10.0
"""How long a failed test waits for its timeline."""

_MARKER_HELP: Final = (
    "switchboard(time=None, seed=None, media=None, settings=None): how the fixture of that name is made: time 'real' "
    "or 'virtual', seed of virtual time, media 'none' or 'real', settings of the server by name"
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a test wants its switchboard."""

    time: Literal["real", "virtual"]
    media: Literal["none", "real"]
    seed: int
    settings: Mapping[str, object]


_READ_STORY: Final = pytest.StashKey[Callable[[], str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("switchboard_time", "time of switchboards: real or virtual", default="real")
    parser.addini("switchboard_media", "media of switchboards in real time: none or real", default="none")
    parser.addini("switchboard_settings", "settings of their servers, one NAME = VALUE a line", type="linelist")
    parser.addini("switchboard_seed", "seed of virtual time", default="0")
    group = parser.getgroup("switchboard", "calls with a switchboard (midcall)")
    group.addoption(
        "--switchboard-seed", type=int, default=None, metavar="N", help="seed of virtual time, as a failed test told it"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER_HELP)


# ------------------------------------------------------------------------------------------------- what a test wants


def wishes_of(config: pytest.Config, markers: list[pytest.Mark]) -> Wishes:
    """What the markers, nearest first, and the ini file say.

    Raises:
        SwitchboardUnusable: they say what cannot be.
    """
    said: dict[str, Any] = {}
    for marker in reversed(markers):
        if marker.args or set(marker.kwargs) - {"time", "seed", "media", "settings"}:
            raise SwitchboardUnusable(f"@pytest.mark.{marker.name} cannot be used so; it takes {_MARKER_HELP}")
        said |= {name: value for name, value in marker.kwargs.items() if value is not None}
    time = said.get("time", config.getini("switchboard_time"))
    if time not in ("real", "virtual"):
        raise SwitchboardUnusable(f"the time of a switchboard is 'real' or 'virtual', not {time!r}")
    media = said.get("media", "none" if time == "virtual" else config.getini("switchboard_media"))
    if media not in ("none", "real"):
        raise SwitchboardUnusable(f"the media of a switchboard are 'none' or 'real', not {media!r}")
    if time == "virtual" and media == "real":
        raise SwitchboardUnusable("there are no real media in virtual time: leave out media='real', or time='virtual'")
    settings = said.get("settings", {})
    if not isinstance(settings, Mapping):
        raise SwitchboardUnusable(
            f"the settings of a switchboard are a dict, such as {{'resume_window': 40}}, not {settings!r}"
        )
    return Wishes(time, media, _seed(config, said.get("seed")), {**_settings_of(config), **settings})


def _seed(config: pytest.Config, marked: Any) -> int:
    said = (config.getoption("switchboard_seed"), marked, config.getini("switchboard_seed"))
    seed = next(value for value in said if value is not None)
    try:
        return int(seed)
    except (TypeError, ValueError):
        raise SwitchboardUnusable(f"the seed of a switchboard is a number, not {seed!r}") from None


def _settings_of(config: pytest.Config) -> dict[str, object]:
    settings: dict[str, object] = {}
    for line in config.getini("switchboard_settings"):
        name, equals, value = line.partition("=")
        if not equals:
            raise SwitchboardUnusable(f"switchboard_settings takes one NAME = VALUE a line, not {line!r}")
        settings[name.strip()] = value.strip()
    return settings


def _wishes(node: pytest.Item) -> Wishes:
    return wishes_of(node.config, list(node.iter_markers(MARKER)))


def _is_async(node: pytest.Item) -> bool:
    function = getattr(node, "obj", None)
    return inspect.iscoroutinefunction(getattr(getattr(function, "hypothesis", None), "inner_test", function))


# ------------------------------------------------------------------------------------------ the loop of virtual time


class _VirtualLoops:
    """Gives pytest-asyncio a virtual loop; registered only while tests in virtual time are collected."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_asyncio_loop_factories(self) -> Generator[None, object, object]:
        from midcall.testing.loop import VirtualLoop

        yield
        return {"virtual": partial(VirtualLoop, seed=self._seed)}


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None]:
    definition = metafunc.definition
    plugins = definition.config.pluginmanager
    if MARKER not in metafunc.fixturenames or not plugins.has_plugin("asyncio"):
        return (yield)
    try:
        wishes: Wishes | None = _wishes(definition)
    except SwitchboardUnusable:  # the fixture will say so, where it is one test's failure and not the collection's
        wishes = None
    is_virtual = wishes is not None and wishes.time == "virtual"
    if inspect.iscoroutinefunction(metafunc.function) and not _is_somebody_elses(metafunc):
        # In pytest-asyncio's strict mode too, whoever asks for a switchboard need not say that a coroutine is one.
        mark = pytest.mark.asyncio(loop_scope="function") if is_virtual else pytest.mark.asyncio
        mark(metafunc.function)
        definition.add_marker(mark)
    if wishes is None or not is_virtual:
        return (yield)
    loops = _VirtualLoops(wishes.seed)
    plugins.register(loops)
    try:
        return (yield)
    finally:
        plugins.unregister(loops)


def _is_somebody_elses(metafunc: pytest.Metafunc) -> bool:
    """Whether a coroutine is run already: by pytest-asyncio, or by a plugin that is not it."""
    marked = any(metafunc.definition.get_closest_marker(name) for name in ("asyncio", "anyio", "trio"))
    return marked or "anyio_backend" in metafunc.fixturenames


# ------------------------------------------------------------------------------------------------------ the fixtures


@pytest.fixture(scope="session")
def _switchboard_thread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopThread]:
    """The thread in which servers of real time run."""
    from midcall.testing.kit.real import LoopThread

    thread = LoopThread("midcall switchboard", tmp_path_factory.mktemp("switchboard"))
    yield thread
    thread.close()


def _gives_loops(plugin: ModuleType) -> bool:
    """Whether this pytest-asyncio knows loops by scope; one that does not must not break test runs without calls."""
    return "loop_scope" in inspect.signature(plugin.fixture).parameters


try:
    import pytest_asyncio
except ImportError:
    pass
else:
    if _gives_loops(pytest_asyncio):

        @pytest_asyncio.fixture(loop_scope="function")
        async def _switchboard_asyncio_loop() -> asyncio.AbstractEventLoop:
            """The loop of a test of pytest-asyncio. Whoever has asked for it is torn down before it is closed."""
            return asyncio.get_running_loop()


@pytest.fixture
def switchboard(request: pytest.FixtureRequest) -> Iterator[Switchboard | BlockingSwitchboard]:
    """A server of the test's own with virtual people: `Switchboard` in asynchronous tests, `BlockingSwitchboard` in
    others. `@pytest.mark.switchboard(time="virtual", seed=…, media="real", settings={…})` chooses."""
    refusal = ""
    with ExitStack() as held:
        try:
            wishes = _wishes(request.node)
            make = _virtual if wishes.time == "virtual" else _real
            board = make(request, wishes, held.enter_context(pytest.MonkeyPatch.context()), held)
        except SwitchboardUnusable as unusable:
            refusal = str(unusable)
        else:
            yield board
    if refusal:  # its traceback, and what it came from, would lead nowhere
        pytest.fail(refusal, pytrace=False)


def _real(
    request: pytest.FixtureRequest, wishes: Wishes, patch: pytest.MonkeyPatch, held: ExitStack
) -> Switchboard | BlockingSwitchboard:
    from midcall.testing.control import extension
    from midcall.testing.kit.blocking import BlockingSwitchboard
    from midcall.testing.kit.environment import apply
    from midcall.testing.kit.real import RealPlace
    from midcall.testing.kit.switchboard import Switchboard

    thread: LoopThread = request.getfixturevalue("_switchboard_thread")
    if _is_async(request.node):
        _loop_of(request, wishes, held)
    media = {"media_engine": "aiortc", "media_workers": 0} if wishes.media == "real" else {"media_engine": "none"}
    place = RealPlace(thread, {**media, **wishes.settings}, [extension])
    held.callback(place.close)
    apply(place.variables, patch)
    board = Switchboard(place)
    _tell_on_failure(request.node, lambda: thread.run(board.timeline(), STORY_S), held)
    return board if _is_async(request.node) else BlockingSwitchboard(place, thread.run)


def _virtual(request: pytest.FixtureRequest, wishes: Wishes, patch: pytest.MonkeyPatch, held: ExitStack) -> Switchboard:
    from midcall.testing.kit.environment import apply
    from midcall.testing.kit.switchboard import Switchboard
    from midcall.testing.kit.virtual import VirtualPlace
    from midcall.testing.loop import VirtualLoop

    if not _is_async(request.node):
        raise SwitchboardUnusable(
            "virtual time is for asynchronous tests, because the test shares its loop: write `async def "
            f"{request.node.name}`, or leave out time='virtual'"
        )
    try:
        loop = _loop_of(request, wishes, held)
    except ImportError as missing:  # what virtual time needs; its text says so
        raise SwitchboardUnusable(str(missing)) from None
    if not isinstance(loop, VirtualLoop):
        raise SwitchboardUnusable(
            "virtual time needs a loop of the test's own, and pytest-asyncio 1.4 or newer: leave out a loop_scope "
            "other than 'function', also asyncio_default_test_loop_scope, and unittest.IsolatedAsyncioTestCase"
        )
    place = loop.run_until_complete(VirtualPlace.start(wishes.seed, wishes.settings))
    held.callback(lambda: loop.run_until_complete(place.close()))
    apply(place.variables, patch)
    board = Switchboard(place)
    _tell_on_failure(request.node, lambda: loop.run_until_complete(board.timeline()), held)
    return board


def _loop_of(request: pytest.FixtureRequest, wishes: Wishes, held: ExitStack) -> asyncio.AbstractEventLoop | None:
    """The loop in which an asynchronous test will run, kept open until the switchboard is gone; None when it is not to
    be had, which matters only to applications that are served in it, and to virtual time."""
    node = request.node
    marker = node.get_closest_marker("asyncio")
    if marker is not None:
        scope = marker.kwargs.get("loop_scope") or _default_scope(node.config)
        return _as_loop(request.getfixturevalue("_switchboard_asyncio_loop")) if scope == "function" else None
    if node.get_closest_marker("anyio") is not None and "anyio_backend" in node.fixturenames:
        return _anyio_loop(request, wishes, held)
    return None


def _default_scope(config: pytest.Config) -> str:
    try:
        return str(config.getini("asyncio_default_test_loop_scope"))
    except (KeyError, ValueError):
        raise SwitchboardUnusable(
            "asynchronous tests with a switchboard need pytest-asyncio 1.4 or newer, and not switched off: "
            "pip install 'midcall[testing]'"
        ) from None


def _as_loop(value: object) -> asyncio.AbstractEventLoop | None:
    return value if isinstance(value, asyncio.AbstractEventLoop) else None


def _anyio_loop(request: pytest.FixtureRequest, wishes: Wishes, held: ExitStack) -> asyncio.AbstractEventLoop | None:
    from anyio.pytest_plugin import extract_backend_and_options, get_runner

    name, options = extract_backend_and_options(request.getfixturevalue("anyio_backend"))
    if name != "asyncio":
        raise SwitchboardUnusable(
            f"the switchboard needs asyncio, not {name}: let the fixture anyio_backend return 'asyncio'"
        )
    if wishes.time == "virtual":
        from midcall.testing.loop import VirtualLoop

        options = {**options, "loop_factory": partial(VirtualLoop, seed=wishes.seed)}
    # Whoever comes first makes the runner of this test; it lives until the last has gone.
    runner = held.enter_context(get_runner(name, options))

    async def running_loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    return _as_loop(runner.run_fixture(running_loop, {}))


# -------------------------------------------------------------------------------------------- the story of a failure


def _tell_on_failure(node: pytest.Item, read: Callable[[], str], held: ExitStack) -> None:
    node.stash[_READ_STORY] = read
    held.callback(node.stash.__delitem__, _READ_STORY)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    read = item.stash.get(_READ_STORY, None)
    if read is None or call.excinfo is None or not report.failed:
        return report
    story = _story(read)
    if story not in getattr(call.excinfo.value, "timeline", ""):  # then it stands in the report already
        wishes = _wishes(item)
        time = f"virtual time, seed {wishes.seed}" if wishes.time == "virtual" else "real time"
        report.sections.append((f"switchboard timeline, {time}", for_eyes(story)))
    return report


def _story(read: Callable[[], str]) -> str:
    try:
        return read() or "nothing happened"
    except (Exception, asyncio.CancelledError) as error:  # a report that lacks its story is better than none
        return f"the timeline could not be read: {error!r}"
