//! Tasks that the kernel found hanging.

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
        name: "kernel_hung",
        summary: "tasks that the kernel found hanging",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(KernelHung { file: File::proc("sys/kernel/hung_task_detect_count") }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_kernel_hung_tasks_total"],
    &[Origin::Proc("sys/kernel/hung_task_detect_count")],
    "Linux 6.13 with CONFIG_DETECT_HUNG_TASK",
)];

#[derive(Debug)]
struct KernelHung {
    file: File,
}

impl Collector for KernelHung {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        // Kernels before 6.13 do not count them.
        let Some(said) = self.file.read_if_there(roots)? else { return Ok(()) };
        let help = "Total number of tasks that have been detected as hung since system boot.";
        samples.counter("node_kernel_hung_tasks_total", help).row(&[], said.number()?);
        Ok(())
    }
}
