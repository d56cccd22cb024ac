//! The kernel's store of randomness, from `/proc/sys/kernel/random`.

use super::file::File;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "entropy",
        summary: "the kernel's store of randomness",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Entropy::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_entropy_available_bits", "node_entropy_pool_size_bits"],
    &[Origin::Proc("sys/kernel/random/entropy_avail")],
    "procfs with /proc/sys (CONFIG_SYSCTL)",
)];

#[derive(Debug)]
struct Entropy {
    files: [File; 2],
}

const GAUGES: [(&str, &str); 2] = [
    ("node_entropy_available_bits", "Bits of available entropy."),
    ("node_entropy_pool_size_bits", "Bits of entropy pool."),
];

impl Collector for Entropy {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        for (file, (name, help)) in self.files.iter_mut().zip(GAUGES) {
            if let Some(said) = file.read_if_there(roots)? {
                samples.gauge(name, help).row(&[], said.number()?);
            }
        }
        Ok(())
    }
}

impl Entropy {
    fn new() -> Self {
        let files = ["sys/kernel/random/entropy_avail", "sys/kernel/random/poolsize"];
        Self { files: files.map(File::proc) }
    }
}
