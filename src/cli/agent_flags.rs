//! `node_exporter`'s flags: accepted, or refused with what to write instead.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, error::ErrorKind};

use crate::pattern::{Pattern, PatternError, Patterns};

/// Every collector of `node_exporter` on Linux, and ours.
const COLLECTORS: &[&str] = &[
    "arp",
    "bcache",
    "bcachefs",
    "bonding",
    "btrfs",
    "buddyinfo",
    "cgroups",
    "conntrack",
    "cpu",
    "cpu_vulnerabilities",
    "cpufreq",
    "diskhealth",
    "diskstats",
    "dmi",
    "drbd",
    "drm",
    "edac",
    "energy",
    "entropy",
    "ethtool",
    "events",
    "fibrechannel",
    "filefd",
    "filesystem",
    "foresight",
    "hwmon",
    "infiniband",
    "interrupts",
    "ipvs",
    "kernel_hung",
    "ksmd",
    "lnstat",
    "loadavg",
    "logind",
    "mdadm",
    "meminfo",
    "meminfo_numa",
    "mountstats",
    "netclass",
    "netdev",
    "netstat",
    "network_route",
    "nfs",
    "nfsd",
    "ntp",
    "nvme",
    "os",
    "pcidevice",
    "perf",
    "powersupplyclass",
    "pressure",
    "processes",
    "qdisc",
    "rapl",
    "runit",
    "runs",
    "schedstat",
    "selinux",
    "slabinfo",
    "sockstat",
    "softirqs",
    "softnet",
    "stat",
    "supervisord",
    "swap",
    "sysctl",
    "systemd",
    "tapestats",
    "tcpstat",
    "textfile",
    "thermal_zone",
    "time",
    "timex",
    "udp_queues",
    "uname",
    "utilisation",
    "vmstat",
    "watchdog",
    "wifi",
    "xfrm",
    "xfs",
    "zfs",
    "zoneinfo",
];

/// Settings that are patterns: what is shown of a collector's corner, and what is left out.
const PATTERNS: &[&str] = &[
    "arp.device-exclude",
    "arp.device-include",
    "diskstats.device-exclude",
    "diskstats.device-include",
    "filesystem.fs-types-exclude",
    "filesystem.fs-types-include",
    "filesystem.mount-points-exclude",
    "filesystem.mount-points-include",
    "hwmon.chip-exclude",
    "hwmon.chip-include",
    "interrupts.name-exclude",
    "interrupts.name-include",
    "netclass.ignored-devices",
    "netdev.device-exclude",
    "netdev.device-include",
    "netstat.fields",
    "powersupply.ignored-supplies",
    "systemd.unit-exclude",
    "systemd.unit-include",
    "vmstat.fields",
];

/// Their older names.
const RENAMED: &[(&str, &str)] = &[
    ("diskstats.ignored-devices", "diskstats.device-exclude"),
    ("filesystem.ignored-fs-types", "filesystem.fs-types-exclude"),
    ("filesystem.ignored-mount-points", "filesystem.mount-points-exclude"),
    ("netdev.device-blacklist", "netdev.device-exclude"),
    ("netdev.device-whitelist", "netdev.device-include"),
    ("systemd.unit-blacklist", "systemd.unit-exclude"),
    ("systemd.unit-whitelist", "systemd.unit-include"),
];

/// Settings that change nothing here: what they switch on is always on, or needs no such thing.
const IDLE: &[&str] = &[
    "bcache.priorityStats",
    "buddyinfo",
    "cpu.guest",
    "cpu.info",
    "interrupts.include-zeros",
    "netclass.ignore-invalid-speed",
    "netclass.netlink",
    "netclass_rtnl.with-stats",
    "netdev.netlink",
    "rapl.enable-zone-label",
    "stat.softirq",
    "systemd.enable-restarts-metrics",
    "systemd.private",
];

/// Settings of what is done otherwise here, or not at all.
const FOREIGN: &[&str] = &[
    "cpu.info.bugs-include",
    "cpu.info.flags-include",
    "ethtool.device-exclude",
    "ethtool.device-include",
    "ethtool.metrics-include",
    "ipvs.backend-labels",
    "netdev.address-info",
    "netdev.enable-detailed-metrics",
    "ntp.ip-ttl",
    "ntp.local-offset-tolerance",
    "ntp.max-distance",
    "ntp.protocol-version",
    "ntp.server",
    "ntp.server-is-local",
    "ntp.server-port",
    "perf.cpus",
    "perf.tracepoint",
    "qdisc.fixtures",
    "qdisk.device-exclude",
    "qdisk.device-include",
    "runit.servicedir",
    "slabinfo.slabs-exclude",
    "slabinfo.slabs-include",
    "supervisord.url",
    "sysctl.include",
    "sysctl.include-info",
    "systemd.enable-start-time-metrics",
    "systemd.enable-task-metrics",
    "tapestats.ignored-devices",
    "wifi.fixtures",
];

/// What was said in `node_exporter`'s words.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeFlags {
    pub(super) off: BTreeSet<String>,
    on: BTreeSet<String>,
    no_defaults: bool,
    pub(super) textfiles: Option<PathBuf>,
    pub(super) patterns: Patterns,
    pub(super) level: Option<String>,
    pub(super) json: bool,
}

