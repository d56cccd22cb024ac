#!/usr/bin/env bash
# What takes another kernel than this machine's: control groups of version 2 with every controller,
# netem, and a clock that may be set. Boots Debian's kernel in an emulated machine (no KVM), which sees this
# machine's files with a layer of its own on top that goes with it.
#
#   sudo tests/machine.sh              the tests that are listed below, in target/debug
#   sudo tests/machine.sh WORDS…       a command, as root and in this folder; ends with its exit code
#
# HOLDFAST_MACHINE_LIMIT says after how many seconds it is switched off (900). The kernel is fetched
# once, and kept below target/machine; nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "tests/machine.sh: $*" >&2; exit 1; }

kept=$PWD/target/machine
virtiofsd=/usr/lib/qemu/virtiofsd

# Filters of the tests that the guest runs. Left out is what asserts how long something takes on a
# processor that is not emulated.
tests=(
    agent::groups:: chaos::groups:: chaos::version_2:: chaos::measured::a_throttled
    chaos::residue::a_group_that_bears crash::every::in_groups net::waiting::
    scenarios::too_little_memory targets::
)
# A clock is everybody's, so these run alone, one after the other.
alone=(course::stepped::)

# The kernel and its modules, unpacked; never installed.
fetch_kernel() {
    compgen -G "$kept/kernel/boot/vmlinuz-*" >/dev/null && return
    command -v apt-get >/dev/null || fail "there is no apt-get to fetch a kernel with"
    rm -rf "$kept/kernel" "$kept/fetched"
    mkdir -p "$kept/fetched"
    local name
    name=$(apt-cache depends linux-image-cloud-amd64 |
        sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -1)
    [ -n "$name" ] || fail "apt knows no linux-image-cloud-amd64: apt-get update"
    (cd "$kept/fetched" && apt-get -qq -o APT::Sandbox::User=root download "$name" >&2)
    dpkg-deb -x "$kept"/fetched/*.deb "$kept/fetched/kernel"
    busybox depmod -b "$kept/fetched/kernel" "$(ls "$kept/fetched/kernel/lib/modules")"
    mv "$kept/fetched/kernel" "$kept/kernel"
    rm -rf "$kept/fetched"
}

# What the guest does first: mounts this machine's files, puts a layer over them, and runs the words.
first_words() {
    cat <<'SH'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
modprobe -a virtio_pci virtiofs overlay virtio_blk virtio_console
# They are there as soon as the driver has talked with the other side.
until [ -c /dev/vport1p1 ] && [ -c /dev/vport1p2 ]; do sleep 0.05; done
trouble() { echo "tests/machine.sh: $1" >/dev/vport1p1; poweroff -f; }
mount -t virtiofs -o ro host /host || trouble 'the guest does not see the files of its host'
mount -t tmpfs rw /rw; mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work root /root ||
    trouble 'the guest could put no layer over the files of its host'
# The kernel asks for more modules as they are needed, by /sbin/modprobe and from this folder.
rm -f /root/usr/sbin/modprobe; cp /bin/busybox /root/usr/sbin/modprobe
mkdir -p /root/usr/lib/modules; rm -rf "/root/usr/lib/modules/$(uname -r)"
ln -s "$(cat /kept)/kernel/lib/modules/$(uname -r)" /root/usr/lib/modules/
for it in proc sys dev; do mount --move /$it /root/$it; done
cd /root
mkdir -p dev/pts dev/shm; mount -t devpts pts dev/pts
for it in dev/shm run; do mount -t tmpfs tmpfs $it; done
# A disk of its own, so that there is one to be slowed.
mkdir -p mnt/disk; mount -t ext4 dev/vda mnt/disk || trouble 'the guest has no disk'
# Control groups as systemd lays them out: what runs is in a slice, and not every controller is.
groups=sys/fs/cgroup
mount -t cgroup2 groups $groups
echo '+cpu +io +memory +pids' >$groups/cgroup.subtree_control
mkdir -p $groups/system.slice/trial.service
echo '+memory +pids' >$groups/system.slice/cgroup.subtree_control
echo $$ >$groups/system.slice/trial.service/cgroup.procs
ip link set lo up; hostname machine
cp /words run/words
cat >run/second <<'SECOND'
/bin/bash /run/words </dev/null >/dev/vport1p1 2>&1
echo $? >/dev/vport1p2
busybox poweroff -f
SECOND
# Who has another root than its machine gets no user namespaces.
exec switch_root /root /bin/bash /run/second
SH
}

# The first folder of the guest: what it needs to see the others.
first_folder() {
    local own=$1 version module file
    shift
    version=$(ls "$kept/kernel/lib/modules")
    mkdir -p "$own"/{bin,sbin,dev,proc,sys,host,rw,root} "$own/lib/modules/$version"
    cp "$(command -v busybox)" "$own/bin/busybox"
    ln -s /bin/busybox "$own/sbin/modprobe"
    for module in virtio_pci virtiofs overlay virtio_blk virtio_console; do
        for file in $(sed -n "s|:||; /\/$module\.ko/p" "$kept/kernel/lib/modules/$version/modules.dep" |
            grep "^[^ ]*/$module\.ko"); do
            install -D "$kept/kernel/lib/modules/$version/$file" "$own/lib/modules/$version/$file"
        done
    done
    busybox depmod -b "$own" "$version"
    first_words >"$own/init"
    chmod 755 "$own/init"
    echo "$kept" >"$own/kept"
    {
        printf 'cd %q\n' "$PWD"
        printf 'export PATH=%q HOME=/root LANG=C.UTF-8 TMPDIR=/mnt/disk\n' "$PATH"
        printf 'export HOLDFAST_TESTS_MACHINE=1 HOLDFAST_TESTS_STRICT=1\n'
        printf '%q ' "$@"
    } >"$own/words"
    (cd "$own" && find . | busybox cpio -o -H newc 2>/dev/null)
}

