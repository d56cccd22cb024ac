//! Counters of the network protocols, from `/proc/net/{netstat,snmp,snmp6}`.

use super::{
    file::{File, Text, join},
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
        name: "netstat",
        summary: "counters of IP, ICMP, TCP and UDP",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |setup| Box::new(Netstat::new(setup.patterns.get("netstat.fields").cloned())),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "node_netstat_TcpExt_SyncookiesSent",
            "node_netstat_TcpExt_SyncookiesRecv",
            "node_netstat_TcpExt_SyncookiesFailed",
            "node_netstat_TcpExt_ListenOverflows",
            "node_netstat_TcpExt_ListenDrops",
            "node_netstat_TcpExt_TCPTimeouts",
            "node_netstat_IpExt_InOctets",
            "node_netstat_IpExt_OutOctets",
        ],
        &[Origin::Proc("net/netstat")],
        "procfs and IPv4 (CONFIG_INET)",
    ),
    Export::of(
        &["node_netstat_TcpExt_TCPOFOQueue"],
        &[Origin::Word("net/netstat", "TCPOFOQueue")],
        "Linux 3.5",
    ),
    Export::of(
        &["node_netstat_TcpExt_TCPSynRetrans"],
        &[Origin::Word("net/netstat", "TCPSynRetrans")],
        "Linux 3.15",
    ),
    Export::of(
        &["node_netstat_TcpExt_TCPRcvQDrop"],
        &[Origin::Word("net/netstat", "TCPRcvQDrop")],
        "Linux 4.17",
    ),
    Export::of(
        &[
            "node_netstat_Ip_Forwarding",
            "node_netstat_Icmp_InMsgs",
            "node_netstat_Icmp_InErrors",
            "node_netstat_Icmp_OutMsgs",
            "node_netstat_Tcp_MaxConn",
            "node_netstat_Tcp_ActiveOpens",
            "node_netstat_Tcp_PassiveOpens",
            "node_netstat_Tcp_CurrEstab",
            "node_netstat_Tcp_InSegs",
            "node_netstat_Tcp_OutSegs",
            "node_netstat_Tcp_RetransSegs",
            "node_netstat_Tcp_InErrs",
            "node_netstat_Tcp_OutRsts",
            "node_netstat_Udp_InDatagrams",
            "node_netstat_Udp_NoPorts",
            "node_netstat_Udp_InErrors",
            "node_netstat_Udp_OutDatagrams",
            "node_netstat_Udp_RcvbufErrors",
            "node_netstat_Udp_SndbufErrors",
        ],
        &[Origin::Proc("net/snmp")],
        "procfs and IPv4 (CONFIG_INET)",
    ),
    Export::of(
        &["node_netstat_UdpLite_InErrors"],
        &[Origin::Word("net/snmp", "UdpLite")],
        "a kernel with UDP-Lite",
    ),
    Export::of(
        &[
            "node_netstat_Ip6_InOctets",
            "node_netstat_Ip6_OutOctets",
            "node_netstat_Icmp6_InMsgs",
            "node_netstat_Icmp6_InErrors",
            "node_netstat_Icmp6_OutMsgs",
            "node_netstat_Udp6_InDatagrams",
            "node_netstat_Udp6_NoPorts",
            "node_netstat_Udp6_InErrors",
            "node_netstat_Udp6_OutDatagrams",
            "node_netstat_Udp6_RcvbufErrors",
            "node_netstat_Udp6_SndbufErrors",
            "node_netstat_UdpLite6_InErrors",
        ],
        &[Origin::Proc("net/snmp6")],
        "IPv6 (CONFIG_IPV6, and no `ipv6.disable=1` at boot)",
    ),
    Export::of(&["node_netstat_*"], &[Origin::Proc("net/snmp")], "procfs"),
];

#[derive(Debug)]
struct Netstat {
    /// Names in a line, numbers in the next.
    tables: [File; 2],
    /// A name and a number in each line.
    six: File,
    words: Words,
}

#[derive(Debug, Default)]
struct Words {
    name: String,
    help: String,
    fields: Option<Pattern>,
}

