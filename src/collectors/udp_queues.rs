//! Bytes that wait in the queues of UDP sockets, from `/proc/net/udp` and `udp6`.

use super::{file::File, parse::queues};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, wide},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "udp_queues",
        summary: "bytes that wait in the queues of UDP sockets",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(UdpQueues::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] =
    &[Export::of(&["node_udp_queues"], &[Origin::Proc("net/udp")], "UDP (CONFIG_INET)")];

#[derive(Debug)]
struct UdpQueues {
    tables: [(&'static str, File); 2],
}

impl Collector for UdpQueues {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let help = "Number of allocated memory in the kernel for UDP datagrams in bytes.";
        samples.gauge("node_udp_queues", help);
        for (ip, file) in &mut self.tables {
            let (mut sent, mut received, mut is_heading) = (0, 0, true);
            let is_there = file.lines(roots, |line| {
                if !std::mem::take(&mut is_heading) {
                    let (tx, rx) = queues(line.split_ascii_whitespace().nth(4)?)?;
                    (sent, received) = (sent + tx, received + rx);
                }
                Some(())
            })?;
            if is_there {
                samples.row(&[("ip", ip), ("queue", "tx")], wide(sent));
                samples.row(&[("ip", ip), ("queue", "rx")], wide(received));
            }
        }
        Ok(())
    }
}

impl UdpQueues {
    fn new() -> Self {
        Self { tables: [("v4", File::proc("net/udp")), ("v6", File::proc("net/udp6"))] }
    }
}
