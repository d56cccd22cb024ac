//! Which machine this is, from `uname(2)`.

use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::Export,
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "uname",
        summary: "the machine's name, kernel and architecture",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Names),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(&["node_uname_info"], &[], "uname(2)")];

#[derive(Debug)]
struct Names;

impl Collector for Names {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let it = roots.uname();
        let help = "Labeled system information as provided by the uname system call.";
        samples.gauge("node_uname_info", help).row(
            &[
                ("domainname", &it.domainname),
                ("machine", &it.machine),
                ("nodename", &it.nodename),
                ("release", &it.release),
                ("sysname", &it.sysname),
                ("version", &it.version),
            ],
            1.0,
        );
        Ok(())
    }
}
