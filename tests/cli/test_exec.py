"""`midcall exec` as a user has it: programs, their children, signals, and what is left behind."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import shlex
import signal
import sys
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.processes import ENVIRONMENT, MIDCALL, Done, Folder, Midcall, Serve

Exec = Callable[..., Awaitable[Done]]

FETCH = "curl -sS -f https://api.twilio.com/2010-04-01/Accounts/$TWILIO_ACCOUNT_SID.json -u $TWILIO_ACCOUNT_SID:%s"


@pytest.fixture(scope="module")
def data_dir(served: Folder) -> Path:
    return served.path


def left_behind(folder: Path) -> list[Path]:
    return list(folder.glob("midcall-exec-*"))


@pytest.fixture
def run(midcall: Midcall, data_dir: Path, tmp_path: Path) -> Exec:
    """Runs a command under `midcall exec`; temporary files are in a folder of the test's own."""
    (tmp_path / "tmp").mkdir()

    async def run(*command: str, **environment: str) -> Done:
        return await midcall(
            "exec", "--data-dir", str(data_dir), "--", *command, TMPDIR=str(tmp_path / "tmp"), **environment
        )

    return run


async def test_a_program_reaches_the_server_by_the_vendors_name_with_credentials_from_its_environment(
    run: Exec, data_dir: Path
) -> None:
    done = await run("sh", "-c", FETCH % "$TWILIO_AUTH_TOKEN")
    made = json.loads((data_dir / "credentials.json").read_text())
    assert done.code == 0, done.err
    assert json.loads(done.out)["sid"] == made["account_sid"]


async def test_a_child_of_a_child_does_as_well(run: Exec) -> None:
    inner = FETCH % "$TWILIO_AUTH_TOKEN"
    done = await run(
        "sh", "-c", f"{sys.executable} -c 'import os; os.system(os.environ[\"INNER\"])'; true", INNER=inner
    )
    assert json.loads(done.out)["status"] == "active", done.err


async def test_another_exec_inside_is_no_obstacle(run: Exec, data_dir: Path) -> None:
    inside = (*MIDCALL, "exec", "--data-dir", str(data_dir), "--", "sh", "-c", FETCH % "$TWILIO_AUTH_TOKEN")
    done = await run(*inside)
    assert json.loads(done.out)["status"] == "active", done.err


async def test_the_python_library_needs_no_base_url(run: Exec) -> None:
    program = "from twilio.rest import Client; print(Client().applications.list()[0].friendly_name)"
    done = await run(sys.executable, "-c", program)
    assert done.out == "Made by Midcall\n", done.err


async def test_the_asynchronous_python_library_needs_no_base_url_either(run: Exec, tmp_path: Path) -> None:
    program = (
        "import asyncio\n"
        "from twilio.http.async_http_client import AsyncTwilioHttpClient\n"
        "from twilio.rest import Client\n"
        "async def main():\n"
        "    async with AsyncTwilioHttpClient() as http:\n"
        "        print((await Client(http_client=http).applications.list_async())[0].friendly_name)\n"
        "asyncio.run(main())\n"
        "print(loaded)"
    )
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import builtins; builtins.loaded = 'as well'")
    done = await run(sys.executable, "-c", program, PYTHONPATH=str(other))
    assert done.out == "Made by Midcall\nas well\n", done.err


@pytest.mark.parametrize(
    "program",
    [
        "from urllib.request import urlopen; print(urlopen('https://api.twilio.com/healthz').read().decode(), end='')",
        "import requests; print(requests.get('https://api.twilio.com/healthz').text, end='')",
        "import asyncio, aiohttp\n"
        "async def main():\n"
        "    async with aiohttp.request('GET', 'https://api.ie1.twilio.com/healthz') as answer:\n"
        "        print(await answer.text(), end='')\n"
        "asyncio.run(main())",
    ],
    ids=["urllib", "requests", "aiohttp"],
)
async def test_python_programs_without_the_library_find_the_vendor_here(run: Exec, program: str) -> None:
    assert await run(sys.executable, "-c", program) == Done(0, "ok\n", "")


