"""`midcall demo` as a person runs it; and that it cannot succeed when what it claims is not so."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MIDCALL_", "TWILIO_"))}

pytestmark = pytest.mark.timeout(120)


async def start(folder: Path, *command: str) -> asyncio.subprocess.Process:
    """A Python process whose temporary folders are in the given one."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**ENVIRONMENT, "TMPDIR": str(folder), "COLUMNS": "200"},
        # A suite in the background of a script inherits that Ctrl-C is ignored; a person's terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


async def result(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Exit code and output."""
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def sabotaged(folder: Path, patch: str, options: str = "messages=3, media=False") -> tuple[int | None, str]:
    """The demo after a change of its insides."""
    program = (
        "import sys\n"
        "from midcall.demo import Options, main, application, scenario, server, traffic\n"
        "from midcall.demo.application import Application\n"
        f"{patch}\n"
        f"sys.exit(main(Options({options})))\n"
    )
    return await result(await start(folder, "-c", program))


async def test_the_demo_succeeds_and_leaves_nothing_behind(tmp_path):
    code, output = await result(await start(tmp_path, "-m", "midcall", "demo", "--messages", "5"))
    assert code == 0, output
    for sight in ("bob    answers", "alice  hears 660 Hz", "bob    hears 440 Hz", "20 messages arrived", "exit code 0"):
        assert sight in output
    assert "\x1b" not in output  # no colours where nobody sees them
    assert list(tmp_path.iterdir()) == []


async def test_without_media_and_with_every_message_told_and_the_folder_kept(tmp_path):
    options = ("--messages", "2", "--no-media", "--verbose", "--keep")
    code, output = await result(await start(tmp_path, "-m", "midcall", "demo", *options))
    assert code == 0, output
    assert 'got {"from":"bob","n":2} from bob' in output
    assert [path.name.startswith("midcall-demo-") for path in tmp_path.iterdir()] == [True]


DROP = """
traffic.DELIVERY_S = 2
keep = Application.record
Application.record = lambda self, leg, callback: callback.fields["SequenceNumber"] == "2" or keep(self, leg, callback)
"""
REPEAT = """
keep = Application.record
def twice(self, leg, callback):
    keep(self, leg, callback)
    keep(self, leg, callback)
Application.record = twice
"""
REVERSE = """
keep = Application.record
held = {}
def late(self, leg, callback):
    if callback.fields["SequenceNumber"] == "1":
        held[leg] = callback
        return
    keep(self, leg, callback)
    if leg in held:
        keep(self, leg, held.pop(leg))
Application.record = late
"""
UNSIGNED = "application.signature.sign = lambda *arguments: 'forged'"
MISNUMBERED = """
class Other(dict):
    def get(self, name, default=None):
        return "0" if name == "SequenceNumber" else super().get(name, default)
keep = Application.record
Application.record = lambda self, leg, callback: keep(
    self, leg, application.Callback(callback.at, Other(callback.fields)))
"""
STATUSES = "scenario.STATUSES.insert(1, 'queued')"
KILLED = """
import os
play = scenario.play
async def kill(story, server):
    await play(story, server)
    os.kill(server.info.pid, 9)
scenario.play = kill
"""
REFUSED = "Application.twiml = lambda self, order: '<Response><Reject/></Response>'\nscenario.STEP_S = 3"


@pytest.mark.parametrize(
    ("patch", "sentence"),
    [
        (DROP, "FAILED: 1 of 3 messages from alice to the app never arrived"),
        (REPEAT, "messages from bob to the app arrived more than once"),
        (REVERSE, "FAILED: the messages from alice to the app did not arrive in order"),
        (UNSIGNED, "FAILED: a message callback came with a signature that does not match"),
        (MISNUMBERED, "FAILED: the callbacks for bob are not numbered 1, 2, 3"),
        (STATUSES, "FAILED: the status callbacks were initiated, ringing, in-progress, completed, not"),
        (KILLED, "FAILED: the server ended with exit code -9"),
        (REFUSED, "FAILED: bob was not rung within 3 s"),
    ],
    ids=["lost", "repeated", "disordered", "unsigned", "misnumbered", "statuses", "server killed", "call refused"],
)
async def test_what_goes_wrong_is_named_and_fails_the_demo(tmp_path, patch, sentence):
    code, output = await sabotaged(tmp_path, patch)
    assert code == 1, output
    assert sentence in output
    assert "The last lines of the server's log:" in output
    assert "All of it happened" not in output


async def test_a_client_that_hears_nothing_fails_the_demo(tmp_path):
    patch = (
        "scenario.SOUND_S = 2\nscenario.Tone = lambda frequency, level_dbfs: __import__('midcall.sdk').sdk.Silence()"
    )
    code, output = await sabotaged(tmp_path, patch, "messages=1")
    assert code == 1, output
    assert "FAILED: alice does not hear the other's 660 Hz tone" in output


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_an_interrupted_demo_stops_its_server(tmp_path, number, expected):
    process = await start(tmp_path, "-m", "midcall", "demo", "--messages", "1000", "--no-media")
    assert process.stdout is not None
    while b"messages each" not in (line := await process.stdout.readline()):
        assert line, "the demo ended early"
    (folder,) = tmp_path.iterdir()
    pid = json.loads((folder / "server.json").read_text())["pid"]
    process.send_signal(number)
    code, output = await result(process)
    assert code == expected, output
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not folder.exists()
