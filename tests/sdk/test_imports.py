"""What `midcall.sdk` brings in, which is little: a client without media should start fast."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"aiortc", "aioice", "av", "numpy", "sounddevice", "twilio"}


def test_importing_the_sdk_imports_neither_media_nor_hardware():
    code = "import sys, midcall.sdk, midcall.sdk.sync; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) & HEAVY == set()
