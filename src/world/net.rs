//! The machine's network: tables of packet rules, and connections.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::world::host::{HostError, Sent};

/// What can be done to a machine's network, and seen of it.
pub trait Net: Send + Sync {
    /// Whether the kernel would take this table. It is asked to check it, and not to have it.
    fn rehearse(&self, table: &Table) -> Result<(), HostError>;
    /// Local TCP ports at which people log in to this machine.
    fn login_ports(&self) -> Result<Vec<u16>, HostError>;
    /// TCP connections that stand, in the order of their ports and addresses.
    fn connections(&self) -> Result<Vec<Connection>, HostError>;
    /// Whether the kernel and this process's powers allow connections to be ended.
    fn can_reset(&self) -> Result<(), HostError>;
    /// Ends exactly this connection, for both of its sides.
    fn reset(&self, which: &Connection) -> Result<Sent, HostError>;
    /// Every table of packet rules there is, by family and name.
    fn tables(&self) -> Result<Vec<String>, HostError>;
    /// Every queue of a network device, and its classes and filters.
    fn queues(&self) -> Result<Vec<String>, HostError>;
    /// By which devices packets to and from `network` go, where the kernel can keep them waiting;
    /// says why if it cannot. Nothing is changed.
    fn roads(&self, way: Direction, network: Option<Network>) -> Result<Roads, HostError>;
    /// Makes the queues in which packets wait; by themselves they touch none.
    fn make_wait(&self, it: &Wait) -> Result<(), HostError>;
    /// What of it stands, and what has passed it; none if nothing stands.
    fn waited(&self, it: &Wait) -> Result<Option<Waited>, HostError>;
    /// Takes the queues away. What still waits in them is lost.
    fn end_wait(&self, it: &Wait) -> Result<(), HostError>;
}

/// The network devices that packets pass, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roads {
    /// By which they leave. The kernel put up their queues by itself, and would again.
    pub exits: Vec<String>,
    /// By which they come from elsewhere.
    pub entries: Vec<String>,
}

/// Queues of the kernel in which packets wait before they go on (`sch_netem`). A device's own queue
/// becomes a class-based one (`sch_htb`), in which only a class of this act's waits; what comes
/// from elsewhere is handed through a device of this act's own (`ifb`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// The number of the class.
    pub class: u16,
    /// The name of the device for what comes from elsewhere; none if nothing does.
    pub inlet: Option<String>,
    /// The devices.
    pub roads: Roads,
    /// So long, in microseconds.
    pub micros: u64,
    /// So much longer or shorter at most.
    pub jitter_micros: u64,
}

impl Wait {
    /// The major number of the queues that are ours.
    pub const MAJOR: u16 = 0x4846;

    /// For the act that bears `mark`, which is a run and a number. Runs of other state folders may
    /// have classes at the same devices; so each run's begin at a number of its own.
    pub fn of(mark: &str, roads: Roads, (micros, jitter_micros): (u64, u64)) -> Self {
        let (run, number) = mark.rsplit_once('/').unwrap_or((mark, "1"));
        let number = number.parse().unwrap_or(1_u32) & 0xffff;
        let tail = run.get(run.len().saturating_sub(8)..).unwrap_or_default();
        let first = u32::from_str_radix(tail, 16).unwrap_or_default();
        let class = u16::try_from(first.wrapping_add(number) % 0xfff0).unwrap_or_default() + 1;
        // The kernel allows 15 letters.
        let inlet = (!roads.entries.is_empty()).then(|| format!("hf{tail}-{number:x}"));
        Self { class, inlet, roads, micros, jitter_micros }
    }
}

/// What queues have seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waited {
    /// Packets that have waited and gone on.
    pub passed: u64,
    /// Packets that wait.
    pub waiting: u64,
}

/// A TCP connection, as this machine holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// This machine's side.
    pub local: SocketAddr,
    /// The other side.
    pub peer: SocketAddr,
    /// The device that it is bound to, 0 if none.
    pub device: u32,
    /// What the kernel calls it, and will call no other until the next boot.
    pub cookie: u64,
    /// The user whose it is.
    pub user: u32,
}

/// A set of addresses: those whose first `prefix` bits are these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// One of them.
    pub address: IpAddr,
    /// How many bits they have in common.
    pub prefix: u8,
}

impl Network {
    /// Whether an address is one of them.
    pub fn has(self, it: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let differs = (a ^ b).checked_shr(width.saturating_sub(u32::from(self.prefix)));
            differs.unwrap_or(0) == 0
        };
        match (self.address, it) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                self.prefix == 0 || same(a.to_bits(), b.to_bits(), 128)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// What is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, and ICMP for IPv6.
    Icmp,
}

