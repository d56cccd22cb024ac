//! Paging and swapping, from `/proc/vmstat`.

use super::{
    file::{File, join},
    parse::{is_word, number},
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
        name: "vmstat",
        summary: "paging, swapping and processes killed for want of memory",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |setup| {
        Box::new(Vmstat {
            file: File::proc("vmstat"),
            name: String::new(),
            help: String::new(),
            fields: setup.patterns.get("vmstat.fields").cloned(),
        })
    },
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "node_vmstat_pgpgin",
            "node_vmstat_pgpgout",
            "node_vmstat_pgfault",
            "node_vmstat_pgmajfault",
        ],
        &[Origin::Proc("vmstat")],
        "a kernel with CONFIG_VM_EVENT_COUNTERS",
    ),
    Export::of(
        &["node_vmstat_pswpin", "node_vmstat_pswpout"],
        &[Origin::Word("vmstat", "pswpin")],
        "a kernel with CONFIG_SWAP",
    ),
    Export::of(&["node_vmstat_oom_kill"], &[Origin::Word("vmstat", "oom_kill")], "Linux 4.13"),
    Export::of(&["node_vmstat_*"], &[Origin::Proc("vmstat")], "procfs"),
];

#[derive(Debug)]
struct Vmstat {
    file: File,
    name: String,
    help: String,
    fields: Option<Pattern>,
}

impl Collector for Vmstat {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let said = self.file.read(roots)?;
        for line in said.text.lines() {
            let (field, value) =
                line.split_once(' ').ok_or_else(|| said.odd("a line has no number"))?;
            if self.fields.as_ref().map_or_else(|| is_wanted(field), |it| it.matches(field)) {
                if !is_word(field) {
                    return Err(said.odd("a field's name makes no sense"));
                }
                let name = join(&mut self.name, &["node_vmstat_", field]);
                let help = ["/proc/vmstat information field ", field, "."];
                let help = join(&mut self.help, &help);
                let value = number(said.path, Some(value))?;
                samples.family(name, help, Type::Untyped).row(&[], value);
            }
        }
        Ok(())
    }
}

/// What `node_exporter` shows: `^(oom_kill|pgpg|pswp|pg.*fault)`.
fn is_wanted(field: &str) -> bool {
    ["oom_kill", "pgpg", "pswp"].iter().any(|start| field.starts_with(start))
        || field.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"))
}
