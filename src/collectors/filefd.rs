//! Open files of the whole machine, from `/proc/sys/fs/file-nr`.

use super::{file::File, parse::number};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "filefd",
        summary: "open files of the whole machine, and their limit",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Filefd { file: File::proc("sys/fs/file-nr") }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_filefd_allocated", "node_filefd_maximum"],
    &[Origin::Proc("sys/fs/file-nr")],
    "procfs with /proc/sys (CONFIG_SYSCTL)",
)];

#[derive(Debug)]
struct Filefd {
    file: File,
}

impl Collector for Filefd {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let said = self.file.read(roots)?;
        let mut words = said.text.split_ascii_whitespace();
        let allocated = number(said.path, words.next())?;
        // Between them: free ones, of which there are none since Linux 2.6.
        let maximum = number(said.path, words.nth(1))?;
        let help = "File descriptor statistics: allocated.";
        samples.gauge("node_filefd_allocated", help).row(&[], allocated);
        let help = "File descriptor statistics: maximum.";
        samples.gauge("node_filefd_maximum", help).row(&[], maximum);
        Ok(())
    }
}
