#!/usr/bin/env bash
# The agent and `service_stop` beside a real systemd, which runs as process 1 of namespaces of its own.
#
#   sudo tests/systemd.sh [HOLDFAST]     default: target/debug/holdfast
#
# Everything that the distribution would start is masked: among it is what empties /tmp at a boot.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "${1:-target/debug/holdfast}")
fail() { echo "tests/systemd.sh: $*" >&2; exit 1; }

if [ "${2:-}" = inside ]; then
    mount --make-rprivate /
    mount -t proc proc /proc
    for place in /run /tmp /var/tmp /sys/fs/cgroup; do mount -t tmpfs tmpfs "$place"; done
    mkdir -p /sys/fs/cgroup/systemd /run/systemd/system /run/lock /run/dbus
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
    ip link set lo up
    cd /run/systemd/system
    for unit in systemd-tmpfiles-setup.service systemd-tmpfiles-clean.service systemd-sysctl.service \
        systemd-sysusers.service systemd-journald.service systemd-remount-fs.service sysinit.target \
        basic.target systemd-journald.socket; do ln -s /dev/null "$unit"; done
    alone='[Unit]\nDefaultDependencies=no\n'
    printf "$alone"'Wants=dbus.socket dbus.service trial.service\n' >trial.target
    printf "$alone"'[Service]\nExecStart=/bin/sleep 1000\n' >trial.service
    printf "$alone"'[Socket]\nListenStream=/run/dbus/system_bus_socket\n' >dbus.socket
    bus='/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation'
    printf "$alone[Service]\nExecStart=$bus\n" >dbus.service
    exec env -i container=other PATH="$PATH" /lib/systemd/systemd --system --unit=trial.target \
        --log-target=console --show-status=0
fi

if [ "${2:-}" = beside ]; then
    state=$(mktemp -d)
    "$binary" --state "$state" agent --web.listen-address 127.0.0.1:0 >"$state/out" 2>&1 &
    agent=$!
    for _ in $(seq 100); do
        address=$(grep -om1 '127\.0\.0\.1:[0-9]*' "$state/out" || true)
        [ -z "$address" ] || break
        sleep 0.1
    done
    page=$(curl -sg "http://$address/metrics?collect[]=systemd")
    kill "$agent"
    for line in 'node_systemd_unit_state{name="trial.service",state="active",type="simple"} 1.0' \
        'holdfast_systemd_units_source_info{source="dbus"} 1.0' node_systemd_version; do
        grep -qF "$line" <<<"$page" || fail "the page lacks $line: $page"
    done
    cat >"$state/stop.yaml" <<'YAML'
title: A unit is stopped, and started again
max: 30s
hypothesis:
  - replicas: { units: [trial.service] }
    name: trial stands still
    expect: { count: 0 }
    mode: during_fault
  - replicas: { units: [trial.service] }
    name: trial runs
    expect: { count: 1 }
    mode: edge
method:
  - service_stop: { unit: trial.service }
    for: 2s
YAML
    before=$(systemctl show trial.service -p MainPID)
    "$binary" --state "$state" chaos run "$state/stop.yaml" --yes
    [ "$(systemctl is-active trial.service)" = active ] || fail "trial.service does not run"
    [ "$(systemctl show trial.service -p MainPID)" != "$before" ] || fail "it was never stopped"
    exit 0
fi

for tool in unshare nsenter systemctl dbus-daemon ip curl; do
    command -v "$tool" >/dev/null || fail "there is no $tool"
done
[ -x /lib/systemd/systemd ] || fail "there is no /lib/systemd/systemd: apt-get install systemd"
[ "$(id -u)" -eq 0 ] || fail "namespaces of this kind take root"
log=$(mktemp)
# systemd makes control groups in every tree; those that were not there before go with it.
groups() { find /sys/fs/cgroup -mindepth 2 -type d 2>/dev/null | sort; }
before=$(groups)
tidy() {
    kill -9 "$outer" 2>/dev/null || true
    wait "$outer" 2>/dev/null || true
    rm -f "$log"
    local left
    for _ in $(seq 50); do
        left=$(comm -13 <(echo "$before") <(groups) | grep -E '/(system|user)\.slice|/init\.scope|\.mount$' || true)
        [ -n "$left" ] || break
        # The deepest first. A group that somebody lives in stays.
        sort -r <<<"$left" | xargs -r rmdir 2>/dev/null || true
        sleep 0.1
    done
}
unshare --fork --pid --mount --uts --ipc --net --cgroup --kill-child "$0" "$binary" inside >"$log" 2>&1 &
outer=$!
trap tidy EXIT
init=
for _ in $(seq 100); do
    init=$(pgrep -P "$outer" || true)
    if [ -n "$init" ] && nsenter -t "$init" -a systemctl is-active --quiet trial.target 2>/dev/null; then
        nsenter -t "$init" -a "$PWD/tests/systemd.sh" "$binary" beside
        echo "systemd $(systemctl --version | head -1 | cut -d' ' -f2): all is well"
        exit 0
    fi
    sleep 0.2
done
fail "systemd did not come up: $(cat "$log")"
