//! Memory, from `/proc/meminfo`: every field becomes a metric of its own name.

use super::{
    file::join,
    parse::{number, shorten},
};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type},
    export::{Export, Origin},
    world::roots::{Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About { name: "meminfo", summary: "what memory is used for", needs: &[], example: "" },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Meminfo::default()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "node_memory_MemTotal_bytes",
            "node_memory_MemFree_bytes",
            "node_memory_Buffers_bytes",
            "node_memory_Cached_bytes",
            "node_memory_SwapTotal_bytes",
            "node_memory_SwapFree_bytes",
            "node_memory_Active_bytes",
            "node_memory_Inactive_bytes",
            "node_memory_Dirty_bytes",
            "node_memory_Writeback_bytes",
            "node_memory_Mapped_bytes",
            "node_memory_Slab_bytes",
            "node_memory_PageTables_bytes",
            "node_memory_CommitLimit_bytes",
            "node_memory_Committed_AS_bytes",
            "node_memory_VmallocTotal_bytes",
            "node_memory_VmallocUsed_bytes",
            "node_memory_VmallocChunk_bytes",
            "node_memory_AnonPages_bytes",
            "node_memory_Active_anon_bytes",
            "node_memory_Inactive_anon_bytes",
            "node_memory_Active_file_bytes",
            "node_memory_Inactive_file_bytes",
            "node_memory_Unevictable_bytes",
            "node_memory_Mlocked_bytes",
            "node_memory_Shmem_bytes",
            "node_memory_SReclaimable_bytes",
            "node_memory_SUnreclaim_bytes",
            "node_memory_KernelStack_bytes",
            "node_memory_NFS_Unstable_bytes",
            "node_memory_Bounce_bytes",
            "node_memory_WritebackTmp_bytes",
            "node_memory_SwapCached_bytes",
        ],
        &[Origin::Proc("meminfo")],
        "a kernel of this machine's kind that counts it",
    ),
    Export::of(
        &["node_memory_MemAvailable_bytes"],
        &[Origin::Word("meminfo", "MemAvailable")],
        "Linux 3.14",
    ),
    Export::of(
        &["node_memory_KReclaimable_bytes"],
        &[Origin::Word("meminfo", "KReclaimable")],
        "Linux 4.20",
    ),
    Export::of(&["node_memory_Percpu_bytes"], &[Origin::Word("meminfo", "Percpu")], "Linux 4.19"),
    Export::of(
        &["node_memory_SecPageTables_bytes"],
        &[Origin::Word("meminfo", "SecPageTables")],
        "Linux 6.1",
    ),
    Export::of(
        &["node_memory_Zswap_bytes", "node_memory_Zswapped_bytes"],
        &[Origin::Word("meminfo", "Zswap")],
        "Linux 5.19 with CONFIG_ZSWAP",
    ),
    Export::of(
        &["node_memory_HardwareCorrupted_bytes"],
        &[Origin::Word("meminfo", "HardwareCorrupted")],
        "a kernel with CONFIG_MEMORY_FAILURE",
    ),
    Export::of(
        &[
            "node_memory_AnonHugePages_bytes",
            "node_memory_ShmemHugePages_bytes",
            "node_memory_ShmemPmdMapped_bytes",
            "node_memory_FileHugePages_bytes",
            "node_memory_FilePmdMapped_bytes",
        ],
        &[Origin::Word("meminfo", "AnonHugePages")],
        "a kernel with CONFIG_TRANSPARENT_HUGEPAGE (for files Linux 5.4)",
    ),
    Export::of(
        &[
            "node_memory_HugePages_Total",
            "node_memory_HugePages_Free",
            "node_memory_HugePages_Rsvd",
            "node_memory_HugePages_Surp",
            "node_memory_Hugepagesize_bytes",
            "node_memory_Hugetlb_bytes",
        ],
        &[Origin::Word("meminfo", "HugePages_Total")],
        "a kernel with CONFIG_HUGETLBFS",
    ),
    Export::of(
        &["node_memory_CmaTotal_bytes", "node_memory_CmaFree_bytes"],
        &[Origin::Word("meminfo", "CmaTotal")],
        "a kernel with CONFIG_CMA",
    ),
    Export::of(
        &["node_memory_DirectMap4k_bytes", "node_memory_DirectMap2M_bytes"],
        &[Origin::Word("meminfo", "DirectMap")],
        "an x86 or s390 processor",
    ),
    Export::of(
        &["node_memory_DirectMap1G_bytes"],
        &[Origin::Word("meminfo", "DirectMap1G")],
        "a processor with pages of 1 GiB (`pdpe1gb` in /proc/cpuinfo)",
    ),
    Export::of(
        &["node_memory_DirectMap4M_bytes"],
        &[Origin::Word("meminfo", "DirectMap4M")],
        "a 32-bit x86 processor without PAE",
    ),
    Export::of(
        &["node_memory_Unaccepted_bytes"],
        &[Origin::Word("meminfo", "Unaccepted")],
        "a confidential virtual machine (CONFIG_UNACCEPTED_MEMORY, Linux 6.5)",
    ),
    Export::of(
        &["node_memory_Balloon_bytes"],
        &[Origin::Word("meminfo", "Balloon")],
        "Linux 6.16 with a memory balloon",
    ),
    Export::of(&["node_memory_*"], &[Origin::Proc("meminfo")], "procfs"),
];

#[derive(Debug, Default)]
struct Meminfo {
    file: Option<Kept>,
    name: String,
    help: String,
}

impl Collector for Meminfo {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let path = roots.proc("meminfo");
        let file = self.file.get_or_insert_with(|| Kept::brief(path.clone()));
        let mut seen = 0;
        for line in file.read()?.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(field) = words.next() else { continue };
            let value = number(&path, words.next())?;
            self.name.clear();
            self.name.push_str("node_memory_");
            push_field(&mut self.name, field);
            let scale = match words.next() {
                Some("kB") => {
                    self.name.push_str("_bytes");
                    1024.0
                }
                None => 1.0,
                Some(unit) => {
                    let why = format!("`{}` is not a unit", shorten(unit));
                    return Err(Blank::odd(path, why));
                }
            };
            let kind = if self.name.ends_with("_total") { Type::Counter } else { Type::Gauge };
            begin(&self.name, "node_memory_", kind, &mut self.help, samples)
                .row(&[], value * scale);
            seen += 1;
        }
        if seen == 0 { Err(Blank::odd(path, "it is empty")) } else { Ok(()) }
    }
}

/// `Active(anon):` as `Active_anon`; what a metric's name cannot hold becomes `_`.
pub(super) fn push_field(name: &mut String, field: &str) {
    for letter in field.trim_end_matches(':').trim_end_matches(')').chars() {
        name.push(if letter.is_ascii_alphanumeric() { letter } else { '_' });
    }
}

/// Begins the family of a field; its help names what stands after `prefix`.
pub(super) fn begin<'a>(
    name: &str,
    prefix: &str,
    kind: Type,
    help: &mut String,
    samples: &'a mut Samples,
) -> &'a mut Samples {
    let field = name.strip_prefix(prefix).unwrap_or_default();
    samples.family(name, join(help, &["Memory information field ", field, "."]), kind)
}
