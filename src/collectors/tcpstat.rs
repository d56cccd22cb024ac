//! TCP connections by state, from `/proc/net/tcp` and `tcp6`.
//!
//! `node_exporter` asks the kernel through netlink, which gives a listening socket's backlog limit
//! as bytes in its send queue. The files give the bytes.

use super::{file::File, parse::queues};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, wide},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About { name: "tcpstat", summary: "TCP connections by state", needs: &[], example: "" },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Tcpstat::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_tcp_connection_states"],
    &[Origin::Proc("net/tcp")],
    "a TCP socket (CONFIG_INET)",
)];

#[derive(Debug)]
struct Tcpstat {
    tables: [File; 2],
}

/// The states, in the order of the kernel's numbers, which begin with 1. The last one is that of
/// a connection whose handshake has just begun, which the kernel tells apart and nobody else.
const STATES: [&str; 12] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "syn_recv",
];
const SYN_RECV: usize = 2;

impl Collector for Tcpstat {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let mut counts = [0_u64; STATES.len()];
        let (mut sent, mut received) = (0, 0);
        for file in &mut self.tables {
            let mut is_heading = true;
            file.lines(roots, |line| {
                if std::mem::take(&mut is_heading) {
                    return Some(());
                }
                let mut words = line.split_ascii_whitespace().skip(3);
                let state = usize::from_str_radix(words.next()?, 16).ok()?.checked_sub(1)?;
                let state = if STATES.get(state)? == &"syn_recv" { SYN_RECV } else { state };
                *counts.get_mut(state)? += 1;
                let (tx, rx) = queues(words.next()?)?;
                (sent, received) = (sent + tx, received + rx);
                Some(())
            })?;
        }
        samples.gauge("node_tcp_connection_states", "Number of connection states.");
        for (state, count) in STATES.iter().zip(counts).filter(|(_, count)| *count > 0) {
            samples.row(&[("state", state)], wide(count));
        }
        samples.row(&[("state", "rx_queued_bytes")], wide(received));
        samples.row(&[("state", "tx_queued_bytes")], wide(sent));
        Ok(())
    }
}

impl Tcpstat {
    fn new() -> Self {
        Self { tables: [File::proc("net/tcp"), File::proc("net/tcp6")] }
    }
}
