"""How long `midcall serve` takes from its start to the first answer on /readyz, and what the imports cost.

python benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERVE = [sys.executable, "-m", "midcall", "serve", "--port", "0", "--http-port", "0"]
IMPORTS = [sys.executable, "-c", "import midcall.cli.commands, midcall.app.process"]


def seconds_until_ready(data_dir: Path) -> float:
    """Start a server, wait for its first answer, stop it."""
    began = time.perf_counter()
    with subprocess.Popen([*SERVE, "--data-dir", str(data_dir)], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()  # the line that says it is ready
        port = json.loads((data_dir / "server.json").read_text())["http_port"]
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/readyz")
        assert connection.getresponse().status == 200
        taken = time.perf_counter() - began
        process.terminate()
        process.communicate()
    return taken


def seconds_for_imports() -> float:
    """The same interpreter, only importing what a server imports."""
    began = time.perf_counter()
    subprocess.run(IMPORTS, check=True)
    return time.perf_counter() - began


def run(rounds: int) -> dict[str, float]:
    """Medians of first starts, restarts and imports."""
    with tempfile.TemporaryDirectory() as scratch:
        first = [seconds_until_ready(Path(scratch) / str(number)) for number in range(rounds)]
        again = [seconds_until_ready(Path(scratch) / "0") for _ in range(rounds)]
    imports = [seconds_for_imports() for _ in range(rounds)]
    return {
        "first_start_s": round(statistics.median(first), 3),
        "restart_s": round(statistics.median(again), 3),
        "imports_s": round(statistics.median(imports), 3),
        "rounds": rounds,
    }


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]) if len(sys.argv) > 1 else 5)))
