//! Units of systemd: asked over the message bus, or where there is none, seen by their control
//! groups.

mod manager;

use std::{collections::BTreeMap, path::Path, time::Duration};

use self::manager::{Asked, Manager, Unit};
use super::cgroup_tree::{self, Layout};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, many, wide},
    export::{Export, Origin},
    pattern::Sieve,
    world::{
        bus::Bus,
        roots::{self, Roots},
    },
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "systemd",
        summary: "states of systemd's units, restarts of services, connections of sockets",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: true,
    health: None,
    make: |setup| {
        let sieve = setup.patterns.sieve("systemd.unit", None).or_default(is_excluded);
        Box::new(Systemd::new(sieve))
    },
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &["node_systemd_unit_state", "holdfast_systemd_units_source_info"],
        &[Origin::Root("run/systemd/system"), Origin::Sys("fs/cgroup/system.slice")],
        "systemd as the machine's first process",
    ),
    Export::of(
        &[
            "node_systemd_units",
            "node_systemd_system_running",
            "node_systemd_version",
            "node_systemd_virtualization_info",
            "node_systemd_service_restart_total",
            "node_systemd_timer_last_trigger_seconds",
            "node_systemd_socket_accepted_connections_total",
            "node_systemd_socket_current_connections",
            "node_systemd_socket_refused_connections_total",
        ],
        &[Origin::Root("run/dbus")],
        "systemd, and the message bus at /run/dbus/system_bus_socket, which the agent may use",
    ),
];

/// The bus of the system.
const SOCKET: &str = "/run/dbus/system_bus_socket";
/// So long may all answers of one scrape take; systemd is slow while it loads its units anew.
const PATIENCE: Duration = Duration::from_millis(800);
/// So many units are shown, at most.
const UNITS_MAX: usize = 4096;
/// A unit is in one of these.
const STATES: [&str; 5] = ["active", "activating", "deactivating", "inactive", "failed"];

struct Systemd {
    sieve: Sieve,
    bus: Option<Bus>,
    manager: Manager,
}

impl Collector for Systemd {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        match self.ask(&roots.rooted(SOCKET))? {
            Some(asked) => {
                show(&asked, samples);
                show_source("dbus", samples);
            }
            None => show_groups(roots, &self.sieve, samples),
        }
        Ok(())
    }
}

impl Systemd {
    fn new(sieve: Sieve) -> Self {
        Self { sieve, bus: None, manager: Manager::default() }
    }

    /// What systemd says; nothing when there is no bus, or no systemd on it.
    fn ask(&mut self, socket: &Path) -> Result<Option<Asked>, Blank> {
        // A bus that was started anew has closed the connection that we kept.
        if let Some(mut bus) = self.bus.take()
            && let Ok(asked) = self.manager.ask(&mut bus, &self.sieve, socket)
        {
            self.bus = Some(bus);
            return Ok(asked);
        }
        if roots::stamp(socket)?.is_none() {
            return Ok(None);
        }
        let mut bus = match Bus::connect(socket, PATIENCE) {
            // Its socket outlived it.
            Err(why) if why.why.kind() == std::io::ErrorKind::ConnectionRefused => return Ok(None),
            bus => bus?,
        };
        let asked = self.manager.ask(&mut bus, &self.sieve, socket)?;
        self.bus = Some(bus);
        Ok(asked)
    }
}

/// `node_exporter`'s default, `.+\.(automount|device|mount|scope|slice)`.
fn is_excluded(unit: &str) -> bool {
    let kind = unit.rsplit_once('.').filter(|(name, _)| !name.is_empty()).map(|(_, kind)| kind);
    matches!(kind, Some("automount" | "device" | "mount" | "scope" | "slice"))
}