/// Packets; all that is said must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packets {
    /// The other side.
    pub network: Option<Network>,
    /// The other side's port.
    pub port: Option<u16>,
    /// This machine's port.
    pub local_port: Option<u16>,
    /// What they carry.
    pub protocol: Option<Protocol>,
    /// The user whose socket sends them.
    pub user: Option<u32>,
    /// The control group (version 2) whose socket sends or gets them: a path from its root.
    pub cgroup: Option<String>,
    /// TCP ports that are left alone, whoever's they are.
    pub spared: Vec<u16>,
}

impl Packets {
    /// Whether a connection carries such packets.
    pub fn fit(&self, it: &Connection) -> bool {
        let peer = it.peer.ip().to_canonical();
        let spared =
            self.spared.contains(&it.local.port()) || self.spared.contains(&it.peer.port());
        !spared
            && self.network.is_none_or(|net| net.has(peer))
            && self.port.is_none_or(|port| port == it.peer.port())
            && self.local_port.is_none_or(|port| port == it.local.port())
            && self.user.is_none_or(|user| user == it.user)
    }
}

/// Where packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To this machine.
    In,
    /// From this machine.
    Out,
    /// Either way.
    Both,
}

/// Where packets that leave are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// On their way into a network device: who sent them is not told that they were lost.
    Device,
    /// As the socket sends them: who sends a datagram is told that it may not.
    Socket,
}

/// What becomes of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// So many of ten thousand are lost.
    Lose(u32),
    /// They are refused: TCP with a reset, anything else with "administratively prohibited".
    Refuse,
    /// Those that come faster than so many bytes a second are lost; so many may come at once.
    Limit {
        /// Bytes a second.
        rate: u64,
        /// Bytes at once.
        burst: u32,
    },
    /// New connections and datagrams go to a port of this machine instead, unless they bear `mark`.
    Redirect {
        /// The port.
        port: u16,
        /// What is on packets of our own.
        mark: u32,
    },
    /// They go to the class of a [`Wait`].
    Wait {
        /// The class.
        class: u16,
        /// The device that they are handed to instead, by its number.
        through: Option<u32>,
    },
}

/// Rules for packets, which stand as long as the process that holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What it is called; the run's mark is in it.
    pub name: String,
    /// Which packets.
    pub packets: Packets,
    /// Which way.
    pub direction: Direction,
    /// Where those that leave are met.
    pub exit: Exit,
    /// What becomes of them.
    pub harm: Harm,
    /// Those that come from elsewhere are handed to the first of these devices when they come by
    /// one of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inlet: Option<(String, Vec<String>)>,
}

impl Table {
    /// The name of the table of the act that bears `mark`, as the kernel takes it.
    pub fn name_of(mark: &str) -> String {
        format!("holdfast-{}", mark.replace('/', "-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_s_queues_bear_its_number_and_its_run_s_last_letters() {
        let roads = Roads { exits: vec!["lo".to_owned()], entries: vec!["eth0".to_owned()] };
        let it = Wait::of("20261123T010203Z-0badcafe/12", roads.clone(), (1, 0));
        let class = u16::try_from((0x0bad_cafe + 12) % 0xfff0 + 1).unwrap();
        assert_eq!((it.class, it.inlet.as_deref()), (class, Some("hf0badcafe-c")));
        assert_eq!(Wait::of("r/0", Roads::default(), (1, 0)).inlet, None);
        let last = Wait::of("20261123T010203Z-0badcafe/65520", roads, (1, 0));
        assert!(last.inlet.is_some_and(|it| it.len() == 15));
    }

    #[test]
    fn a_network_has_its_own_addresses_and_no_others() {
        for (address, prefix, inside, outside) in [
            ("10.0.0.0", 8, "10.255.1.2", "11.0.0.0"),
            ("10.0.0.7", 32, "10.0.0.7", "10.0.0.6"),
            ("192.168.4.0", 22, "192.168.7.255", "192.168.8.0"),
            ("2001:db8::", 32, "2001:db8:ffff::1", "2001:db9::"),
            ("::1", 128, "::1", "::2"),
            ("10.0.0.0", 8, "10.0.0.1", "::1"),
        ] {
            let network = Network { address: address.parse().unwrap(), prefix };
            assert!(network.has(inside.parse().unwrap()), "{network:?} {inside}");
            assert!(!network.has(outside.parse().unwrap()), "{network:?} {outside}");
        }
    }
}
