#!/usr/bin/env bash
# What `make clients` needs: a JDK, Maven and Go (apt, only what is missing), and our programs built with both versions of
# the official Java and Go libraries in build/clients. What cannot be had is a failure here, never a skipped test later.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$PWD/build/clients

missing=()
command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
command -v go >/dev/null || missing+=(golang-go) # Debian 12 has 1.19, which is what the newest library asks for
[ ${#missing[@]} -eq 0 ] || scripts/apt.sh "${missing[@]}"

for version in newest minimum; do
    out=$build/java-$version
    if ! cmp -s tests/clients/java/pom.xml "$out/.resolved"; then
        echo "clients: resolving the Java library, $version"
        rm -rf "$out"
        mvn --batch-mode --quiet --strict-checksums --file tests/clients/java/pom.xml -P"$version" \
            dependency:copy-dependencies -DoutputDirectory="$out/lib" </dev/null
        cp tests/clients/java/pom.xml "$out/.resolved"
    fi
    rm -rf "$out/classes"
    javac -Xlint:all -Werror -proc:none -cp "$out/lib/*" -d "$out/classes" \
        tests/clients/java/shared/*.java "tests/clients/java/$version"/*.java
done

# Without optimisation, which would take longer than all that the programs ever do.
compile() {
    (cd tests/clients/go && go build -mod=readonly -gcflags='github.com/twilio/...=-N -l' "$@" ./operations ./sample)
}
echo "clients: building with the Go library (a minute or two at first)"
mkdir -p "$build/go-newest" "$build/go-minimum"
compile -o "$build/go-newest/"
compile -modfile=minimum.mod -o "$build/go-minimum/"
