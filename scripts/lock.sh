#!/usr/bin/env bash
# Rewrites the lock files from pyproject.toml and from what tests/clients needs: `scripts/lock.sh` keeps what is pinned, `--upgrade` moves everything on.
# The files name versions and hashes only, no index: whoever installs uses the index pip is configured for.
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.8

if [ ! -x .venv-lock/bin/uv ] || [ "$(.venv-lock/bin/uv --version | cut -d' ' -f2)" != "$UV_VERSION" ]; then
    "${PYTHON:-python3}" -m venv .venv-lock
    .venv-lock/bin/pip install --quiet "uv==$UV_VERSION"
fi

compile() {
    # fewest: one version of a package for every Python, so that 3.11 and 3.13 run the same code.
    .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
        --generate-hashes --no-header --no-emit-index-url --no-emit-find-links "$@"
}

compile "${@}" pyproject.toml --output-file requirements.txt
compile "${@}" --group pyproject.toml:build --output-file requirements-build.txt
# constrained by the other two: going from one to the other in the same environment changes no version
compile "${@}" pyproject.toml --group pyproject.toml:dev \
    --constraint requirements.txt --constraint requirements-build.txt --output-file requirements-dev.txt
compile "${@}" tests/clients/python/minimum.in --output-file tests/clients/python/minimum.txt

if grep -nEi 'https?:|--(index|extra|find)|@ file' requirements*.txt tests/clients/python/minimum.txt; then
    echo "lock: a lock file names a place (above); it must hold versions and hashes only" >&2
    exit 1
fi
echo "lock: wrote $(echo requirements*.txt tests/clients/python/minimum.txt)"
