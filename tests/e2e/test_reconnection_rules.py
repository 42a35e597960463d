"""Our rules of reconnecting beside the browser SDK's own code, both on clocks of their own."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

from browsers import PAGES

from midcall.core.reconnection import Loss, Reconnection
from midcall.sdk.transport import CONNECT_S, WATCHDOG_S

URIS = ("wss://a/signal", "wss://b/signal", "wss://c/signal")
PREFERRED = "wss://preferred/signal"
LIMITS_MS = (0, 500, 4_000, 30_000)


def scenario(dice: random.Random) -> dict[str, Any]:
    """Sockets that open or do not, and end in some way; calls that come and go on them."""
    steps: list[list[Any]] = []
    for _ in range(dice.randrange(4, 16)):
        if dice.random() < 0.5:
            steps.append(["open"])
            if dice.random() < 0.6:
                steps.append(["prefer", PREFERRED])
            if dice.random() < 0.3:
                steps.append(["prefer", None])
            if dice.random() < 0.4:
                steps.append(["retryAfter", dice.choice([1, 3, 12.5, 50, 90])])
            if dice.random() < 0.3:
                steps.append(["stay", dice.choice([9_000, 11_000])])
            end = dice.choice([["close", 1006], ["close", 1015], ["close", 1000], ["close", 1005], ["silence", 0]])
        else:
            end = dice.choice([["close", 1006], ["close", 1006], ["close", 1015], ["timeout", 0]])
        steps.append([*end, "unprefer"] if dice.random() < 0.2 else list(end))
    return {
        "uris": URIS[: dice.randrange(1, 4)],
        "limit_ms": dice.choice(LIMITS_MS),
        "draws": [dice.random() for _ in range(100)],
        "steps": steps,
    }


def ours(scenario: dict[str, Any]) -> list[list[Any]]:
    """What our rules do with a scenario."""
    draws = iter(scenario["draws"])
    rules = Reconnection(scenario["uris"], preferred_limit_s=scenario["limit_ms"] / 1000, fraction=lambda: next(draws))
    now, told = 0.0, []
    for what, *details in scenario["steps"]:
        match what, *details:
            case ["open"]:
                rules.opened()
            case ["prefer", address]:
                rules.prefer(address)
            case ["retryAfter", seconds]:
                rules.retry_after(seconds)
            case ["stay", milliseconds]:
                now += milliseconds / 1000
            case [_, code, *rest]:
                loss = {"timeout": Loss.TIMED_OUT, "silence": Loss.SILENT}.get(what) or (
                    Loss.ABRUPT if code in (1006, 1015) else Loss.ORDERLY
                )
                now += {Loss.TIMED_OUT: CONNECT_S, Loss.SILENT: WATCHDOG_S}.get(loss, 0.0)
                lost_at, wait = now, rules.lost(loss, now=now)
                if rest:
                    rules.prefer(None)
                while isinstance(wait, float):
                    now += wait
                    wait = rules.waited(now=now)
                told.append([round(1000 * (now - lost_at)), wait])
    return told


def theirs(scenarios: list[dict[str, Any]]) -> list[list[list[Any]]]:
    """What the browser SDK does with them."""
    done = subprocess.run(
        ["node", "reconnection.cjs"],
        cwd=PAGES,
        input=json.dumps(scenarios),
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    return json.loads(done.stdout)


def test_addresses_and_waits_are_those_of_the_browser_sdk():
    dice = random.Random(20261128)
    scenarios = [scenario(dice) for _ in range(2000)]
    for played, expected in zip(scenarios, theirs(scenarios), strict=True):
        assert ours(played) == expected, json.dumps(played)
