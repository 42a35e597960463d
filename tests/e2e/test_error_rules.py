"""What becomes of the server's error codes, beside the browser SDK's own table of classes."""

from __future__ import annotations

import json
import subprocess

from browsers import PAGES

from midcall.sdk.errors import NAMES, call_fault, device_error, message_error

UNKNOWN = (31211, 31902, 99999)
"""Codes of servers for which the browser SDK has no class. We know the first."""
OURS = {31211}


def classes(codes: list[int]) -> list[list[int | None]]:
    """General and precise class of each code."""
    done = subprocess.run(
        ["node", "error_codes.cjs"],
        cwd=PAGES,
        input=json.dumps(codes),
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    return json.loads(done.stdout)


def test_codes_become_what_a_browser_makes_of_them():
    codes = sorted({*NAMES, *UNKNOWN})
    seen = {"same": 0, "general": 0}
    for code, (general, precise) in zip(codes, classes(codes), strict=True):
        if code in OURS:
            assert general is precise is None
            continue
        renamed = {31201: 20151, 31204: 20101, 31205: 20104}.get(code)
        assert device_error(code, precise=False).code == (renamed or general or 53000)
        assert call_fault(code, "", precise=False)[0] == (general or 31005)
        assert message_error(code, "", precise=False).code == (general or 31000)
        if precise is not None:  # what a browser has no class for keeps its number here
            assert device_error(code).code == (renamed or precise)
            assert call_fault(code, "", precise=True)[0] == precise
            assert message_error(code, "", precise=True).code == precise
        seen["same" if general == precise else "general"] += 1
    assert seen["general"] == 19
    assert seen["same"] > 20


def test_codes_that_only_we_know_are_few():
    codes = sorted(NAMES)
    unknown = {code for code, (_, precise) in zip(codes, classes(codes), strict=True) if precise is None}
    assert unknown == OURS
