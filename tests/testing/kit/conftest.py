"""Test runs of an application's developers: files of a repository of theirs, and pytest in a process of its own."""

from pathlib import Path

import pytest

APPLICATION = '''
"""A small desk: connects calls, and tells the agent who calls."""

from urllib.parse import parse_qs
from xml.sax.saxutils import quoteattr


class Desk:
    def __init__(self):
        self.asked = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{stage}"
                await send({"type": f"lifespan.{stage}.complete"})
            return
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.asked.append((scope["path"], form))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/xml")]})
        await send({"type": "http.response.body", "body": twiml(form).encode()})


def twiml(form):
    to = form.get("To", "")
    noun = f"<Number>{to}</Number>" if to.startswith("+") else f"<Client>{to}</Client>"
    return f"<Response><Dial timeout='60' callerId={quoteattr(form.get('From', ''))}>{noun}</Dial></Response>"


def wsgi(environ, start_response):
    size = int(environ.get("CONTENT_LENGTH") or 0)
    form = {name: values[0] for name, values in parse_qs(environ["wsgi.input"].read(size).decode()).items()}
    start_response("200 OK", [("content-type", "text/xml")])
    return [twiml(form).encode()]
'''

INI = """
[pytest]
addopts = -ra --strict-markers -p no:cacheprovider -p no:schemathesis
timeout = 60
filterwarnings =
    error
    # of the official library's asynchronous client, with the newest aiohttp
    ignore:BasicAuth is deprecated:DeprecationWarning
    ignore:The 'auth' parameter is deprecated:DeprecationWarning
"""


class Repository:
    """Files and runs."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        (pytester.path / "desk.py").write_text(APPLICATION)
        self.ini()

    def ini(self, *, mode: str | None = "auto", **more: str) -> None:
        """Write the ini file; pytest-asyncio's mode is None where it is not loaded."""
        if mode is not None:
            more = {"asyncio_mode": mode, "asyncio_default_fixture_loop_scope": "function", **more}
        lines = "".join(f"{name} = {value}\n" for name, value in more.items())
        (self._pytester.path / "pytest.ini").write_text(INI + lines)

    def run(self, tests: str, *arguments: str) -> pytest.RunResult:
        """Run one file of tests."""
        Path(self._pytester.path / "test_desk.py").write_text(tests)
        return self._pytester.runpytest_subprocess(*arguments, timeout=120)


@pytest.fixture
def repository(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    return Repository(pytester)