fn show(asked: &Asked, samples: &mut Samples) {
    show_states(&asked.units, samples);
    samples.gauge("node_systemd_units", "Summary of systemd unit states");
    for state in STATES {
        let count = asked.states.get(state).copied().unwrap_or_default();
        samples.row(&[("state", state)], many(count));
    }
    let mut family = |name: &str, help: &str, value: fn(&Unit) -> Option<f64>| {
        if name.ends_with("_total") {
            samples.counter(name, help);
        } else {
            samples.gauge(name, help);
        }
        for unit in &asked.units {
            if let Some(value) = value(unit) {
                samples.row(&[("name", &unit.name)], value);
            }
        }
    };
    family(
        "node_systemd_service_restart_total",
        "Service unit count of Restart triggers",
        |unit| unit.restarts.map(wide),
    );
    family("node_systemd_timer_last_trigger_seconds", "Seconds since epoch of last trigger.", {
        |unit| Some(wide(unit.last_trigger_micros?) / 1e6)
    });
    family(
        "node_systemd_socket_accepted_connections_total",
        "Total number of accepted socket connections",
        |unit| Some(wide(unit.connections?[0])),
    );
    family("node_systemd_socket_current_connections", "Current number of socket connections", {
        |unit| Some(wide(unit.connections?[1]))
    });
    // A gauge in `node_exporter`, in spite of its name.
    let help = "Total number of refused socket connections";
    samples.gauge("node_systemd_socket_refused_connections_total", help);
    for unit in &asked.units {
        if let Some([_, _, refused]) = unit.connections {
            samples.row(&[("name", &unit.name)], wide(refused));
        }
    }
    show_machine(asked, samples);
}

fn show_machine(asked: &Asked, samples: &mut Samples) {
    let help = "Whether the system is operational (see 'systemctl is-system-running')";
    let runs = f64::from(u8::from(asked.system == "running"));
    samples.gauge("node_systemd_system_running", help).row(&[], runs);
    samples.gauge("node_systemd_version", "Detected systemd version");
    if let Some(number) = version(&asked.version) {
        samples.row(&[("version", &asked.version)], number);
    }
    let kind = if asked.virtualization.is_empty() { "none" } else { &asked.virtualization };
    let help = "Detected virtualization technology";
    samples.gauge("node_systemd_virtualization_info", help);
    samples.row(&[("virtualization_type", kind)], 1.0);
}

/// `252.38-1~deb12u1` as 252.38.
fn version(said: &str) -> Option<f64> {
    let said = said.trim_start_matches(|it: char| !it.is_ascii_digit());
    let mut parts = said.split(|it: char| !it.is_ascii_digit());
    let whole = parts.next()?;
    let fraction = said.get(whole.len()..)?.starts_with('.').then(|| parts.next()).flatten();
    format!("{whole}.{}", fraction.unwrap_or_default())
        .parse()
        .ok()
        .filter(|it: &f64| it.is_finite())
}

fn show_states(units: &[Unit], samples: &mut Samples) {
    samples.gauge("node_systemd_unit_state", "Systemd unit");
    for unit in units {
        for state in STATES {
            let is = f64::from(u8::from(unit.state == state));
            let labels = [("name", &*unit.name), ("state", state), ("type", &*unit.kind)];
            samples.row(&labels, is);
        }
    }
}

/// A service that has a control group has processes: it is active. Of those that are not, control
/// groups know nothing, so nothing is said of them, nor of how many there are.
fn show_groups(roots: &Roots, sieve: &Sieve, samples: &mut Samples) {
    let layout = Layout::find(roots);
    let mut units: BTreeMap<String, Unit> = BTreeMap::new();
    for top in layout.tops() {
        for group in cgroup_tree::groups(top) {
            let name = cgroup_tree::unit(&group).filter(|name| sieve.lets_through(name));
            // Below a user's own manager, a name is not unique, and is not systemd's of the system.
            let is_ours = !group.starts_with("/user.slice/");
            if let Some(name) = name.filter(|_| is_ours && units.len() < UNITS_MAX) {
                units.insert(name.to_owned(), Unit::active(name));
            }
        }
    }
    if !units.is_empty() {
        let units: Vec<Unit> = units.into_values().collect();
        show_states(&units, samples);
        show_source("cgroup", samples);
    }
}

fn show_source(source: &str, samples: &mut Samples) {
    let help = "How systemd's units are known: dbus knows all, cgroup only those that run.";
    samples.gauge("holdfast_systemd_units_source_info", help).row(&[("source", source)], 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_its_first_number() {
        let is = |text, number: f64| version(text).is_some_and(|it| (it - number).abs() < 1e-9);
        assert!(is("252.38-1~deb12u1", 252.38) && is("v255", 255.0) && is("249.7.2", 249.7));
        assert!(version("unknown").is_none());
    }

    #[test]
    fn units_that_only_mirror_the_machine_are_left_out() {
        for unit in ["-.mount", "sys-devices-x.device", "user.slice", "a.automount", "s-1.scope"] {
            assert!(is_excluded(unit), "{unit}");
        }
        for unit in ["ssh.service", "a.timer", "dbus.socket", "swap.swap", ".mount", "mount"] {
            assert!(!is_excluded(unit), "{unit}");
        }
    }
}