impl NodeFlags {
    /// The only collectors that are wanted, if the defaults are not.
    pub(super) fn only(&self) -> Option<BTreeSet<String>> {
        self.no_defaults.then(|| self.on.clone())
    }
}

fn flag(name: String) -> Arg {
    let id = name.clone();
    Arg::new(id).long(name).action(ArgAction::SetTrue).hide(true)
}

fn setting(name: String) -> Arg {
    let id = name.clone();
    Arg::new(id).long(name).action(ArgAction::Set).num_args(1).hide(true)
}

impl Args for NodeFlags {
    fn augment_args(command: Command) -> Command {
        let mut command = command
            .arg(
                flag("collector.disable-defaults".to_owned())
                    .hide(false)
                    .help("Switch off all collectors but those named by `--collector.NAME`"),
            )
            .arg(
                setting("collector.textfile.directory".to_owned())
                    .hide(false)
                    .value_name("DIR")
                    .help("Where others leave their metrics in files that end in `.prom`"),
            )
            .arg(
                setting("log.level".to_owned())
                    .hide(false)
                    .value_parser(["debug", "info", "warn", "error"])
                    .help("How much is logged"),
            )
            .arg(
                setting("log.format".to_owned())
                    .hide(false)
                    .value_parser(["logfmt", "json"])
                    .help("How it is written"),
            )
            .arg(setting("path.udev.data".to_owned()))
            .arg(setting("runtime.gomaxprocs".to_owned()));
        for name in COLLECTORS {
            command = command.arg(flag(format!("collector.{name}")));
            command = command.arg(flag(format!("no-collector.{name}")));
        }
        for name in IDLE.iter().filter(|it| !COLLECTORS.contains(it)) {
            command = command.arg(flag(format!("collector.{name}")));
            command = command.arg(flag(format!("no-collector.{name}")));
        }
        for name in FOREIGN {
            let arg = setting(format!("collector.{name}")).num_args(0..=1);
            command = command.arg(arg.default_missing_value(""));
        }
        for name in PATTERNS.iter().chain(RENAMED.iter().map(|(old, _)| old)) {
            let arg = setting(format!("collector.{name}")).value_name("PATTERN");
            // Of a unit's name, they mean the whole.
            let is_whole = name.starts_with("systemd.");
            command =
                command.arg(arg.value_parser(move |text: &str| -> Result<Pattern, PatternError> {
                    if is_whole { format!("^(?:{text})$").parse() } else { text.parse() }
                }));
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for NodeFlags {
    fn from_arg_matches(said: &ArgMatches) -> Result<Self, Error> {
        let text = |name: &str| said.get_one::<String>(name).cloned();
        for name in FOREIGN {
            if text(&format!("collector.{name}")).is_some() {
                let why = format!(
                    "--collector.{name} is not taken: there is no such setting here; leave it \
                     out, or keep node_exporter beside for this collector alone\n"
                );
                return Err(Error::raw(ErrorKind::UnknownArgument, why));
            }
        }
        if let Some(udev) = text("path.udev.data")
            && udev != "/run/udev/data"
        {
            let why = "--path.udev.data is not taken: use --path.rootfs, below which it lies\n";
            return Err(Error::raw(ErrorKind::UnknownArgument, why));
        }
        let of = |prefix: &str| -> BTreeSet<String> {
            let is_said = |name: &&&str| said.get_flag(&format!("{prefix}{name}"));
            COLLECTORS.iter().filter(is_said).map(|it| (*it).to_owned()).collect()
        };
        Ok(Self {
            off: of("no-collector."),
            on: of("collector."),
            no_defaults: said.get_flag("collector.disable-defaults"),
            textfiles: text("collector.textfile.directory").map(PathBuf::from),
            patterns: patterns(said)?,
            level: text("log.level"),
            json: text("log.format").is_some_and(|it| it == "json"),
        })
    }

    fn update_from_arg_matches(&mut self, said: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(said)?;
        Ok(())
    }
}

/// The patterns that were given.
fn patterns(said: &ArgMatches) -> Result<Patterns, Error> {
    let given = |name: &str| said.get_one::<Pattern>(&format!("collector.{name}")).cloned();
    let mut all = BTreeMap::new();
    for (name, new) in
        PATTERNS.iter().map(|it| (it, it)).chain(RENAMED.iter().map(|it| (&it.0, &it.1)))
    {
        if let Some(pattern) = given(name)
            && all.insert((*new).to_owned(), pattern).is_some()
        {
            let why =
                format!("--collector.{name} is the older name of --collector.{new}: give one\n");
            return Err(Error::raw(ErrorKind::ArgumentConflict, why));
        }
    }
    for name in PATTERNS.iter().filter_map(|it| it.strip_suffix("-exclude")) {
        let some =
            |end: &str| all.get(&format!("{name}-{end}")).is_some_and(Pattern::says_something);
        // Units of systemd are chosen by both; of the others, node_exporter takes one.
        if some("exclude") && some("include") && name != "systemd.unit" {
            let why = format!(
                "--collector.{name}-exclude and --collector.{name}-include exclude each other: \
                 give one\n"
            );
            return Err(Error::raw(ErrorKind::ArgumentConflict, why));
        }
    }
    Ok(all.into_iter().collect())
}
