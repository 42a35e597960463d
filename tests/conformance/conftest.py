"""One suite for three clients: every scenario is run with each, and what came of it makes a table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytest.register_assert_rewrite("conformance.common", "conformance.on_browser", "conformance.on_python")

from conformance import table  # noqa: E402
from conformance.driver import Kind  # noqa: E402
from conformance.stage import House, Stage, open_house  # noqa: E402

HERE = Path(__file__).parent
_failed = pytest.StashKey[bool]()
_seen = pytest.StashKey[table.Seen]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "client" in metafunc.fixturenames:
        metafunc.parametrize("client", list(Kind), ids=str)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    one_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if HERE in item.path.parents and isinstance(item, pytest.Function) and pytest_asyncio.is_async_test(item):
            item.add_marker(one_loop, append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    row = getattr(getattr(item, "function", None), "row", None)
    if report.when == "call":
        item.stash[_failed] = report.failed
    if row is not None and (report.when == "call" or report.failed):
        kind = item.callspec.params["client"]
        report.user_properties.append(("conformance", table.result(row, kind, passed=report.passed)))
    return report


# What workers of pytest-xdist report arrives in the process that prints.


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_seen] = table.Seen()
    config.pluginmanager.register(_Collector(config.stash[_seen]), "conformance table")


class _Collector:
    def __init__(self, seen: table.Seen) -> None:
        self._seen = seen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == "conformance":
                self._seen.add(value)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._seen:
            terminalreporter.section("conformance of the clients")
            terminalreporter.write_line(self._seen.text())
            for line in self._seen.complaints:
                terminalreporter.write_line(line, red=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self._seen or hasattr(session.config, "workerinput"):
            return
        whole = not session.config.option.keyword and not session.config.option.maxfail and _is_whole(session.config)
        if not self._seen.publish(whole=whole) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _is_whole(config: pytest.Config) -> bool:
    asked = [(config.invocation_params.dir / arg).resolve() for arg in config.args]
    return any(path == HERE or path in HERE.parents for path in asked)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with open_house(tmp_path_factory.mktemp("midcall")) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def stage(request: pytest.FixtureRequest, house: House) -> AsyncIterator[Stage]:
    """For one scenario; when it fails, what its devices went through is printed."""
    stage = Stage(house)
    yield stage
    try:
        if request.node.stash.get(_failed, False):
            print(await stage.story())
    finally:
        await stage.close()
