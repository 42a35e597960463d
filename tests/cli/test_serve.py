"""The server as a process: started, found, stopped, started again."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import stat
import time
from pathlib import Path

import aiohttp
import pytest

from midcall.core import tokens
from midcall.sdk import Device
from support.processes import ENVIRONMENT, MIDCALL, Midcall, Serve


async def curl(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


def temporary_authorities(folder: Path) -> list[Path]:
    return list(folder.glob("midcall-*/certs/ca.pem"))


async def test_both_ports_answer_and_tls_is_trusted_through_the_ca_file(serve: Serve) -> None:
    info = (await serve()).info
    assert await curl("--cacert", str(info["ca_file"]), f"{info['https_url']}/readyz") == (0, "200")
    assert await curl("--cacert", str(info["ca_file"]), f"https://127.0.0.1:{info['port']}/healthz") == (0, "200")
    assert await curl(f"{info['http_url']}/readyz") == (0, "200")


async def test_server_json_says_where_the_server_is(serve: Serve) -> None:
    served = await serve()
    info = served.info
    assert info["pid"] == served.process.pid
    assert info["signaling_host"] == f"localhost:{info['port']}"
    assert info["https_url"] == f"https://localhost:{info['port']}"
    assert info["http_url"] == f"http://127.0.0.1:{info['http_port']}"
    assert info["mode"] == "dev"


@pytest.mark.parametrize("mode, status", [("dev", "401"), ("production", "404")])
async def test_virtual_people_are_there_in_dev_only(serve: Serve, mode: str, status: str) -> None:
    info = (await serve("--mode", mode)).info
    assert await curl(f"{info['http_url']}/control/v1/people") == (0, status)
    assert await curl(f"{info['http_url']}/control/hooks/{'0' * 32}") == (0, "404")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_with_exit_code_0_and_server_json_goes(serve: Serve, number: signal.Signals) -> None:
    served = await serve()
    assert await served.stop(number) == 0
    assert not (served.data_dir / "server.json").exists()


async def test_a_restart_keeps_credentials_and_certificates(serve: Serve) -> None:
    first = await serve()
    files = [first.data_dir / "credentials.json", first.data_dir / "certs" / "server.pem"]
    before = [file.read_text() for file in files]
    await first.stop()
    await serve()
    assert [file.read_text() for file in files] == before


async def test_a_second_server_on_the_folder_is_told_the_pid_of_the_first(serve: Serve, midcall: Midcall) -> None:
    first = await serve()
    second = await midcall("serve", "--port", "0", "--http-port", "0", "--data-dir", str(first.data_dir))
    assert second.code == 4
    assert f"in use by the server with pid {first.process.pid}" in second.err
    assert second.err.count("\n") == 1


async def test_a_killed_server_leaves_a_folder_that_the_next_one_takes(serve: Serve, midcall: Midcall) -> None:
    first = await serve()
    first.process.kill()
    await first.process.wait()
    assert (first.data_dir / "server.json").exists()
    answer = await midcall("credentials", "--data-dir", str(first.data_dir))
    assert answer.code == 3
    assert (await serve()).info["pid"] != first.process.pid


@pytest.mark.parametrize("flag", ["--port", "--http-port"])
async def test_a_busy_port_is_named_with_its_flag(midcall: Midcall, tmp_path: Path, flag: str) -> None:
    other = "--http-port" if flag == "--port" else "--port"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = await midcall("serve", flag, port, other, "0", "--data-dir", str(tmp_path / "data"))
    assert done.code == 4
    assert f"port {port} on 127.0.0.1 is in use by another program" in done.err
    assert f"{flag} (0 picks)" in done.err


async def test_secrets_are_not_printed_where_no_terminal_is(serve: Serve) -> None:
    served = await serve("--set", "log_level=debug")
    credentials = json.loads((served.data_dir / "credentials.json").read_text())
    await served.stop()
    log = json.dumps(served.lines)
    assert credentials["auth_token"] not in log
    assert credentials["api_key_secret"] not in log
    assert "midcall credentials" in log


async def test_the_folder_and_its_secrets_belong_to_the_owner_alone(serve: Serve) -> None:
    data_dir = (await serve()).data_dir
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    for name in ("credentials.json", "server.json", "certs/ca.key", "certs/server.key"):
        assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600, name


async def test_memory_keeps_nothing(serve: Serve, tmp_path: Path) -> None:
    # Its log names the temporary folder, which holds the CA certificate while it runs.
    served = await serve("--data-dir", ":memory:", TMPDIR=str(tmp_path))
    assert len(temporary_authorities(tmp_path)) == 1
    assert await served.stop() == 0
    assert not temporary_authorities(tmp_path)


async def test_credentials_can_be_given_instead_of_made_up(serve: Serve) -> None:
    served = await serve(MIDCALL_ACCOUNT_SID="AC" + "1" * 32, MIDCALL_AUTH_TOKEN="for-tests")
    credentials = json.loads((served.data_dir / "credentials.json").read_text())
    assert credentials["account_sid"] == "AC" + "1" * 32
    assert credentials["auth_token"] == "for-tests"


async def test_weak_credentials_made_in_dev_are_refused_in_production(serve: Serve, midcall: Midcall) -> None:
    served = await serve(MIDCALL_AUTH_TOKEN="for-tests")
    await served.stop()
    done = await midcall(
        *("serve", "--mode", "production", "--port", "0", "--http-port", "0", "--data-dir", str(served.data_dir)),
        *("--set", "media_engine=none"),
    )
    assert done.code == 4
    assert "too weak for mode production" in done.err
    assert "for-tests" not in done.err


async def test_a_variable_that_is_no_setting_is_worth_a_warning(serve: Serve) -> None:
    served = await serve(MIDCALL_PROT="1")
    warnings = [line["text"] for line in served.lines if line["level"] == "warning"]
    assert warnings == ["the variable MIDCALL_PROT is no setting and is not read"]


async def test_a_terminal_gets_the_banner_with_credentials_and_the_next_step(tmp_path: Path) -> None:
    ours, terminal = pty.openpty()
    data_dir = tmp_path / "data"
    process = await asyncio.create_subprocess_exec(
        *MIDCALL,
        *("serve", "--port", "0", "--http-port", "0", "--data-dir", str(data_dir), "--set", "media_engine=none"),
        stderr=terminal,
        env=ENVIRONMENT,
    )
    os.close(terminal)
    shown = ""
    while "midcall demo" not in shown:
        shown += (await asyncio.to_thread(os.read, ours, 4096)).decode()
    credentials = json.loads((data_dir / "credentials.json").read_text())
    info = json.loads((data_dir / "server.json").read_text())
    process.terminate()
    assert await process.wait() == 0
    os.close(ours)
    for value in (*credentials.values(), info["https_url"], info["http_url"], info["ca_file"]):
        assert value in shown
    assert f"chunderw: '{info['signaling_host']}'" in shown


async def test_a_folder_that_cannot_be_made_is_named(midcall: Midcall, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = await midcall("serve", "--data-dir", str(tmp_path / "file" / "data"))
    assert done.code == 4
    assert f"the data folder {tmp_path}/file/data cannot be used" in done.err


async def test_live_connections_do_not_hold_up_the_end(serve: Serve) -> None:
    served = await serve()
    _, writer = await asyncio.open_connection("127.0.0.1", int(str(served.info["http_port"])))
    assert await served.stop() == 0
    writer.close()


async def test_the_first_signal_drains_and_the_second_ends_at_once(serve: Serve) -> None:
    served = await serve("--set", "drain_s=3600")
    info, made = served.info, json.loads((served.data_dir / "credentials.json").read_text())
    token = tokens.mint(
        key_sid=made["api_key_sid"],
        secret=made["api_key_secret"],
        account_sid=made["account_sid"],
        now=time.time(),
        token_id="test",
        identity="bob",
    )
    form = {"To": "client:bob", "From": "client:alice", "Twiml": "<Response><Pause length='60'/></Response>"}
    basic = aiohttp.encode_basic_auth(made["account_sid"], made["auth_token"])
    async with (
        Device(token, host=str(info["signaling_host"]), ca_file=str(info["ca_file"]), media="none") as device,
        aiohttp.ClientSession(headers={"Authorization": basic}) as rest,
    ):
        await device.register()
        incoming = device.wait_for("incoming")
        await rest.post(f"{info['http_url']}/2010-04-01/Accounts/{made['account_sid']}/Calls.json", data=form)
        call = await incoming
        ended = call.wait_for("disconnect")
        accepted = call.wait_for("accept")
        call.accept()
        await accepted
        served.process.send_signal(signal.SIGTERM)
        await served.line_with("1 live legs have 3600 s to end")
        assert await served.stop() == 0
        await ended
