"""What the documentation tells people to type, typed: blocks marked `run` in order, and the tutorial with real pages.

Blocks are executed as they are printed; only the well-known ports become those of the test's own servers.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from customers import Customer
from playwright.async_api import Browser, Page
from servers import ENVIRONMENT, Server

from midcall.sdk import Device

ROOT = Path(__file__).parents[2]
HOW_TOS = [
    "README.md",
    *(
        f"docs/howto/{name}.md"
        for name in (
            "connect",
            "exec",
            "doctor",
            "serve",
            "numbers",
            "python-client",
            "virtual-people",
            "without-changing-the-page",
        )
    ),
]
RUN_S = 45.0
SHELL = {"sh": "{}", "python": "python - <<'END'\n{}END\n", "js": "node - <<'END'\n{}END\n"}


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / ".midcall")
    await server.start()
    yield server
    assert await server.stop() == 0, "\n".join(server.log)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Language, mark and text of each fenced block."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w+) ?(.*)\n((?:.*\n)*?)```$", text, re.MULTILINE)


def with_ports(text: str, server: Server, app_port: int) -> str:
    port, http_port = server.ports
    for printed, real in {":8443": f":{port}", ":8080": f":{http_port}", ":3000": f":{app_port}"}.items():
        text = text.replace(printed, real)
    return text.replace("port=3000", f"port={app_port}")


def environment(server: Server, **more: str) -> dict[str, str]:
    """A developer's shell: the program in the path, the libraries installed, credentials not yet read."""
    return {
        **ENVIRONMENT,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NODE_PATH": str(ROOT / "tests/clients/node_modules"),
        "MIDCALL_DATA_DIR": str(server.data_dir),
        **more,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def output_of(command: list[str], folder: Path, env: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(RUN_S):
        out, _ = await process.communicate()
    return process.returncode, out.decode(errors="replace")


@pytest.mark.parametrize("page", HOW_TOS)
async def test_what_a_page_marks_as_run_runs(page: str, server: Server, tmp_path: Path) -> None:
    marked = [SHELL[language].format(text) for language, mark, text in blocks(page) if mark == "run"]
    assert marked, f"{page} has no block marked run"
    async with Customer(await server.credentials()) as customer:
        made = customer.credentials
        async with Device(customer.token("bob"), host=made.signaling_host, ca_file=made.ca_file, media="none") as bob:
            await bob.register()
            rings = bob.wait_for("incoming", timeout=10)
            twiml = "<Response><Pause length='60'/></Response>"
            await customer.rest(lambda rest: rest.calls.create(to="client:bob", from_="client:alice", twiml=twiml))
            call = await rings
            accepted = call.wait_for("accept", timeout=10)
            call.accept()
            await accepted
            script = with_ports("\n".join(marked), server, free_port())
            env = environment(server, CALL_SID=call.parameters["CallSid"])
            code, out = await output_of(["bash", "-euo", "pipefail", "-c", script], tmp_path, env)
            assert code == 0, out


async def read_until(stream: asyncio.StreamReader, text: str) -> None:
    async with asyncio.timeout(RUN_S):
        while text not in (line := (await stream.readline()).decode(errors="replace")):
            assert line, f"ended before it said {text!r}"


async def shows(page: Page, text: str) -> None:
    await page.get_by_text(text).first.wait_for(timeout=15_000)


async def test_the_tutorials_call_happens_as_told(
    server: Server, tmp_path: Path, trusting_chromium: Callable[[Path], Awaitable[Browser]]
) -> None:
    app_port = free_port()
    files = {mark: text for _, mark, text in blocks("docs/tutorial/first-call.md") if "." in mark}
    assert set(files) == {"app.py", "page.html"}
    for name, text in files.items():
        (tmp_path / name).write_text(with_ports(text, server, app_port), encoding="utf-8")
    sdk = tmp_path / "node_modules" / "@twilio"
    sdk.mkdir(parents=True)
    (sdk / "voice-sdk").symlink_to(ROOT / "tests/e2e/browser/node_modules/@twilio/voice-sdk")
    env = environment(server)
    code, made = await output_of(["midcall", "credentials", "--format", "json"], tmp_path, env)
    assert code == 0, made
    (tmp_path / "credentials.json").write_text(made, encoding="utf-8")

    app = await asyncio.create_subprocess_exec(
        "python",
        "-W",
        "default",
        "app.py",
        cwd=tmp_path,
        env={**env, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert app.stdout is not None
    try:
        await read_until(app.stdout, "Running on")
        browser = await trusting_chromium(Path(json.loads(made)["ca_file"]))
        bob, alice = await browser.new_page(), await browser.new_page()
        for name, page in {"bob": bob, "alice": alice}.items():
            await page.goto(f"http://localhost:{app_port}/?name={name}")
            await shows(page, f"{name} is registered")
        await alice.click("#call")
        await shows(alice, "connected")
        await shows(bob, "connected")
        await alice.click("#say")
        await shows(alice, 'received {"heard":{"say":"hello"}}')
        await read_until(app.stdout, '1 {"say":"hello"}')
        await alice.click("#end")
        await shows(bob, "over")

        app.terminate()
        await app.wait()
        await alice.locator("#log").evaluate("log => log.replaceChildren()")
        await alice.click("#call")
        await shows(alice, "over")
    finally:
        if app.returncode is None:
            app.kill()
            await app.wait()
    code, told = await output_of(["midcall", "alerts"], tmp_path, env)
    assert code == 0 and "11205" in told and f"http://localhost:{app_port}/voice" in told, told
    call = re.search(r"CA[0-9a-f]{32}", told)
    assert call is not None, told
    code, told = await output_of(["midcall", "timeline", call.group()], tmp_path, env)
    assert code == 0 and "twiml.fetch" in told, told