async def test_region_and_edge_of_the_real_service_do_not_count(run: Exec) -> None:
    done = await run(
        "sh", "-c", "echo ${TWILIO_REGION-none} ${TWILIO_EDGE-none}", TWILIO_REGION="ie1", TWILIO_EDGE="dublin"
    )
    assert done.out == "none none\n"


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)],
)
async def test_the_exit_status_is_the_programs(run: Exec, script: str, code: int) -> None:
    assert (await run("sh", "-c", script)).code == code


async def test_a_starter_that_ignores_its_children_learns_the_exit_status_as_well(data_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*MIDCALL, "exec", "--data-dir", str(data_dir), "--", "sh", "-c", "exit 5"),
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )
    assert await process.wait() == 5


async def test_a_program_that_is_not_there_or_no_program_is_told_as_shells_do(run: Exec, tmp_path: Path) -> None:
    missing = await run("no-such-program")
    assert (missing.code, missing.err) == (
        127,
        "midcall: no-such-program cannot be started: No such file or directory\n",
    )
    assert (await run(str(tmp_path))).code == 126


async def test_options_of_the_program_are_its_own_also_without_the_dashes(midcall: Midcall, data_dir: Path) -> None:
    done = await midcall("exec", "--data-dir", str(data_dir), "echo", "--data-dir", "x", "--help")
    assert done.out == "--data-dir x --help\n"


