//! Faults, as the crash tests play them.

/// A kind of fault, as it is played here.
pub(super) struct Case {
    /// Its name.
    pub(super) kind: &'static str,
    /// Who heals.
    pub(super) who: &'static str,
    pub(super) settings: &'static str,
}

pub(super) const VICTIMS: &str = "target: { cmdline: 'sleep TAG', max_targets: 2 }";

/// All of them. What has no way back is not here: nobody heals it.
pub(super) const CASES: &[Case] = &[
    Case {
        kind: "clock_skew",
        who: "kernel",
        settings: "{ run: [sleep, TAG], by: 1h, clock: monotonic }",
    },
    Case {
        kind: "container_pause",
        who: "guardian",
        settings: "{ container: ledger, socket: GROUND/docker.sock }",
    },
    Case {
        kind: "container_stop",
        who: "guardian",
        settings: "{ container: ledger, socket: GROUND/docker.sock }",
    },
    Case { kind: "cpu_burn", who: "kernel", settings: "{ percent: 5, cores: 2 }" },
    Case { kind: "cpu_throttle", who: "guardian", settings: "{ VICTIMS, percent: 10 }" },
    Case { kind: "disk_fill", who: "kernel", settings: "{ path: GROUND, size: 16MiB }" },
    Case {
        kind: "exec",
        who: "guardian",
        settings: "{ run: [touch, GROUND/flag], undo: [rm, -f, GROUND/flag] }",
    },
    Case { kind: "fd_limit", who: "guardian", settings: "{ VICTIMS, limit: 16 }" },
    Case {
        kind: "file_fault",
        who: "guardian",
        settings: "{ path: GROUND/limits.conf, fault: content, content: nothing }",
    },
    Case { kind: "inode_fill", who: "kernel", settings: "{ path: GROUND, count: 200 }" },
    Case { kind: "io_stress", who: "kernel", settings: "{ path: GROUND, size: 1MiB }" },
    Case {
        kind: "io_throttle",
        who: "guardian",
        settings: "{ VICTIMS, path: GROUND, each_second: 5MB }",
    },
    Case { kind: "memory_hog", who: "kernel", settings: "{ size: 16MiB }" },
    Case { kind: "memory_limit", who: "guardian", settings: "{ VICTIMS, more: 64MiB }" },
    Case { kind: "port_occupy", who: "kernel", settings: "{ address: '127.0.0.1:PORT' }" },
    Case { kind: "process_pause", who: "kernel", settings: "{ VICTIMS, by: trace }" },
    Case {
        kind: "process_restart",
        who: "guardian",
        settings: "{ VICTIMS, start: [sh, GROUND/start] }",
    },
    Case {
        kind: "service_lever",
        who: "guardian",
        settings: "{ url: 'http://WEB/lever', set: '{\"mode\": \"badly\"}' }",
    },
    Case { kind: "service_stop", who: "guardian", settings: "{ unit: cron }" },
    Case {
        kind: "syscall_fault",
        who: "kernel",
        settings: "{ target: { cmdline: 'sleep TAG' }, max_targets: 2, calls: [read], error: EIO }",
    },
];

/// Those that change a network, and so need one of their own. Where a kernel has netem, the
/// guardian takes the queues of a delay away; what waits in them has gone before.
pub(super) const OF_A_NETWORK: &[Case] = &[
    Case { kind: "dns_fault", who: "kernel", settings: "{ names: [x.invalid], answer: nxdomain }" },
    Case {
        kind: "network_bandwidth",
        who: "kernel",
        settings: "{ rate: 8mbit, traffic: { port: PORT } }",
    },
    Case {
        kind: "network_delay",
        who: "guardian",
        settings: "{ delay: 60ms, traffic: { address: '127.0.0.1:PORT' } }",
    },
    Case {
        kind: "network_loss",
        who: "kernel",
        settings: "{ percent: 50, traffic: { port: PORT } }",
    },
    Case { kind: "network_partition", who: "kernel", settings: "{ traffic: { port: PORT } }" },
];
