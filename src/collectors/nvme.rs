//! `NVMe` controllers and whether they live, from `/sys/class/nvme`.

use super::class::Class;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "nvme",
        summary: "NVMe controllers, their firmware and state",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Nvme { class: Class::new("class/nvme", FILES) }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_nvme_info"],
    &[Origin::Sys("class/nvme/nvme*")],
    "an NVMe controller (CONFIG_BLK_DEV_NVME)",
)];

#[derive(Debug)]
struct Nvme {
    class: Class,
}

const FILES: &[&str] = &["cntlid", "firmware_rev", "model", "serial", "state"];

impl Collector for Nvme {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let help = "Non-numeric data from /sys/class/nvme/<device>, value is always 1.";
        samples.gauge("node_nvme_info", help);
        for device in self.class.look(roots, |_| true)? {
            for at in 0..FILES.len() {
                device.look(at);
            }
            let [controller, firmware, model, serial, state] =
                [0, 1, 2, 3, 4].map(|at| device.last(at));
            let labels = [
                ("cntlid", controller),
                ("device", &device.name),
                ("firmware_revision", firmware),
                ("model", model),
                ("serial", serial),
                ("state", state),
            ];
            samples.row(&labels, 1.0);
        }
        Ok(())
    }
}
