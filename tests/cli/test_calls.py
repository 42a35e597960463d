"""`midcall calls`, against a server with one call whose client told things about it."""

from __future__ import annotations

import base64
import http.client
import json
import time
from urllib.parse import urlencode

import pytest

from midcall.core import tokens
from midcall.core.sids import AccountSid, KeySid
from support.processes import Folder, Run


class Told:
    """A server, and the call in it."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.port = int(str(folder.info["http_port"]))
        self.account = folder.credentials["account_sid"]
        # Nobody is registered as bob, so the call is over at once; bob's client may tell about it all the same.
        self.call = self._create()["sid"]
        self._post("EndpointEvents", "feedback", "received", {"quality_score": 2, "issue_name": "echo"})
        self._post(
            "EndpointEvents",
            "network-quality-warning-raised",
            "high-rtt",
            {"rtt": 500, "near": {"ip": "::1"}},
            level="WARNING",
        )
        self._post("EndpointEvents", "connection", "error", {"message": "red \x1b[31m"}, level="ERROR")
        moment = "2026-11-20T23:28:35.000Z"
        samples = [
            {"call_sid": self.call, "timestamp": moment, "mos": mos, "rtt": 10, "audio_codec": "opus"}
            for mos in (None, 4.0, 3.0)
        ]
        self._post("EndpointMetrics", "quality-metrics-samples", "metrics-sample", samples)

    def _create(self) -> dict[str, str]:
        form = urlencode({"To": "client:bob", "From": "client:x", "Twiml": "<Response/>"}).encode()
        secret = base64.b64encode(f"{self.account}:{self.folder.credentials['auth_token']}".encode()).decode()
        made: dict[str, str] = json.loads(
            self._ask(
                f"/2010-04-01/Accounts/{self.account}/Calls.json",
                form,
                **{"Authorization": f"Basic {secret}", "Content-Type": "application/x-www-form-urlencoded"},
            )
        )
        return made

    def _post(self, endpoint: str, group: str, name: str, payload: object, level: str = "INFO") -> None:
        if isinstance(payload, dict):
            payload = {"call_sid": self.call, "sdk_version": "2.18.5", **payload}
        post = {
            "group": group,
            "name": name,
            "level": level,
            "timestamp": "2026-11-20T23:28:35.140Z",
            "payload": payload,
        }
        headers = {"X-Twilio-Token": self._token(), "Content-Type": "application/json"}
        self._ask(f"/v4/{endpoint}", json.dumps(post).encode(), **headers)

    def _token(self) -> str:
        made = self.folder.credentials
        return tokens.mint(
            key_sid=KeySid(made["api_key_sid"]),
            secret=made["api_key_secret"],
            account_sid=AccountSid(self.account),
            now=time.time(),
            token_id="t",
            identity="bob",
        )

    def _ask(self, path: str, body: bytes, **headers: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        assert answer.status < 300, read
        return read


@pytest.fixture(scope="module")
def told(served: Folder) -> Told:
    return Told(served)


def test_calls_are_listed_and_filtered(run: Run, told: Told) -> None:
    (line,) = run("calls", "list").out.splitlines()
    assert line.split("\t")[1:4] == [told.call, "outbound-api", "no-answer"]
    assert run("calls", "list", "--status", "in-progress").out == ""
    assert json.loads(run("calls", "list", "--json").out)["sid"] == told.call


def test_insights_begin_with_the_calls_quality_and_its_feedback(run: Run, told: Told) -> None:
    shown = run("calls", "insights", told.call).out
    quality = dict(line.split(maxsplit=1) for line in shown.partition("\n\n")[0].splitlines())
    assert quality["samples"] == "3, one a second, opus"
    assert quality["mos"] == "3.50 on average, 3.00 at worst"
    assert quality["feedback"] == "2 of 5, echo"
    assert "not known" in quality["jitter"]


def test_events_come_newest_first_with_what_is_their_own_and_nothing_that_steers_a_terminal(
    run: Run, told: Told
) -> None:
    rows = [line.split("\t") for line in run("calls", "insights", told.call).out.partition("\n\n")[2].splitlines()]
    assert [row[1:] for row in rows] == [
        ["error", "connection", "error", "message=red �[31m"],
        ["warning", "network-quality-warning-raised", "high-rtt", 'rtt=500 near={"ip":"::1"}'],
        ["info", "feedback", "received", "quality_score=2 issue_name=echo"],
    ]
    (warning,) = run("calls", "insights", told.call, "--level", "warning").out.partition("\n\n")[2].splitlines()
    assert "high-rtt" in warning


def test_insights_as_json_are_the_servers_own(run: Run, told: Told) -> None:
    lines = run("calls", "insights", told.call, "--json", "--limit", "4").out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["metrics-sample"] * 3 + ["error"]


def test_a_call_is_shown_as_rest_has_it_without_what_is_not_known(run: Run, told: Told) -> None:
    lines = dict(line.split(maxsplit=1) for line in run("calls", "show", told.call).out.splitlines())
    assert (lines["sid"], lines["status"], lines["from"], lines["to"]) == (
        told.call,
        "no-answer",
        "client:x",
        "client:bob",
    )
    assert "answered_by" not in lines
    assert json.loads(run("calls", "show", told.call, "--json").out)["sid"] == told.call


@pytest.mark.parametrize("command", [["calls", "list"], ["calls", "show"], ["calls", "insights"]], ids=" ".join)
def test_each_command_explains_itself_with_an_example(run: Run, command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.code == 0
    assert f"midcall {command[0]} {command[1]}" in done.out.partition("Examples")[2]


def test_an_unknown_call_and_what_is_no_call_are_said_to_be_so(run: Run) -> None:
    for command in ("show", "insights"):
        done = run("calls", command, "CA" + "9" * 32)
        assert (done.code, done.err) == (1, f"midcall: there is no call CA{'9' * 32}\n")
    assert run("calls", "insights", "KX1").code == 2