/// What `node_exporter` shows of each protocol, and `MaxConn`, which dashboards ask for.
const FIELDS: [(&str, &[&str]); 9] = [
    ("Ip", &["Forwarding"]),
    ("Ip6", &["InOctets", "OutOctets"]),
    ("IpExt", &["InOctets", "OutOctets"]),
    ("Icmp", &["InMsgs", "OutMsgs"]),
    ("Icmp6", &["InMsgs", "OutMsgs"]),
    ("TcpExt", &["TCPOFOQueue", "TCPRcvQDrop", "TCPSynRetrans", "TCPTimeouts"]),
    (
        "Tcp",
        &[
            "ActiveOpens",
            "CurrEstab",
            "InSegs",
            "MaxConn",
            "OutRsts",
            "OutSegs",
            "PassiveOpens",
            "RetransSegs",
        ],
    ),
    ("Udp", &["InDatagrams", "NoPorts", "OutDatagrams", "RcvbufErrors", "SndbufErrors"]),
    ("Udp6", &["InDatagrams", "NoPorts", "OutDatagrams", "RcvbufErrors", "SndbufErrors"]),
];

impl Collector for Netstat {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        for table in &mut self.tables {
            self.words.show_table(table.read(roots)?, samples)?;
        }
        // Missing where IPv6 is turned off.
        if let Some(said) = self.six.read_if_there(roots)? {
            self.words.show_six(said, samples)?;
        }
        Ok(())
    }
}

impl Netstat {
    fn new(fields: Option<Pattern>) -> Self {
        let tables = [File::proc("net/netstat"), File::proc("net/snmp")];
        Self { tables, six: File::proc("net/snmp6"), words: Words { fields, ..Words::default() } }
    }
}

impl Words {
    fn show_table(&mut self, said: Text<'_>, samples: &mut Samples) -> Result<(), Blank> {
        let mut lines = said.text.lines();
        while let Some(heading) = lines.next() {
            let odd = || said.odd("a line of names and its line of numbers do not match");
            let (protocol, names) = heading.split_once(':').ok_or_else(odd)?;
            let numbers = lines.next().and_then(|line| line.strip_prefix(protocol));
            let numbers = numbers.and_then(|rest| rest.strip_prefix(':')).ok_or_else(odd)?;
            let mut numbers = numbers.split_ascii_whitespace();
            for name in names.split_ascii_whitespace() {
                let value = numbers.next().ok_or_else(odd)?;
                if self.wants(protocol, name) {
                    self.show(protocol, name, number(said.path, Some(value))?, samples);
                }
            }
            if numbers.next().is_some() {
                return Err(odd());
            }
        }
        Ok(())
    }

    fn show_six(&mut self, said: Text<'_>, samples: &mut Samples) -> Result<(), Blank> {
        for line in said.text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(field) = words.next() else { continue };
            // `Ip6InReceives`, `UdpLite6InErrors`.
            let Some((protocol, name)) = field.split_once('6') else { continue };
            let protocol = field.get(..=protocol.len()).unwrap_or(protocol);
            if self.wants(protocol, name) {
                self.show(protocol, name, number(said.path, words.next())?, samples);
            }
        }
        Ok(())
    }

    fn wants(&mut self, protocol: &str, name: &str) -> bool {
        match &self.fields {
            None => is_wanted(protocol, name),
            Some(fields) => fields.matches(join(&mut self.name, &[protocol, "_", name])),
        }
    }

    fn show(&mut self, protocol: &str, name: &str, value: f64, samples: &mut Samples) {
        let help = join(&mut self.help, &["Statistic ", protocol, name, "."]);
        let name = join(&mut self.name, &["node_netstat_", protocol, "_", name]);
        samples.family(name, help, Type::Untyped).row(&[], value);
    }
}

fn is_wanted(protocol: &str, name: &str) -> bool {
    matches!(name, "InErrors" | "InErrs") && is_word(protocol)
        || protocol == "TcpExt"
            && (name.starts_with("Listen") || name.starts_with("Syncookies"))
            && is_word(name)
        || FIELDS.iter().any(|(known, names)| *known == protocol && names.contains(&name))
}
