//! Neighbours on the network, from `/proc/net/arp`.

use super::file::File;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    pattern::Sieve,
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About { name: "arp", summary: "neighbours on the network", needs: &[], example: "" },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |setup| {
        let sieve = setup.patterns.sieve("arp.device", None);
        Box::new(Arp { file: File::proc("net/arp"), devices: Vec::new(), sieve })
    },
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_arp_entries"],
    &[Origin::Proc("net/arp")],
    "a neighbour on an interface that resolves addresses (CONFIG_INET)",
)];

#[derive(Debug)]
struct Arp {
    file: File,
    devices: Vec<(String, f64)>,
    sieve: Sieve,
}

/// The device's place in a line.
const DEVICE: usize = 5;

impl Collector for Arp {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.devices.clear();
        let (devices, sieve, mut is_heading) = (&mut self.devices, &self.sieve, true);
        self.file.lines(roots, |line| {
            if std::mem::take(&mut is_heading) {
                return Some(());
            }
            let device = line.split_ascii_whitespace().nth(DEVICE)?;
            if !sieve.lets_through(device) {
                return Some(());
            }
            match devices.iter_mut().find(|(name, _)| name == device) {
                Some((_, count)) => *count += 1.0,
                None => devices.push((device.to_owned(), 1.0)),
            }
            Some(())
        })?;
        self.devices.sort_by(|one, other| one.0.cmp(&other.0));
        samples.gauge("node_arp_entries", "ARP entries by device");
        for (device, count) in &self.devices {
            samples.row(&[("device", device)], *count);
        }
        Ok(())
    }
}
