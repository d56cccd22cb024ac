//! What network devices are and how they stand, from `/sys/class/net`.
//!
//! There are two dozen files a device. What the kernel tells over netlink as well is taken from
//! there, all devices in one answer; where it does not answer, or tells of other devices than the
//! folder has, all files are read. What never changes while a device lives is read once.

use super::{
    class::{Class, Device},
    links::{Link, Links, Told},
};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type},
    export::{Export, Origin},
    pattern::Pattern,
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
    make: |setup| {
        let class = Class::new("class/net", FILES);
        let ignored = setup.patterns.get("netclass.ignored-devices").cloned();
        Box::new(Netclass { class, kernel: None, known: false, ignored })
    },
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
    kernel: Option<Links>,
    /// It is known whether the folder is the kernel's own.
    known: bool,
    ignored: Option<Pattern>,
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
const DUPLEX: usize = OPERSTATE + 3;
/// These stay as they are while a device lives under its name.
const FOREVER: [usize; 3] = [5, Column::Index.at(), 12];

/// What netlink tells, too: a place in [`METRICS`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    Carrier = 1,
    CarrierChanges = 2,
    CarrierUps = 3,
    CarrierDowns = 4,
    Dormant = 6,
    Index = 8,
    Link = 9,
    LinkMode = 10,
    Mtu = 11,
    Group = 13,
    QueueLength = 15,
    Type = 16,
}

impl Column {
    pub(crate) const fn at(self) -> usize {
        self as usize
    }
}

pub(crate) const METRICS: [(&str, &str, f64); 17] = [
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
        if !std::mem::replace(&mut self.known, true) && roots.are_the_kernels() {
            self.kernel = Some(Links::new());
        }
        let ignored = &self.ignored;
        // Beside the devices, there is a list of those that bundle others.
        let devices = self.class.look(roots, |name| {
            name != "bonding_masters" && !ignored.as_ref().is_some_and(|it| it.matches(name))
        })?;
        let links = self.kernel.as_mut().and_then(Links::ask).unwrap_or_default();
        let links = if are_the_same(devices, links) { links } else { &[] };
        let mut all: Vec<Both<'_>> = devices
            .iter_mut()
            .enumerate()
            .map(|(at, device)| Both { device, link: links.get(at) })
            .collect();
        let help = "Value is 1 if operstate is 'up', 0 otherwise.";
        samples.gauge("node_network_up", help);
        for it in &mut all {
            let Some(state) = it.operstate() else { continue };
            let is_up = f64::from(u8::from(state == "up"));
            samples.row(&[("device", &it.device.name)], is_up);
        }
        let help = "Non-numeric data from /sys/class/net/<iface>, value is always 1.";
        samples.gauge("node_network_info", help);
        for it in &mut all {
            it.show_info(samples);
        }
        for (at, (name, help, scale)) in METRICS.iter().enumerate() {
            let kind = if name.ends_with("_total") { Type::Counter } else { Type::Gauge };
            samples.family(name, help, kind);
            for it in &mut all {
                if let Some(value) = it.number(at)? {
                    samples.row(&[("device", &it.device.name)], value * scale);
                }
            }
        }
        Ok(())
    }
}

/// Both lists are in the order of names. The folder may be that of another network namespace.
fn are_the_same(devices: &mut [Device], links: &[Link]) -> bool {
    let is = |(device, link): (&mut Device, &Link)| {
        let (at, index) = (Column::Index.at(), Some(f64::from(link.index)));
        if device.name != link.name {
            return false;
        }
        if device.number_once(at).ok().flatten() != index {
            // Another device may have got the name.
            for at in FOREVER {
                device.look(at);
            }
        }
        device.last_number(at).ok().flatten() == index
    };
    devices.len() == links.len() && devices.iter_mut().zip(links).all(is)
}

/// A device: its files, and what the kernel told besides.
struct Both<'a> {
    device: &'a mut Device,
    link: Option<&'a Link>,
}

impl Both<'_> {
    fn operstate(&mut self) -> Option<&str> {
        match self.link {
            Some(link) => Some(link.operstate),
            None => self.device.text(OPERSTATE),
        }
    }

    fn number(&mut self, at: usize) -> Result<Option<f64>, Blank> {
        match self.link.map(|it| it.told(at)) {
            Some(Told::Is(value)) => Ok(Some(value.into())),
            Some(Told::Absent) => Ok(None),
            Some(Told::Nothing) if FOREVER.contains(&at) => self.device.number_once(at),
            Some(Told::Nothing) | None => self.device.number(at),
        }
    }

    fn show_info(&mut self, samples: &mut Samples) {
        self.device.look(DUPLEX);
        if self.link.is_none() {
            // Read here and looked at below: not all of them can be read at once.
            (OPERSTATE + 1..FILES.len()).for_each(|at| self.device.look(at));
        }
        let file = |more: usize| self.device.last(OPERSTATE + more);
        let [operstate, address, broadcast, ifalias] = match self.link {
            Some(it) => [it.operstate, &it.address, &it.broadcast, &it.alias],
            None => [file(0), file(1), file(2), file(4)],
        };
        if operstate.is_empty() {
            return;
        }
        samples.row(
            &[
                ("address", address),
                ("broadcast", broadcast),
                ("device", &self.device.name),
                ("duplex", self.device.last(DUPLEX)),
                ("ifalias", ifalias),
                ("operstate", operstate),
            ],
            1.0,
        );
    }
}
