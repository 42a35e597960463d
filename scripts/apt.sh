#!/usr/bin/env bash
# Installs the named Debian packages that are missing, as root or through sudo, and says so first.
set -euo pipefail

missing=()
for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null || {
    echo "deps: needs ${missing[*]}, and this system has no apt: install them with its own package manager" >&2
    exit 1
}
if [ "$(id -u)" = 0 ]; then
    as_root=(env)
elif command -v sudo >/dev/null; then
    as_root=(sudo env)
else
    echo "deps: needs ${missing[*]}; run 'apt-get install ${missing[*]}' as root: there is no sudo here" >&2
    exit 1
fi

echo "deps: installing ${missing[*]} through apt"
apt() {
    "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
# An index that is there is tried first: it is often fresh enough, and updating is the slow and fragile half.
apt install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
    apt update
    apt install -y --no-install-recommends "${missing[@]}" >/dev/null
}
