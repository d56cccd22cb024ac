//! Network devices that bundle others, from `/sys/class/net/<master>/bonding`.

use std::path::Path;

use super::file::File;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::{self, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "bonding",
        summary: "network devices that bundle others, and how many of those are up",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Bonding { masters: File::sys("class/net/bonding_masters") }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_bonding_active", "node_bonding_slaves"],
    &[Origin::Sys("class/net/bonding_masters")],
    "the module `bonding`, and a bond",
)];

#[derive(Debug)]
struct Bonding {
    masters: File,
}

impl Collector for Bonding {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let Some(masters) = self.masters.read_if_there(roots)? else { return Ok(()) };
        let mut all = Vec::new();
        for master in masters.text.split_ascii_whitespace() {
            let folder = roots.sys("class/net").join(master);
            // It may have just gone.
            let Ok(slaves) = roots::read(&folder.join("bonding/slaves")) else { continue };
            let names = slaves.split_ascii_whitespace();
            let active = names.clone().filter(|slave| is_up(&folder, slave)).count();
            all.push((master, names.count(), active));
        }
        let help = "Number of configured slaves per bonding interface.";
        samples.gauge("node_bonding_slaves", help);
        for (master, slaves, _) in &all {
            samples.row(&[("master", master)], crate::collector::many(*slaves));
        }
        let help = "Number of active slaves per bonding interface.";
        samples.gauge("node_bonding_active", help);
        for (master, _, active) in &all {
            samples.row(&[("master", master)], crate::collector::many(*active));
        }
        Ok(())
    }
}

/// Newer kernels say `lower_`, older ones `slave_`.
fn is_up(master: &Path, slave: &str) -> bool {
    ["lower_", "slave_"].iter().any(|prefix| {
        let link = master.join(format!("{prefix}{slave}"));
        let state = roots::read(&link.join("bonding_slave/mii_status"));
        state.is_ok_and(|it| it.trim_end() == "up")
    })
}
