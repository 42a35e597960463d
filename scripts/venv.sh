#!/usr/bin/env bash
# Makes .venv with the Python at hand and installs the locked packages: runtime is what Midcall runs on, package
# is Midcall itself, dev is what tests and checks need. The Makefile decides when; the stamps make repeats free.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
kind=${1:?runtime, package or dev}

say() { echo "venv: $*"; }
fail() { echo "venv: $*" >&2; exit 1; }

command -v "$PYTHON" >/dev/null ||
    { [ "$PYTHON" = python3 ] && scripts/apt.sh python3 python3-venv; } ||
    fail "no Python found: install Python 3.11 or newer, or name one with PYTHON=/path/to/python"

exec 9>.venv.lock
flock 9 # two makes at once would install over each other

if [ ! -x .venv/bin/pip ]; then
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$PYTHON" --version) is too old: Midcall needs 3.11 or newer; name one with PYTHON=/path/to/python"
    # Debian ships Python without ensurepip; python3-venv brings it, for Debian's own Python only.
    "$PYTHON" -c 'import ensurepip' 2>/dev/null || scripts/apt.sh python3-venv
    say "making .venv with $("$PYTHON" --version)"
    rm -rf .venv
    "$PYTHON" -m venv .venv
fi

pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }

case $kind in
runtime)
    say "installing the locked packages Midcall runs on"
    pip install --quiet --require-hashes -r requirements.txt -r requirements-build.txt
    ;;
package)
    # from src/ as it stands; the build backend is locked above, so building needs no second, unlocked environment
    pip install --quiet --no-deps --no-build-isolation -e .
    ;;
dev)
    say "installing the locked packages of tests and checks"
    pip install --quiet --require-hashes -r requirements-dev.txt
    ;;
*) fail "unknown kind '$kind': runtime, package or dev" ;;
esac
touch ".venv/.$kind"
