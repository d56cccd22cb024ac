//! The firewall's table of connections, where the kernel keeps one.

use super::{
    file::{File, Text},
    parse::hex,
};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "conntrack",
        summary: "the firewall's table of connections",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Conntrack::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &["node_nf_conntrack_entries", "node_nf_conntrack_entries_limit"],
        &[Origin::Proc("sys/net/netfilter/nf_conntrack_count")],
        "the module `nf_conntrack`, and a rule that tracks connections in the agent's \
         network namespace",
    ),
    Export::of(
        &["node_nf_conntrack_stat_*"],
        &[Origin::Proc("net/stat/nf_conntrack")],
        "the module `nf_conntrack` in a kernel with CONFIG_NF_CONNTRACK_PROCFS",
    ),
];

#[derive(Debug)]
struct Conntrack {
    count: File,
    limit: File,
    stat: File,
}

/// The columns that are shown, and their help.
const COLUMNS: [(&str, &str, &str); 8] = [
    ("found", "node_nf_conntrack_stat_found", "Number of searched entries which were successful."),
    (
        "invalid",
        "node_nf_conntrack_stat_invalid",
        "Number of packets seen which can not be tracked.",
    ),
    (
        "ignore",
        "node_nf_conntrack_stat_ignore",
        "Number of packets seen which are already connected to a conntrack entry.",
    ),
    ("insert", "node_nf_conntrack_stat_insert", "Number of entries inserted into the list."),
    (
        "insert_failed",
        "node_nf_conntrack_stat_insert_failed",
        "Number of entries for which list insertion was attempted but failed.",
    ),
    ("drop", "node_nf_conntrack_stat_drop", "Number of packets dropped due to conntrack failure."),
    (
        "early_drop",
        "node_nf_conntrack_stat_early_drop",
        "Number of dropped conntrack entries to make room for new ones, if maximum table size was \
         reached.",
    ),
    (
        "search_restart",
        "node_nf_conntrack_stat_search_restart",
        "Number of conntrack table lookups which had to be restarted due to hashtable resizes.",
    ),
];

impl Collector for Conntrack {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let Some(said) = self.count.read_if_there(roots)? else { return Ok(()) };
        let help = "Number of currently allocated flow entries for connection tracking.";
        samples.gauge("node_nf_conntrack_entries", help).row(&[], said.number()?);
        let help = "Maximum size of connection tracking table.";
        let limit = self.limit.read(roots)?.number()?;
        samples.gauge("node_nf_conntrack_entries_limit", help).row(&[], limit);
        match self.stat.read_if_there(roots)? {
            Some(said) => show_stat(said, samples),
            None => Ok(()),
        }
    }
}

impl Conntrack {
    fn new() -> Self {
        Self {
            count: File::proc("sys/net/netfilter/nf_conntrack_count"),
            limit: File::proc("sys/net/netfilter/nf_conntrack_max"),
            stat: File::proc("net/stat/nf_conntrack"),
        }
    }
}

/// A line of names, then one a processor: their sums.
fn show_stat(said: Text<'_>, samples: &mut Samples) -> Result<(), Blank> {
    let (names, rows) =
        said.text.split_once('\n').ok_or_else(|| said.odd("it has no line of names"))?;
    for (column, name, help) in COLUMNS {
        let Some(at) = names.split_ascii_whitespace().position(|it| it == column) else { continue };
        let mut sum = 0.0;
        for row in rows.lines() {
            sum += hex(said.path, row.split_ascii_whitespace().nth(at))?;
        }
        samples.gauge(name, help).row(&[], sum);
    }
    Ok(())
}