# In namespaces of its own: all that is started goes with it, and so does its folder.
if [ "${1:-}" = --inside ]; then
    shift
    here=$kept/now
    # virtiofsd keeps its own number in /run.
    for it in "$here" /run; do mount -t tmpfs tmpfs "$it"; done
    first_folder "$here/first" "$@" >"$here/first.cpio"
    truncate -s 1G "$here/disk"
    mke2fs -q -F -t ext4 -E lazy_itable_init=1 "$here/disk"
    "$virtiofsd" --socket-path="$here/files" -o source=/ -o cache=always -o sandbox=chroot \
        >"$here/files.log" 2>&1 3>&- &
    for _ in $(seq 100); do [ -S "$here/files" ] && break; sleep 0.1; done
    [ -S "$here/files" ] || fail "virtiofsd did not come up: $(cat "$here/files.log")"
    # We write to it too, so that its reader ends with the guest and never before it began.
    mkfifo "$here/out"
    exec 3<>"$here/out"
    cat "$here/out" 3>&- &
    printer=$!
    timeout -k 1 "${HOLDFAST_MACHINE_LIMIT:-900}" qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 3G \
        -object memory-backend-memfd,id=memory,size=3G,share=on -numa node,memdev=memory \
        -kernel "$kept"/kernel/boot/vmlinuz-* -initrd "$here/first.cpio" \
        -append 'console=ttyS0 quiet panic=-1' -nodefaults -display none -no-reboot -monitor none \
        -serial "file:$here/kernel.log" \
        -chardev "socket,id=files,path=$here/files" \
        -device vhost-user-fs-pci,chardev=files,tag=host \
        -drive "file=$here/disk,format=raw,if=virtio,cache=unsafe" -device virtio-serial \
        -chardev "file,id=out,path=$here/out" -device virtserialport,chardev=out \
        -chardev "file,id=status,path=$here/status" -device virtserialport,chardev=status \
        </dev/null 3>&- || status=$?
    exec 3>&-
    wait "$printer"
    [ "${status:-0}" -ne 124 ] ||
        fail "it was switched off after ${HOLDFAST_MACHINE_LIMIT:-900} s (HOLDFAST_MACHINE_LIMIT):" \
            "$(tail -5 "$here/kernel.log")"
    [ -s "$here/status" ] || fail "the guest ended before its command: $(tail -20 "$here/kernel.log")"
    exit "$(cat "$here/status")"
fi

[ "$(uname -m)" = x86_64 ] || fail "the kernel that is fetched is for x86_64"
[ "$(id -u)" -eq 0 ] || fail "sharing all files takes root"
for pair in qemu-system-x86_64:qemu-system-x86 "$virtiofsd:qemu-system-common" \
    busybox:busybox-static mke2fs:e2fsprogs unshare:util-linux setpriv:util-linux; do
    command -v "${pair%%:*}" >/dev/null || fail "there is no ${pair%%:*}: apt-get install ${pair##*:}"
done
busybox --list | grep -qx modprobe || fail "busybox has no modprobe: apt-get install busybox-static"
mkdir -p "$kept/now"
fetch_kernel
if [ $# -eq 0 ]; then
    built=$(cargo test --test it --no-run 2>&1) || fail "$built"
    it=$(sed -n 's|.*(\(target/.*/it-[0-9a-f]*\))|\1|p' <<<"$built")
    list() { printf '%q ' "$it" "$@"; }
    set -- bash -ec "$(list --test-threads=2 "${tests[@]}"); $(list --test-threads=1 "${alone[@]}")"
fi
setpriv --pdeathsig KILL unshare --mount --pid --fork --mount-proc --kill-child \
    "$PWD/tests/machine.sh" --inside "$@" &
machine=$!
trap 'kill -9 "$machine" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM HUP
wait "$machine"
