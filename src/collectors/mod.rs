//! The collectors: one file a kind, and this list.

pub mod cgroup_tree;
pub mod cgroups;
pub mod cpu;
pub mod diskstats;
pub mod filesystem;
pub mod loadavg;
pub mod meminfo;
pub mod netdev;
mod parse;
pub mod runs;
pub mod stat;
pub mod time;
pub mod top;
pub mod uname;

use crate::collector::CollectorKind;

/// Every collector, in the order of the page.
pub const ALL: &[CollectorKind] = &[
    cgroups::KIND,
    cpu::KIND,
    diskstats::KIND,
    filesystem::KIND,
    loadavg::KIND,
    meminfo::KIND,
    netdev::KIND,
    runs::KIND,
    stat::KIND,
    time::KIND,
    top::KIND,
    uname::KIND,
];
