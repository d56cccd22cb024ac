#!/usr/bin/env bash
# `cpu_throttle`, `io_throttle` and the agent's groups on cgroup v2.
#
#   sudo tests/cgroup2.sh [HOLDFAST]     default: target/debug/holdfast
#
# Where the controllers belong to cgroup v1 and nobody has made groups there, they are moved to v2 for
# as long as this takes, and moved back; nothing else that uses them may run meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "${1:-target/debug/holdfast}")
fail() { echo "tests/cgroup2.sh: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || fail "moving controllers takes root"
root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$root" ] || fail "no cgroup2 file system is mounted"

here=$(mktemp -d -p "${HOLDFAST_DISK:-/var/tmp}")
moved=() busy=() app=$root/trial-$$
tidy() {
    local it
    for it in "${busy[@]}"; do kill -9 "$it" 2>/dev/null || true; done
    wait 2>/dev/null || true
    "$binary" --state "$here/state" recover >/dev/null 2>&1 || true
    rmdir "$app/service" "$app" 2>/dev/null || true
    for it in "${moved[@]}"; do
        echo "-${it##*:}" >"$root/cgroup.subtree_control" || true
        # A controller comes back when v2 has forgotten its last group.
        for _ in $(seq 100); do
            mount -t cgroup -o "${it%%:*}" cgroup "/sys/fs/cgroup/${it%%:*}" 2>/dev/null && break
            sleep 0.1
        done
    done
    rm -rf "$here"
}
trap tidy EXIT

# In the words of v1, and of v2.
for pair in cpu:cpu blkio:io; do
    old=${pair%%:*} new=${pair##*:}
    if ! grep -qw "$new" "$root/cgroup.controllers"; then
        place=/sys/fs/cgroup/$old
        mountpoint -q "$place" || fail "$old is neither with v2 nor at $place"
        [ -z "$(find "$place" -mindepth 1 -type d -print -quit)" ] || fail "somebody has groups in $place"
        umount "$place" || fail "$place is in use"
        moved+=("$pair")
        for _ in $(seq 100); do
            ! grep -qw "$new" "$root/cgroup.controllers" || break
            sleep 0.1
        done
    fi
    echo "+$new" >"$root/cgroup.subtree_control" || fail "$new did not come to $root"
done
mkdir "$app"
echo "+cpu +io" >"$app/cgroup.subtree_control"
mkdir "$app/service"
# enlist PID: into a group as a service manager would make it.
enlist() { echo "$1" >"$app/service/cgroup.procs"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
# during FILE LOOK PID: plays FILE, runs LOOK while its fault acts, and sees PID brought back.
during() {
    "$binary" --state "$here/state" chaos run --yes "$here/$1.yaml" >"$here/$1.out" 2>&1 &
    local runner=$!
    for _ in $(seq 100); do
        ! grep -q "acts:" "$here/$1.out" || break
        sleep 0.1
    done
    grep -q "acts:" "$here/$1.out" || fail "$1 did not act: $(cat "$here/$1.out")"
    compgen -G "$app/holdfast-*" >/dev/null || fail "$1 made no group in $app"
    "$2"
    wait "$runner" || fail "$1 ended with $?: $(cat "$here/$1.out")"
    ! compgen -G "$app/holdfast-*" >/dev/null || fail "$1 left a group in $app"
    grep -qx "0::/trial-$$/service" "/proc/$3/cgroup" || fail "$1 did not bring its target back"
}

sh -c 'while :; do :; done' &
busy+=("$!")
burner=$!
enlist "$burner"
cat >"$here/cpu.yaml" <<YAML
title: a fifth of a processor
max: 60s
method:
  - cpu_throttle: { target: { cgroup: /trial-$$/service }, percent: 20 }
    for: 8s
YAML
share() {
    local from to
    from=$(ticks "$burner")
    sleep 4
    to=$(ticks "$burner")
    local percent=$(((to - from) * 100 / (4 * $(getconf CLK_TCK))))
    echo "cpu_throttle on cgroup v2: 20 % was asked for, $percent % of a processor was used"
    [ "$percent" -ge 15 ] && [ "$percent" -le 25 ] || fail "$percent % of a processor, not 20"
}
during cpu share "$burner"

# What the agent says of the group is what the kernel says.
"$binary" --state "$here/state" agent --web.listen-address 127.0.0.1:0 >"$here/agent" 2>&1 &
busy+=("$!")
for _ in $(seq 100); do
    address=$(grep -om1 '127\.0\.0\.1:[0-9]*' "$here/agent" || true)
    [ -z "$address" ] || break
    sleep 0.1
done
kill -STOP "$burner"
page=$(curl -sg "http://$address/metrics?collect[]=cgroups")
used=$(awk '$1 == "usage_usec" { print $2 }' "$app/service/cpu.stat")
ours=$(grep "^holdfast_cgroup_cpu_seconds_total{.*trial-$$/service" <<<"$page" | grep -o '[0-9.e+]*$' || true)
[ -n "$ours" ] || fail "the agent does not show trial-$$/service: $page"
awk -v a="$ours" -v b="$used" 'BEGIN { exit !(a * 1e6 > b * 0.999 && a * 1e6 < b * 1.001) }' \
    || fail "the agent says $ours s, the kernel $used us"
kill -9 "$burner"

sh -c "while :; do dd if=/dev/zero of='$here/filler' bs=64k count=1024 oflag=direct conv=notrunc 2>/dev/null; done" &
busy+=("$!")
writer=$!
enlist "$writer"
cat >"$here/io.yaml" <<YAML
title: a slow disk
max: 60s
method:
  - io_throttle: { target: { cgroup: /trial-$$/service }, path: $here, each_second: 2MB }
    for: 10s
YAML
rate() {
    local from to
    bytes() {
        awk '{ for (i = 2; i <= NF; i++) if (sub("^wbytes=", "", $i)) sum += $i } END { print sum + 0 }' \
            "$app"/holdfast-*/io.stat
    }
    from=$(bytes)
    sleep 4
    to=$(bytes)
    local each=$(((to - from) / 4))
    echo "io_throttle on cgroup v2: 2000000 bytes a second were asked for, $each went through"
    [ "$each" -ge 1700000 ] && [ "$each" -le 2300000 ] || fail "$each bytes a second, not 2000000"
}
during io rate "$writer"
echo "cgroup v2: all is well"
