#!/usr/bin/env bash
# What the benchmarks measure beside Midcall: nginx with nchan from Debian, Fastify from npm, FastAPI in an environment of
# its own. Installs only what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x /usr/sbin/nginx ] || [ ! -e /usr/lib/nginx/modules/ngx_nchan_module.so ]; then
    scripts/apt.sh nginx libnginx-mod-nchan
fi

folder=benchmarks/references/fastify
stamp=$folder/node_modules/.installed
if [ ! -e "$stamp" ] || ! cmp -s "$folder/package-lock.json" "$stamp"; then
    echo "deps: npm ci in $folder"
    (cd "$folder" && npm ci --loglevel=error </dev/null)
    cp "$folder/package-lock.json" "$stamp"
fi

lock=benchmarks/references/fastapi/requirements.txt
venv=build/bench/fastapi
if ! cmp -s "$lock" "$venv/.installed"; then
    echo "deps: FastAPI into $venv"
    .venv/bin/python -m venv --clear --without-pip "$venv"
    .venv/bin/python -m pip --disable-pip-version-check --python "$venv/bin/python" install --quiet --require-hashes -r "$lock"
    cp "$lock" "$venv/.installed"
fi
