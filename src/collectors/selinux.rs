//! Whether `SELinux` guards the machine.

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
        name: "selinux",
        summary: "whether SELinux guards the machine",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Selinux { enforce: File::sys("fs/selinux/enforce") }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(&["node_selinux_enabled"], &[], "the collector itself"),
    Export::of(
        &["node_selinux_config_mode", "node_selinux_current_mode"],
        &[Origin::Sys("fs/selinux/enforce")],
        "SELinux (CONFIG_SECURITY_SELINUX), switched on at boot",
    ),
];

#[derive(Debug)]
struct Selinux {
    enforce: File,
}

impl Collector for Selinux {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let mode = match self.enforce.read_if_there(roots)? {
            Some(said) => Some(said.number()?),
            None => None,
        };
        let help = "SELinux is enabled, 1 is true, 0 is false";
        let is_on = f64::from(u8::from(mode.is_some()));
        samples.gauge("node_selinux_enabled", help).row(&[], is_on);
        if let Some(mode) = mode {
            let help = "Configured SELinux enforcement mode";
            samples.gauge("node_selinux_config_mode", help).row(&[], configured(roots));
            let help = "Current SELinux enforcement mode";
            samples.gauge("node_selinux_current_mode", help).row(&[], mode);
        }
        Ok(())
    }
}

/// 1: enforcing, 0: permissive, -1: disabled, or not configured.
fn configured(roots: &Roots) -> f64 {
    let text = roots::read(&roots.rooted("etc/selinux/config")).unwrap_or_default();
    match text.lines().find_map(|line| line.trim().strip_prefix("SELINUX=")).map(str::trim) {
        Some("enforcing") => 1.0,
        Some("permissive") => 0.0,
        Some(_) | None => -1.0,
    }
}
