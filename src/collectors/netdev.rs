//! Traffic of network devices, from `/proc/net/dev`.
//!
//! The text lacks one figure that `node_exporter` has from netlink, `rx_nohandler`; it comes from
//! `/sys/class/net`, through descriptors that stay open.

use std::collections::BTreeMap;

use super::parse::number;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    pattern::Sieve,
    world::roots::{Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "netdev",
        summary: "bytes, packets and errors of network devices",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |setup| {
        let sieve = setup.patterns.sieve("netdev.device", None);
        Box::new(Netdev {
            table: None,
            devices: Vec::new(),
            nohandler: BTreeMap::new(),
            help: String::new(),
            sieve,
        })
    },
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "node_network_receive_bytes_total",
            "node_network_receive_packets_total",
            "node_network_receive_errs_total",
            "node_network_receive_drop_total",
            "node_network_receive_fifo_total",
            "node_network_receive_frame_total",
            "node_network_receive_compressed_total",
            "node_network_receive_multicast_total",
            "node_network_transmit_bytes_total",
            "node_network_transmit_packets_total",
            "node_network_transmit_errs_total",
            "node_network_transmit_drop_total",
            "node_network_transmit_fifo_total",
            "node_network_transmit_colls_total",
            "node_network_transmit_carrier_total",
            "node_network_transmit_compressed_total",
        ],
        &[Origin::Proc("net/dev")],
        "a network interface",
    ),
    Export::of(
        &["node_network_receive_nohandler_total"],
        &[Origin::Sys("class/net/*/statistics/rx_nohandler")],
        "Linux 4.6",
    ),
];

/// The columns after the device's name: metric and the word in its help.
const COLUMNS: [(&str, &str); 16] = [
    ("node_network_receive_bytes_total", "receive_bytes"),
    ("node_network_receive_packets_total", "receive_packets"),
    ("node_network_receive_errs_total", "receive_errs"),
    ("node_network_receive_drop_total", "receive_drop"),
    ("node_network_receive_fifo_total", "receive_fifo"),
    ("node_network_receive_frame_total", "receive_frame"),
    ("node_network_receive_compressed_total", "receive_compressed"),
    ("node_network_receive_multicast_total", "receive_multicast"),
    ("node_network_transmit_bytes_total", "transmit_bytes"),
    ("node_network_transmit_packets_total", "transmit_packets"),
    ("node_network_transmit_errs_total", "transmit_errs"),
    ("node_network_transmit_drop_total", "transmit_drop"),
    ("node_network_transmit_fifo_total", "transmit_fifo"),
    ("node_network_transmit_colls_total", "transmit_colls"),
    ("node_network_transmit_carrier_total", "transmit_carrier"),
    ("node_network_transmit_compressed_total", "transmit_compressed"),
];

/// Beyond so many devices, descriptors are opened and closed: their number has a limit, too.
const KEPT_MAX: usize = 256;

#[derive(Debug)]
struct Netdev {
    table: Option<Kept>,
    devices: Vec<Device>,
    nohandler: BTreeMap<String, Kept>,
    help: String,
    sieve: Sieve,
}

#[derive(Debug)]
struct Device {
    name: String,
    counts: [f64; COLUMNS.len()],
}

impl Collector for Netdev {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.read_table(roots)?;
        for (column, (name, word)) in COLUMNS.iter().enumerate() {
            self.help.clear();
            self.help.push_str("Network device statistic ");
            self.help.push_str(word);
            self.help.push('.');
            samples.counter(name, &self.help);
            for device in &self.devices {
                let count = device.counts.get(column).copied().unwrap_or_default();
                samples.row(&[("device", &device.name)], count);
            }
        }
        self.show_nohandler(roots, samples)
    }
}

impl Netdev {
    fn read_table(&mut self, roots: &Roots) -> Result<(), Blank> {
        let path = roots.proc("net/dev");
        let table = self.table.get_or_insert_with(|| Kept::brief(path.clone()));
        let mut used = 0;
        // Two lines of headings.
        for line in table.read()?.lines().skip(2) {
            let (name, rest) =
                line.rsplit_once(':').ok_or_else(|| Blank::odd(&path, "a line has no device"))?;
            if !self.sieve.lets_through(name.trim()) {
                continue;
            }
            if used == self.devices.len() {
                self.devices.push(Device { name: String::new(), counts: [0.0; COLUMNS.len()] });
            }
            let Some(device) = self.devices.get_mut(used) else { break };
            used += 1;
            device.name.clear();
            device.name.push_str(name.trim());
            let mut words = rest.split_ascii_whitespace();
            for count in &mut device.counts {
                *count = number(&path, words.next())?;
            }
        }
        self.devices.truncate(used);
        Ok(())
    }

    fn show_nohandler(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let devices = &self.devices;
        // Devices come and go, and seldom: only then is the search worth its cost.
        if self.nohandler.len() > devices.len() {
            self.nohandler.retain(|name, _| devices.iter().any(|device| device.name == *name));
        }
        samples.counter(
            "node_network_receive_nohandler_total",
            "Network device statistic receive_nohandler.",
        );
        for device in devices {
            let path = || roots.sys("class/net").join(&device.name).join("statistics/rx_nohandler");
            if self.nohandler.len() < KEPT_MAX && !self.nohandler.contains_key(&device.name) {
                self.nohandler.insert(device.name.clone(), Kept::brief(path()));
            }
            let mut brief;
            let file = if let Some(kept) = self.nohandler.get_mut(&device.name) {
                kept
            } else {
                brief = Kept::brief(path());
                &mut brief
            };
            // Old kernels lack the file, and the device may have just gone.
            let Ok(text) = file.read() else { continue };
            let count = number(&path(), Some(text.trim_end()))?;
            samples.row(&[("device", &device.name)], count);
        }
        Ok(())
    }
}
