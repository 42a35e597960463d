#!/usr/bin/env bash
# What the tests need beyond .venv: a browser, certutil for its certificate store, curl, Node and the official npm packages.
# Installs only what is missing; a dependency that cannot be had is a failure here, never a skipped test later.
set -euo pipefail
cd "$(dirname "$0")/.."

CHROMIUM=${CHROMIUM:-/usr/bin/chromium}

wanted=()
if [ ! -x "$CHROMIUM" ]; then
    [ "$CHROMIUM" = /usr/bin/chromium ] || {
        echo "deps: CHROMIUM is $CHROMIUM, and there is no program there" >&2
        exit 1
    }
    wanted+=(chromium)
fi
command -v certutil >/dev/null || wanted+=(libnss3-tools)
command -v node >/dev/null || wanted+=(nodejs)
command -v npm >/dev/null || wanted+=(npm)
command -v curl >/dev/null || wanted+=(curl)
[ -e /etc/ssl/certs/ca-certificates.crt ] || wanted+=(ca-certificates)
[ ${#wanted[@]} -eq 0 ] || scripts/apt.sh "${wanted[@]}"

folders=(tests/e2e/browser tests/clients tests/clients/node/minimum tests/clients/cli/{newest,minimum} packages/testing-js
    examples/support_desk_js)
# Debian 12 has Node 18, which is too old for the newest CLI.
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || folders+=(tests/clients/node/runtime)
for folder in "${folders[@]}"; do
    stamp=$folder/node_modules/.installed
    if [ ! -e "$stamp" ] || ! cmp -s "$folder/package-lock.json" "$stamp"; then
        echo "deps: npm ci in $folder"
        (cd "$folder" && npm ci --loglevel=error </dev/null)
        cp "$folder/package-lock.json" "$stamp"
    fi
done

# The oldest supported Python library, in an environment of its own.
venv=build/clients/python-minimum
if ! cmp -s tests/clients/python/minimum.txt "$venv/.installed"; then
    echo "deps: pip install in $venv"
    rm -rf "$venv"
    .venv/bin/python -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r tests/clients/python/minimum.txt
    cp tests/clients/python/minimum.txt "$venv/.installed"
fi
