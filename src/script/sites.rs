//! Where the service runs, or could: what is read of each place while a drill is played.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    journal::site::{Grid, Overhead, PlannedSite, Resource, Role},
    manifest::{diagnostic::Diagnostic, unread::Placed},
    target::ProcessTarget,
    units::Span,
    world::promql,
};

/// Further sites are too much for one report.
const SITES_MAX: usize = 16;
/// Grids emit some 1100 grams at most; figures beyond this are mistakes of units.
const GRAMS_MAX: f64 = 3_000.0;

/// A place where the service runs, or could.
#[derive(Debug, Clone)]
pub struct Site {
    /// What is fixed of it.
    pub planned: PlannedSite,
    /// Its processes on this machine, by name.
    pub processes: BTreeMap<String, ProcessTarget>,
    /// Where its readings are, if it is elsewhere.
    pub remote: Option<Remote>,
}

/// A Prometheus that knows a site.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Its address.
    pub url: String,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
    /// When to give up.
    pub timeout: Span,
    /// What is asked: the host under the empty name, and its processes.
    pub scopes: BTreeMap<String, Queries>,
}

/// What is asked of a host or a process, in PromQL.
#[derive(Debug, Clone, Default)]
pub struct Queries {
    /// The instant of the reading, in seconds since the epoch.
    pub time: String,
    /// Each figure of a row.
    pub figures: Vec<(Column, String)>,
}

/// A figure of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// Counter of processor seconds.
    CpuSeconds,
    /// How many processors there are.
    Cpus,
    /// Memory in use.
    MemoryBytes,
    /// Memory that there is.
    MemoryTotalBytes,
    /// Counter.
    DiskReadBytes,
    /// Counter.
    DiskWrittenBytes,
    /// Counter.
    NetworkReceivedBytes,
    /// Counter.
    NetworkSentBytes,
    /// Counter, the best estimate; its label `method` says how it came about.
    Joules,
    /// Counter, its lower bound.
    JoulesLow,
    /// Counter, its upper bound.
    JoulesHigh,
}

impl Column {
    /// What it tells of.
    pub fn resource(self) -> Resource {
        match self {
            Self::CpuSeconds | Self::Cpus => Resource::Cpu,
            Self::MemoryBytes | Self::MemoryTotalBytes => Resource::Memory,
            Self::DiskReadBytes | Self::DiskWrittenBytes => Resource::Disk,
            Self::NetworkReceivedBytes | Self::NetworkSentBytes => Resource::Network,
            Self::Joules | Self::JoulesLow | Self::JoulesHigh => Resource::Energy,
        }
    }
}

/// A site as it is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Its name.
    name: String,
    /// What it is for.
    role: Role,
    /// It is this machine, and all of it is read.
    #[serde(default)]
    host: bool,
    /// Its processes on this machine, by the names that reports give them.
    #[serde(default)]
    processes: BTreeMap<String, ProcessTarget>,
    /// It is elsewhere, and this Prometheus knows it.
    #[serde(default)]
    prometheus: Option<WrittenRemote>,
    /// What its grid emits.
    #[serde(default)]
    grid: Option<Placed<WrittenGrid>>,
    /// What its building draws for each watt of the machines'.
    #[serde(default)]
    pue: Option<Placed<WrittenPue>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenRemote {
    /// Its address.
    url: String,
    /// Headers of every request, such as `Authorization`.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// When to give up.
    #[serde(default = "five_seconds")]
    timeout: Span,
    /// The label `instance` of the site's host.
    #[serde(default)]
    instance: Option<String>,
    /// Further labels that its series have.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Queries that are asked instead of the usual ones.
    #[serde(default)]
    queries: BTreeMap<Column, String>,
    /// The instant of the readings, if it is not that of `up`.
    #[serde(default)]
    time: Option<String>,
    /// Processes there, by name: the systemd unit of each, as the agent's collector `cgroups`
    /// tells it.
    #[serde(default)]
    units: BTreeMap<String, String>,
}

