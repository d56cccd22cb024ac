//! Sockets in use, from `/proc/net/sockstat` and `sockstat6`.

use super::{
    file::{File, Text, join},
    parse::{is_word, number},
};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, many},
    export::{Export, Origin},
    world::roots::{self, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "sockstat",
        summary: "sockets in use, and their memory",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Sockstat::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "node_sockstat_sockets_used",
            "node_sockstat_TCP_inuse",
            "node_sockstat_TCP_orphan",
            "node_sockstat_TCP_tw",
            "node_sockstat_TCP_alloc",
            "node_sockstat_TCP_mem",
            "node_sockstat_TCP_mem_bytes",
            "node_sockstat_UDP_inuse",
            "node_sockstat_UDP_mem",
            "node_sockstat_UDP_mem_bytes",
            "node_sockstat_RAW_inuse",
            "node_sockstat_FRAG_inuse",
            "node_sockstat_FRAG_memory",
        ],
        &[Origin::Proc("net/sockstat")],
        "procfs and IPv4 (CONFIG_INET)",
    ),
    Export::of(
        &["node_sockstat_UDPLITE_inuse"],
        &[Origin::Word("net/sockstat", "UDPLITE")],
        "a kernel with UDP-Lite",
    ),
    Export::of(
        &[
            "node_sockstat_TCP6_inuse",
            "node_sockstat_UDP6_inuse",
            "node_sockstat_UDPLITE6_inuse",
            "node_sockstat_RAW6_inuse",
            "node_sockstat_FRAG6_inuse",
            "node_sockstat_FRAG6_memory",
        ],
        &[Origin::Proc("net/sockstat6")],
        "IPv6 (CONFIG_IPV6, and no `ipv6.disable=1` at boot)",
    ),
    Export::of(&["node_sockstat_*"], &[Origin::Proc("net/sockstat")], "procfs"),
];

#[derive(Debug)]
struct Sockstat {
    four: File,
    six: File,
    words: Words,
}

#[derive(Debug, Default)]
struct Words {
    name: String,
    help: String,
}

impl Collector for Sockstat {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.words.show_file(self.four.read(roots)?, samples)?;
        // Missing where IPv6 is turned off.
        match self.six.read_if_there(roots)? {
            Some(said) => self.words.show_file(said, samples),
            None => Ok(()),
        }
    }
}

impl Sockstat {
    fn new() -> Self {
        let (four, six) = (File::proc("net/sockstat"), File::proc("net/sockstat6"));
        Self { four, six, words: Words::default() }
    }
}

impl Words {
    fn show_file(&mut self, said: Text<'_>, samples: &mut Samples) -> Result<(), Blank> {
        for line in said.text.lines() {
            let (protocol, rest) =
                line.split_once(':').ok_or_else(|| said.odd("a line has no protocol"))?;
            let mut words = rest.split_ascii_whitespace();
            while let Some(key) = words.next() {
                if !is_word(protocol) || !is_word(key) {
                    return Err(said.odd("a protocol's or a state's name makes no sense"));
                }
                let value = number(said.path, words.next())?;
                self.show(protocol, key, value, samples);
                if key == "mem" {
                    // The kernel counts pages.
                    let bytes = value * many(roots::page_size());
                    self.show(protocol, "mem_bytes", bytes, samples);
                }
            }
        }
        Ok(())
    }

    fn show(&mut self, protocol: &str, key: &str, value: f64, samples: &mut Samples) {
        let name = join(&mut self.name, &["node_sockstat_", protocol, "_", key]);
        let help = match (protocol, key) {
            ("sockets", "used") => "Number of IPv4 sockets in use.",
            _ => join(&mut self.help, &["Number of ", protocol, " sockets in state ", key, "."]),
        };
        samples.gauge(name, help).row(&[], value);
    }
}
