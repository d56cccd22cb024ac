//! The collectors: one file a kind, and this list.

pub mod arp;
pub mod bonding;
pub mod cgroup_tree;
pub mod cgroups;
mod class;
pub mod conntrack;
pub mod cpu;
pub mod cpufreq;
pub mod diskhealth;
pub mod diskstats;
pub mod dmi;
pub mod edac;
pub mod entropy;
mod file;
pub mod filefd;
pub mod filesystem;
pub mod hwmon;
pub mod interrupts;
pub mod kernel_hung;
mod links;
pub mod loadavg;
pub mod mdadm;
pub mod meminfo;
pub mod meminfo_numa;
pub mod netclass;
pub mod netdev;
pub mod netstat;
pub mod nvme;
pub mod os;
mod parse;
pub mod powersupplyclass;
pub mod pressure;
pub mod processes;
pub mod rapl;
pub mod runs;
pub mod schedstat;
pub mod selinux;
pub mod sockstat;
pub mod softnet;
pub mod stat;
pub mod systemd;
pub mod tcpstat;
pub mod thermal_zone;
pub mod time;
pub mod timex;
pub mod top;
pub mod udp_queues;
pub mod uname;
pub mod vmstat;

use crate::collector::CollectorKind;

/// Every collector, in the order of the page.
pub const ALL: &[CollectorKind] = &[
    arp::KIND,
    bonding::KIND,
    cgroups::KIND,
    conntrack::KIND,
    cpu::KIND,
    cpufreq::KIND,
    diskhealth::KIND,
    diskstats::KIND,
    dmi::KIND,
    edac::KIND,
    entropy::KIND,
    filefd::KIND,
    filesystem::KIND,
    hwmon::KIND,
    interrupts::KIND,
    kernel_hung::KIND,
    loadavg::KIND,
    mdadm::KIND,
    meminfo::KIND,
    meminfo_numa::KIND,
    netclass::KIND,
    netdev::KIND,
    netstat::KIND,
    nvme::KIND,
    os::KIND,
    powersupplyclass::KIND,
    pressure::KIND,
    processes::KIND,
    rapl::KIND,
    runs::KIND,
    schedstat::KIND,
    selinux::KIND,
    sockstat::KIND,
    softnet::KIND,
    stat::KIND,
    systemd::KIND,
    tcpstat::KIND,
    thermal_zone::KIND,
    time::KIND,
    timex::KIND,
    top::KIND,
    udp_queues::KIND,
    uname::KIND,
    vmstat::KIND,
];