async def test_input_output_and_errors_are_the_programs_own(data_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *MIDCALL, "exec", "--data-dir", str(data_dir), "--", "sh", "-c", "cat; echo oops >&2",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    assert await process.communicate(b"in\x00put") == (b"in\x00put", b"oops\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
async def test_a_signal_reaches_the_program_which_decides(
    data_dir: Path, tmp_path: Path, number: signal.Signals
) -> None:
    script = f"trap 'echo caught; exit 9' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    process = await asyncio.create_subprocess_exec(
        *MIDCALL, "exec", "--data-dir", str(data_dir), "--", "sh", "-c", script,
        stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    assert left_behind(tmp_path)
    process.send_signal(number)
    assert await process.stdout.read() == b"caught\n"
    assert await process.wait() == 9
    assert not left_behind(tmp_path)


async def test_a_signal_that_is_not_caught_ends_both_and_leaves_nothing(data_dir: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *MIDCALL, "exec", "--data-dir", str(data_dir), "--", "sh", "-c", "echo $HTTPS_PROXY; exec sleep 60",
        stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout is not None
    port = int((await process.stdout.readline()).decode().rpartition(":")[2])
    process.terminate()
    assert await process.wait() == 143
    assert not left_behind(tmp_path)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_no_signal_is_blocked_or_ignored_that_would_not_be_otherwise(run: Exec) -> None:
    done = await run("sh", "-c", "grep -E 'SigBlk|SigIgn' /proc/self/status")
    blocked, ignored = (int(line.split()[1], 16) for line in done.out.splitlines())
    internal = 1 << 31 | 1 << 32  # glibc's own two, which every spawn leaves ignored
    assert (blocked, ignored & ~internal) == (0, 0)


async def test_without_a_server_the_program_is_not_started(midcall: Midcall, tmp_path: Path) -> None:
    done = await midcall("exec", "--data-dir", str(tmp_path), "--", "echo", "started")
    assert done.code == 3
    assert done.out == ""
    assert f"start one with: midcall serve --data-dir {tmp_path}" in done.err


async def test_without_a_command_it_says_what_to_type(midcall: Midcall, data_dir: Path) -> None:
    done = await midcall("exec", "--data-dir", str(data_dir))
    assert done.code == 2
    assert "midcall exec -- python app.py" in done.err


async def test_a_server_that_restarts_elsewhere_is_found_again(serve: Serve, tmp_path: Path) -> None:
    first = await serve()
    go = tmp_path / "go"
    os.mkfifo(go)
    process = await asyncio.create_subprocess_exec(
        *MIDCALL, "exec", "--data-dir", str(first.data_dir), "--",
        "sh", "-c", f"cat {go}; {FETCH % '$TWILIO_AUTH_TOKEN'}",
        stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    with await asyncio.to_thread(go.open, "w"):
        await first.stop()
        await serve()
    out, _ = await process.communicate()
    assert json.loads(out)["status"] == "active"


async def test_a_stopped_server_is_told_to_the_program(serve: Serve, tmp_path: Path) -> None:
    first = await serve()
    go = tmp_path / "go"
    os.mkfifo(go)
    process = await asyncio.create_subprocess_exec(
        *MIDCALL, "exec", "--data-dir", str(first.data_dir), "--",
        "sh", "-c", f"cat {go}; curl -sS http://api.twilio.com/; curl -sS https://api.twilio.com/",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    with await asyncio.to_thread(go.open, "w"):
        await first.stop()
    out, err = await process.communicate()
    assert out == b"midcall: the server has stopped; start it again with: midcall serve\n"
    assert b"502" in err


async def variables(midcall: Midcall, data_dir: Path, **environment: str) -> dict[str, str | None]:
    """What --print-env tells programs."""
    done = await midcall("exec", "--data-dir", str(data_dir), "--print-env", "--format", "json", **environment)
    told: dict[str, str | None] = json.loads(done.out)
    return told


async def test_a_shell_that_takes_over_the_variables_reaches_the_server(data_dir: Path) -> None:
    midcall = shlex.join([*MIDCALL, "exec", "--data-dir", str(data_dir), "--print-env"])
    script = f'eval "$({midcall})"; {FETCH % "$TWILIO_AUTH_TOKEN"}; echo; echo ${{TWILIO_REGION-none}}'
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", script, stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT | {"TWILIO_REGION": "ie1"}
    )
    out, _ = await process.communicate()
    account, region = out.decode().splitlines()
    assert json.loads(account)["status"] == "active"
    assert region == "none"


async def test_printed_variables_lead_to_the_servers_own_port_and_to_files_that_stay(
    midcall: Midcall, data_dir: Path
) -> None:
    told = await variables(midcall, data_dir)
    server = json.loads((data_dir / "server.json").read_text())
    assert told["HTTPS_PROXY"] == told["http_proxy"] == server["http_url"]
    assert told["TWILIO_EDGE"] is None
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        assert told[name] == str(data_dir / "exec" / "ca-bundle.pem")
    assert (data_dir / "exec" / "ca-bundle.pem").stat().st_mode & 0o077 == 0o044  # inside a folder of 0700


async def test_the_python_library_runs_under_printed_variables(midcall: Midcall, data_dir: Path) -> None:
    told = {name: value for name, value in (await variables(midcall, data_dir)).items() if value is not None}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from twilio.rest import Client; print(Client().applications.list()[0].friendly_name)"),
        stdout=asyncio.subprocess.PIPE,
        env=ENVIRONMENT | told,
    )
    assert (await process.communicate())[0] == b"Made by Midcall\n"


async def test_what_the_terminal_sends_reaches_the_program_once_and_what_others_send_as_well(data_dir: Path) -> None:
    program = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, lambda *_: print('INT', flush=True))\n"
        "print('foreground' if os.tcgetpgrp(0) == os.getpgrp() else 'background', os.isatty(1), flush=True)\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('USR1', flush=True) or os._exit(0))\n"
        "while True: signal.pause()\n"
    )
    ours, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(*MIDCALL, "exec", "--data-dir", str(data_dir), "--", sys.executable, "-c", program),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=ENVIRONMENT,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(terminal)
    assert await line_from(ours) == "foreground True"
    for _ in range(20):  # one that came twice could be lost in the other, but not each time
        os.write(ours, b"\x03")
        assert await line_from(ours) == "^CINT"
    # Pending signals are taken in the order of their numbers: INT, were it passed on, would come before USR1.
    process.send_signal(signal.SIGUSR1)
    assert await line_from(ours) == "USR1"
    assert await process.wait() == 0
    os.close(ours)


async def line_from(descriptor: int) -> str:
    """The next line on a terminal."""
    line = b""
    while not line.endswith(b"\n"):
        line += await asyncio.to_thread(os.read, descriptor, 1)
    return line.decode().strip()
