//! What network devices are and how they stand, from `/sys/class/net`.

use super::class::{Class, Device};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "netclass",
        summary: "what network devices are and how they stand",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Netclass { class: Class::new("class/net", FILES) }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "node_network_up",
            "node_network_info",
            "node_network_address_assign_type",
            "node_network_carrier",
            "node_network_device_id",
            "node_network_dormant",
            "node_network_flags",
            "node_network_iface_id",
            "node_network_iface_link",
            "node_network_iface_link_mode",
            "node_network_mtu_bytes",
            "node_network_net_dev_group",
            "node_network_transmit_queue_length",
            "node_network_protocol_type",
        ],
        &[Origin::Sys("class/net/*/operstate")],
        "a network interface, and sysfs",
    ),
    Export::of(
        &["node_network_carrier_changes_total"],
        &[Origin::Sys("class/net/*/carrier_changes")],
        "Linux 3.15, and an interface that is up",
    ),
    Export::of(
        &["node_network_carrier_up_changes_total", "node_network_carrier_down_changes_total"],
        &[Origin::Sys("class/net/*/carrier_up_count")],
        "Linux 4.16",
    ),
    Export::of(
        &["node_network_name_assign_type"],
        &[Origin::Sys("class/net/*/name_assign_type")],
        "Linux 3.17, and an interface whose name was given on purpose",
    ),
    Export::of(
        &["node_network_speed_bytes"],
        &[Origin::Sys("class/net/*/speed")],
        "an interface that is up, and whose driver knows its speed",
    ),
];

#[derive(Debug)]
struct Netclass {
    class: Class,
}

/// The numbers come first, in the order of [`METRICS`], then the words.
const FILES: &[&str] = &[
    "addr_assign_type",
    "carrier",
    "carrier_changes",
    "carrier_up_count",
    "carrier_down_count",
    "dev_id",
    "dormant",
    "flags",
    "ifindex",
    "iflink",
    "link_mode",
    "mtu",
    "name_assign_type",
    "netdev_group",
    "speed",
    "tx_queue_len",
    "type",
    "operstate",
    "address",
    "broadcast",
    "duplex",
    "ifalias",
];
const OPERSTATE: usize = METRICS.len();

const METRICS: [(&str, &str, f64); 17] = [
    ("node_network_address_assign_type", "Network device property: address_assign_type", 1.0),
    ("node_network_carrier", "Network device property: carrier", 1.0),
    ("node_network_carrier_changes_total", "Network device property: carrier_changes_total", 1.0),
    (
        "node_network_carrier_up_changes_total",
        "Network device property: carrier_up_changes_total",
        1.0,
    ),
    (
        "node_network_carrier_down_changes_total",
        "Network device property: carrier_down_changes_total",
        1.0,
    ),
    ("node_network_device_id", "Network device property: device_id", 1.0),
    ("node_network_dormant", "Network device property: dormant", 1.0),
    ("node_network_flags", "Network device property: flags", 1.0),
    ("node_network_iface_id", "Network device property: iface_id", 1.0),
    ("node_network_iface_link", "Network device property: iface_link", 1.0),
    ("node_network_iface_link_mode", "Network device property: iface_link_mode", 1.0),
    ("node_network_mtu_bytes", "Network device property: mtu_bytes", 1.0),
    ("node_network_name_assign_type", "Network device property: name_assign_type", 1.0),
    ("node_network_net_dev_group", "Network device property: net_dev_group", 1.0),
    // Megabits; -1 where nobody knows.
    ("node_network_speed_bytes", "Network device property: speed_bytes", 1e6 / 8.0),
    ("node_network_transmit_queue_length", "Network device property: transmit_queue_length", 1.0),
    ("node_network_protocol_type", "Network device property: protocol_type", 1.0),
];

impl Collector for Netclass {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        // Beside the devices, there is a list of those that bundle others.
        let devices = self.class.look(roots, |name| name != "bonding_masters")?;
        let help = "Value is 1 if operstate is 'up', 0 otherwise.";
        samples.gauge("node_network_up", help);
        for device in &mut *devices {
            let Some(state) = device.text(OPERSTATE) else { continue };
            let is_up = f64::from(u8::from(state == "up"));
            samples.row(&[("device", &device.name)], is_up);
        }
        let help = "Non-numeric data from /sys/class/net/<iface>, value is always 1.";
        samples.gauge("node_network_info", help);
        for device in &mut *devices {
            show_info(device, samples);
        }
        for (at, (name, help, scale)) in METRICS.iter().enumerate() {
            let kind = if name.ends_with("_total") { Type::Counter } else { Type::Gauge };
            samples.family(name, help, kind);
            for device in &mut *devices {
                if let Some(value) = device.number(at)? {
                    samples.row(&[("device", &device.name)], value * scale);
                }
            }
        }
        Ok(())
    }
}

fn show_info(device: &mut Device, samples: &mut Samples) {
    for at in OPERSTATE + 1..FILES.len() {
        // Read here and looked at below: not all of them can be read at once.
        device.look(at);
    }
    let [operstate, address, broadcast, duplex, ifalias] =
        [0, 1, 2, 3, 4].map(|at| device.last(OPERSTATE + at));
    if operstate.is_empty() {
        return;
    }
    samples.row(
        &[
            ("address", address),
            ("broadcast", broadcast),
            ("device", &device.name),
            ("duplex", duplex),
            ("ifalias", ifalias),
            ("operstate", operstate),
        ],
        1.0,
    );
}
