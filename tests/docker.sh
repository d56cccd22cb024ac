#!/usr/bin/env bash
# `container_pause`, `container_stop` and the selector `container` against a real Docker.
#
#   sudo tests/docker.sh [HOLDFAST]     default: target/debug/holdfast
#
# The daemon is this script's own, in a folder and on a socket of its own, with no network; its one
# container is made of a static busybox, so that nothing is fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "${1:-target/debug/holdfast}")
fail() { echo "tests/docker.sh: $*" >&2; exit 1; }

for tool in dockerd docker busybox; do
    command -v "$tool" >/dev/null || fail "there is no $tool: apt-get install docker.io busybox-static"
done
[ "$(id -u)" -eq 0 ] || fail "a Docker takes root"

here=$(mktemp -d)
socket=$here/docker.sock
engine() { docker -H "unix://$socket" "$@"; }
dockerd --data-root "$here/data" --exec-root "$here/exec" -H "unix://$socket" -p "$here/pid" \
    --bridge=none --iptables=false --ip6tables=false --storage-driver=vfs >"$here/log" 2>&1 &
daemon=$!
tidy() {
    engine rm -f ledger >/dev/null 2>&1 || true
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
    find /sys/fs/cgroup -mindepth 2 -maxdepth 2 -type d -name docker -exec rmdir {} + 2>/dev/null || true
    rm -rf "$here"
}
trap tidy EXIT
for _ in $(seq 150); do
    engine version >/dev/null 2>&1 && break
    sleep 0.2
done
engine version >/dev/null || fail "Docker did not come up: $(tail -5 "$here/log")"
mkdir -p "$here/root/bin"
cp "$(command -v busybox)" "$here/root/bin/busybox"
tar -C "$here/root" -c . | engine import - trial:1 >/dev/null
engine run -d --name ledger --network none --stop-timeout 1 trial:1 \
    /bin/busybox sleep 86399 >/dev/null

# until WHAT PATTERN: the container is as WHAT says, within ten seconds.
state() { engine inspect -f '{{.State.Status}}' ledger; }
until_is() {
    for _ in $(seq 100); do
        [ "$(state)" = "$1" ] && return
        sleep 0.1
    done
    fail "the container is $(state), not $1: $2"
}
play() { "$binary" --state "$here/state" chaos run --yes "$1"; }
scenario() {
    cat >"$here/$1.yaml" <<YAML
title: $1
max: 120s
hypothesis:
  - process: { target: { container: ledger-or-id } }
    name: it lives
    expect: { count: 1 }
    mode: edge
method:
  - $1: { container: ledger, socket: $socket }
    for: $2
YAML
    local id
    id=$(engine inspect -f '{{.Id}}' ledger)
    sed -i "s/ledger-or-id/${id:0:12}/" "$here/$1.yaml"
}

for kind in container_pause:paused container_stop:exited; do
    fault=${kind%%:*} harmed=${kind##*:}
    scenario "$fault" 1s
    play "$here/$fault.yaml" >"$here/out" 2>&1 || fail "$fault: $(cat "$here/out")"
    grep -q "acts" "$here/out" || fail "$fault: nobody saw it act: $(cat "$here/out")"
    until_is running "after $fault"

    # The runner is killed while the fault acts: the guardian goes back.
    scenario "$fault" 60s
    play "$here/$fault.yaml" >"$here/out" 2>&1 &
    runner=$!
    until_is "$harmed" "$fault began"
    child=$(pgrep -P "$runner" -f 'chaos run' || echo "$runner")
    kill -9 $child
    wait "$runner" 2>/dev/null || true
    until_is running "$fault, and its runner was killed"
    "$binary" --state "$here/state" recover >"$here/out" 2>&1 || fail "recover: $(cat "$here/out")"
done

# What does not run is not stopped; nothing was touched.
engine pause ledger >/dev/null
status=0
play "$here/container_stop.yaml" >"$here/out" 2>&1 || status=$?
[ "$status" -eq 3 ] || fail "a paused container: exit $status, not 3: $(cat "$here/out")"
until_is paused "a refused run"
echo "Docker $(engine version -f '{{.Server.Version}}'): all is well"