fn five_seconds() -> Span {
    Span::millis(5_000)
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenGrid {
    /// Grams of `CO2e` for a kilowatt-hour.
    grams_per_kwh: f64,
    /// At least so many.
    #[serde(default)]
    low: Option<f64>,
    /// At most so many.
    #[serde(default)]
    high: Option<f64>,
    /// Who says so, and of which year.
    source: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenPue {
    /// The factor, from 1 to 5.
    factor: f64,
    /// Who says so.
    source: String,
}

/// Reads the sites, and tells all that is wrong with them.
pub(super) fn sites(written: Vec<Placed<Written>>, out: &mut Vec<Diagnostic>) -> Vec<Site> {
    let mut names = BTreeSet::new();
    let mut here = 0_usize;
    let mut sites = Vec::new();
    for (n, Placed { place, value }) in written.into_iter().enumerate() {
        let mut wrong = |what: String, help: &str| out.push(Diagnostic::new(what, place, help));
        if n == SITES_MAX {
            wrong(format!("there are more than {SITES_MAX} sites"), "leave some out");
        }
        if value.name.trim().is_empty() {
            wrong("a site has no name".to_owned(), "write `name`, as people call it");
        }
        if !names.insert(value.name.clone()) {
            let what = format!("two sites are called “{}”", value.name);
            wrong(what, "give each a `name` of its own");
        }
        let local = value.host || !value.processes.is_empty();
        if local == value.prometheus.is_some() {
            let what = if local {
                "a site is either on this machine or known to a Prometheus"
            } else {
                "nothing is read of this site"
            };
            let help = "write `processes` or `host: true` for this machine, or `prometheus`";
            wrong(what.to_owned(), help);
        }
        here += usize::from(value.host);
        if value.host && here > 1 {
            let what = "two sites cannot both be this machine: its energy would count twice";
            wrong(what.to_owned(), "name their `processes` instead");
        }
        sites.push(site(value, &mut wrong));
    }
    sites
}

type Wrong<'a> = &'a mut dyn FnMut(String, &str);

fn site(written: Written, wrong: Wrong<'_>) -> Site {
    let Written { name, role, host, processes, prometheus, .. } = written;
    let remote = prometheus.map(|it| remote(it, wrong));
    let read = match &remote {
        Some(it) => format!("Prometheus at {}", it.url),
        None => "this machine's kernel".to_owned(),
    };
    let named = match &remote {
        Some(it) => it.scopes.keys().filter(|it| !it.is_empty()).cloned().collect(),
        None => processes.keys().cloned().collect(),
    };
    let planned = PlannedSite {
        name,
        role,
        read,
        local: remote.is_none(),
        host: host || remote.is_some(),
        processes: named,
        grid: written.grid.map(|it| grid(it.value, wrong)),
        pue: written.pue.map(|it| pue(it.value, wrong)),
    };
    Site { planned, processes, remote }
}

fn grid(written: WrittenGrid, wrong: Wrong<'_>) -> Grid {
    let WrittenGrid { grams_per_kwh, low, high, source } = written;
    let (low, high) = (low.unwrap_or(grams_per_kwh), high.unwrap_or(grams_per_kwh));
    let fits = 0.0 <= low && low <= grams_per_kwh && grams_per_kwh <= high && high <= GRAMS_MAX;
    if !fits {
        let what = "this is no intensity of a grid".to_owned();
        wrong(what, "write grams of CO2e for a kWh, from 0 to 3000, with `low` and `high` around");
    }
    Grid { grams_per_kwh, low, high, source: sourced(source, wrong) }
}

fn pue(written: WrittenPue, wrong: Wrong<'_>) -> Overhead {
    let WrittenPue { factor, source } = written;
    if !(1.0..=5.0).contains(&factor) {
        let help = "write what the building draws for each watt, from 1 to 5, as in 1.4";
        wrong(format!("{factor} is no PUE"), help);
    }
    Overhead { factor, source: sourced(source, wrong) }
}

fn sourced(source: String, wrong: Wrong<'_>) -> String {
    if source.trim().is_empty() {
        wrong("nobody can check a figure without its source".to_owned(), "write who says so");
    }
    source
}

fn remote(written: WrittenRemote, wrong: Wrong<'_>) -> Remote {
    let WrittenRemote { url, headers, timeout, instance, mut labels, queries, time, units } =
        written;
    labels.extend(instance.map(|it| ("instance".to_owned(), it)));
    if labels.is_empty() && (queries.is_empty() || time.is_none()) {
        let what = "every host that this Prometheus knows would be added up".to_owned();
        wrong(what, "write the site's `instance`, or `labels`");
    }
    let is_name = |it: &String| {
        let first = |it: char| it.is_ascii_alphabetic() || it == '_';
        it.starts_with(first) && it.chars().all(|it| first(it) || it.is_ascii_digit())
    };
    for it in labels.keys().filter(|it| !is_name(it)) {
        wrong(format!("`{it}` is no name of a label"), "write letters, digits and `_`");
    }
    let which = promql::matchers(&labels);
    let time = time.unwrap_or_else(|| format!("max(timestamp(up{{{which}}}))"));
    let mut figures: BTreeMap<Column, String> = host_queries(&which).into_iter().collect();
    figures.extend(queries);
    let host = Queries { time: time.clone(), figures: figures.into_iter().collect() };
    let unit = |(name, unit): (String, String)| {
        let unit = if unit.contains('.') { unit } else { format!("{unit}.service") };
        let figures = unit_queries(&which, &unit);
        (name, Queries { time: time.clone(), figures })
    };
    let scopes = units.into_iter().map(unit).chain([(String::new(), host)]).collect();
    Remote { url, headers, timeout, scopes }
}

/// Disks in the kernel's list that only pass on what others read and write; as names of
/// `node_exporter` have it.
const LAYERS: &str = "(dm-|md|loop|zram|ram|sr|fd).*";
/// Interfaces that only pass on what others carry.
const INNER: &str = "lo|(veth|docker|br-|virbr|cni|flannel|cali|tap|bond|team|dummy).*|.*\\\\..*";

/// The names of `node_exporter`, which the agent has too, and the agent's energy.
fn host_queries(which: &str) -> Vec<(Column, String)> {
    let sum = |name: &str, more: &str| format!("sum({name}{{{which}{more}}})");
    let disk = |name: &str| sum(name, &format!(",device!~\"{LAYERS}\""));
    let network = |name: &str| sum(name, &format!(",device!~\"{INNER}\""));
    let energy = |part: &str| {
        let name = format!("holdfast_energy_{part}joules_total");
        format!("sum by (method) ({name}{{{which}}})")
    };
    let (total, free) =
        (sum("node_memory_MemTotal_bytes", ""), sum("node_memory_MemAvailable_bytes", ""));
    vec![
        (Column::CpuSeconds, sum("node_cpu_seconds_total", ",mode!~\"idle|iowait\"")),
        (Column::Cpus, format!("count(node_cpu_seconds_total{{{which},mode=\"idle\"}})")),
        (Column::MemoryBytes, format!("{total} - {free}")),
        (Column::MemoryTotalBytes, total),
        (Column::DiskReadBytes, disk("node_disk_read_bytes_total")),
        (Column::DiskWrittenBytes, disk("node_disk_written_bytes_total")),
        (Column::NetworkReceivedBytes, network("node_network_receive_bytes_total")),
        (Column::NetworkSentBytes, network("node_network_transmit_bytes_total")),
        (Column::Joules, energy("")),
        (Column::JoulesLow, energy("low_")),
        (Column::JoulesHigh, energy("high_")),
    ]
}

/// The agent's names for a unit. The kernel counts no network for one.
fn unit_queries(which: &str, unit: &str) -> Vec<(Column, String)> {
    let sum = |name: &str| format!("sum(holdfast_cgroup_{name}{{{which},unit={unit:?}}})");
    vec![
        (Column::CpuSeconds, sum("cpu_seconds_total")),
        (Column::MemoryBytes, sum("memory_bytes")),
        (Column::DiskReadBytes, sum("io_read_bytes_total")),
        (Column::DiskWrittenBytes, sum("io_written_bytes_total")),
    ]
}
