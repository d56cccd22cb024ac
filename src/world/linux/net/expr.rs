//! Expressions of `nf_tables` rules, and which option of the kernel each of them needs.
//!
//! The numbers are those of `include/uapi/linux/netfilter/nf_tables.h`; registers hold what one
//! expression hands to the next, and register 1 is enough.

use std::net::IpAddr;

use crate::world::{
    linux::net::netlink::Attrs,
    net::{Harm, Network, Packets, Protocol, Wait},
};

/// Which rules a table has: those of `inet` chains, or those of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// `NFPROTO_INET`.
    Inet,
    /// `NFPROTO_NETDEV`.
    Netdev,
}

/// One expression.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    name: &'static str,
    data: Attrs,
}

/// The name of the counter of packets that fit.
pub(super) const SEEN: &str = "seen";
/// The name of the counter of packets that came to harm.
pub(super) const HARMED: &str = "harmed";

impl Expr {
    /// As the kernel takes it.
    pub(super) fn attrs(&self) -> Attrs {
        Attrs::new().text(1, self.name).nest(2, &self.data)
    }

    /// The option that a kernel must have been built with.
    pub(super) fn option(&self) -> &'static str {
        match self.name {
            "numgen" => "CONFIG_NFT_NUMGEN",
            "limit" => "CONFIG_NFT_LIMIT",
            "reject" => "CONFIG_NFT_REJECT_INET",
            "redir" => "CONFIG_NFT_REDIR",
            "fwd" => "CONFIG_NFT_FWD_NETDEV",
            "socket" => "CONFIG_NFT_SOCKET and CONFIG_SOCK_CGROUP_DATA",
            _ => "CONFIG_NF_TABLES",
        }
    }

    /// `NFT_META_*` into the register.
    fn meta(key: u32) -> Self {
        Self { name: "meta", data: Attrs::new().be32(2, key).be32(1, 1) }
    }

    /// Bytes of a header (1: network, 2: transport) into the register.
    fn payload(base: u32, offset: u32, length: u32) -> Self {
        let data = Attrs::new().be32(1, 1).be32(2, base).be32(3, offset).be32(4, length);
        Self { name: "payload", data }
    }

    /// Goes on if the register compares so (0: equal, 1: not equal, 2: less).
    fn compare(how: u32, with: &[u8]) -> Self {
        let data = Attrs::new().be32(1, 1).be32(2, how).nest(3, &Attrs::new().raw(1, with));
        Self { name: "cmp", data }
    }

    fn is(with: &[u8]) -> Self {
        Self::compare(0, with)
    }

    /// Keeps the bits of `mask` in the register.
    fn and(mask: &[u8]) -> Self {
        let length = u32::try_from(mask.len()).unwrap_or(0);
        let data = Attrs::new().be32(1, 1).be32(2, 1).be32(3, length);
        let data = data.nest(4, &Attrs::new().raw(1, mask));
        Self { name: "bitwise", data: data.nest(5, &Attrs::new().raw(1, &vec![0; mask.len()])) }
    }

    /// Counts.
    fn count(name: &str) -> Self {
        Self { name: "objref", data: Attrs::new().be32(1, 1).text(2, name) }
    }

    /// A verdict: 0 drops, -5 goes back to where the chain was called.
    fn verdict(code: i32) -> Self {
        let code = u32::from_ne_bytes(code.to_ne_bytes());
        let data = Attrs::new().nest(2, &Attrs::new().be32(1, code));
        Self { name: "immediate", data: Attrs::new().be32(1, 0).nest(2, &data) }
    }

    /// Goes on in `share` of 10,000 cases.
    fn chance(share: u32) -> [Self; 3] {
        let data = Attrs::new().be32(1, 1).be32(2, 10_000).be32(3, 1).be32(4, 0);
        let order = Attrs::new().be32(1, 1).be32(2, 1).be32(3, 1).be32(4, 4).be32(5, 4);
        [
            Self { name: "numgen", data },
            Self { name: "byteorder", data: order },
            Self::compare(2, &share.to_be_bytes()),
        ]
    }

    /// Goes on when more than `rate` bytes a second came.
    fn over(rate: u64, burst: u32) -> Self {
        let data = Attrs::new().be64(1, rate).be64(2, 1).be32(3, burst).be32(4, 1).be32(5, 1);
        Self { name: "limit", data }
    }

    /// Refuses (1: TCP reset; 2: ICMP of either version).
    fn refuse(how: u32, code: u8) -> Self {
        Self { name: "reject", data: Attrs::new().be32(1, how).raw(2, &[code]) }
    }

    /// A value into the register.
    fn value(it: &[u8]) -> Self {
        let data = Attrs::new().be32(1, 1).nest(2, &Attrs::new().raw(1, it));
        Self { name: "immediate", data }
    }

    /// Leads to the port in the register.
    fn redirect(port: u16) -> [Self; 2] {
        let redirect = Self { name: "redir", data: Attrs::new().be32(1, 1) };
        [Self::value(&port.to_be_bytes()), redirect]
    }

    /// Names the class of the queue that it will be put in (`NFT_META_PRIORITY`).
    fn classify(class: u16) -> [Self; 2] {
        let class = u32::from(Wait::MAJOR) << 16 | u32::from(class);
        let set = Self { name: "meta", data: Attrs::new().be32(2, 2).be32(3, 1) };
        [Self::value(&class.to_ne_bytes()), set]
    }

    /// Hands it to a device, by the device's number.
    fn forward(device: u32) -> [Self; 2] {
        let forward = Self { name: "fwd", data: Attrs::new().be32(1, 1) };
        [Self::value(&device.to_ne_bytes()), forward]
    }

    /// The cgroup of the packet's socket, at a depth below the root, into the register.
    fn cgroup(depth: u32) -> Self {
        Self { name: "socket", data: Attrs::new().be32(1, 3).be32(2, 1).be32(3, depth) }
    }
}

/// Ours are those that come: then the other side is the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Comes,
    Leaves,
}

/// Where to find a cgroup: its number, and how deep it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cgroup {
    pub(super) id: u64,
    pub(super) depth: u32,
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The rules of one chain, in order.
pub(super) fn rules(
    (family, way): (Family, Way),
    packets: &Packets,
    cgroup: Option<Cgroup>,
    harm: Harm,
) -> Vec<Vec<Expr>> {
    let mut all = Vec::new();
    for port in &packets.spared {
        // On the loopback device, this machine is either side.
        for source in [true, false] {
            let mut rule = carries(TCP);
            rule.extend(port_is(source, *port));
            rule.push(Expr::verdict(-5));
            all.push(rule);
        }
    }
    if harm == Harm::Refuse {
        all.extend(refusals());
    }
    for carried in carried(packets, harm) {
        let mut fits = Vec::new();
        fits.extend(packets.network.iter().flat_map(|it| address(family, way, *it)));
        fits.extend(carried.iter().flat_map(|it| carries(*it)));
        let far = packets.port.map(|it| port_is(way == Way::Comes, it));
        let near = packets.local_port.map(|it| port_is(way == Way::Leaves, it));
        fits.extend(far.into_iter().chain(near).flatten());
        if let Some(user) = packets.user {
            fits.extend([Expr::meta(10), Expr::is(&user.to_ne_bytes())]);
        }
        if let Some(it) = cgroup {
            fits.extend([Expr::cgroup(it.depth), Expr::is(&it.id.to_ne_bytes())]);
        }
        if let Harm::Redirect { mark, .. } = harm {
            fits.extend([Expr::meta(3), Expr::compare(1, &mark.to_ne_bytes())]);
            if carried == Some(TCP) {
                fits.extend(begins());
            }
        }
        fits.push(Expr::count(SEEN));
        fits.extend(harmed(harm, carried));
        all.push(fits);
    }
    all
}

/// Rules that let refusals through: ours would meet the same rules on their way back.
fn refusals() -> [Vec<Expr>; 3] {
    let mut reset = carries(TCP);
    reset.extend([Expr::payload(2, 13, 1), Expr::and(&[4]), Expr::is(&[4]), Expr::verdict(-5)]);
    let [icmp, icmp6] = [(1, 3), (58, 1)].map(|(protocol, unreachable)| {
        let mut rule = carries(protocol);
        rule.extend([Expr::payload(2, 0, 1), Expr::is(&[unreachable]), Expr::verdict(-5)]);
        rule
    });
    [reset, icmp, icmp6]
}

/// Which protocols have a rule of their own: ports and refusals differ by them.
fn carried(packets: &Packets, harm: Harm) -> Vec<Option<u8>> {
    let ports = packets.port.is_some() || packets.local_port.is_some();
    match packets.protocol {
        Some(Protocol::Tcp) => vec![Some(TCP)],
        Some(Protocol::Udp) => vec![Some(UDP)],
        Some(Protocol::Icmp) => vec![Some(1), Some(58)],
        None if ports => vec![Some(TCP), Some(UDP)],
        None if harm == Harm::Refuse => vec![Some(TCP), None],
        None => vec![None],
    }
}

fn carries(protocol: u8) -> Vec<Expr> {
    vec![Expr::meta(16), Expr::is(&[protocol])]
}

/// That a packet of TCP begins a connection: SYN without ACK. A kernel that has just begun to
/// follow connections takes those that stand already for new ones.
fn begins() -> [Expr; 3] {
    [Expr::payload(2, 13, 1), Expr::and(&[0x12]), Expr::is(&[0x02])]
}

fn port_is(source: bool, port: u16) -> [Expr; 2] {
    [Expr::payload(2, if source { 0 } else { 2 }, 2), Expr::is(&port.to_be_bytes())]
}

/// That the other side is in `network`.
fn address(family: Family, way: Way, network: Network) -> Vec<Expr> {
    let (ether, version, octets, at) = match (network.address, way) {
        (IpAddr::V4(it), Way::Comes) => (0x0800_u16, 2, it.octets().to_vec(), 12),
        (IpAddr::V4(it), Way::Leaves) => (0x0800, 2, it.octets().to_vec(), 16),
        (IpAddr::V6(it), Way::Comes) => (0x86dd, 10, it.octets().to_vec(), 8),
        (IpAddr::V6(it), Way::Leaves) => (0x86dd, 10, it.octets().to_vec(), 24),
    };
    let mask: Vec<u8> = (0_u8..)
        .zip(&octets)
        .map(|(n, _)| match network.prefix.saturating_sub(8 * n) {
            8.. => 0xff,
            bits => !0xff_u8.checked_shr(bits.into()).unwrap_or(0),
        })
        .collect();
    let common: Vec<u8> = octets.iter().zip(&mask).map(|(a, b)| a & b).collect();
    let length = u32::try_from(octets.len()).unwrap_or(0);
    let mut all = match family {
        Family::Inet => vec![Expr::meta(15), Expr::is(&[version])],
        Family::Netdev => vec![Expr::meta(1), Expr::is(&ether.to_be_bytes())],
    };
    all.push(Expr::payload(1, at, length));
    if mask.iter().any(|it| *it != 0xff) {
        all.push(Expr::and(&mask));
    }
    all.push(Expr::is(&common));
    all
}

/// What becomes of a packet that fits.
fn harmed(harm: Harm, carried: Option<u8>) -> Vec<Expr> {
    let mut all = Vec::new();
    match harm {
        Harm::Lose(share) if share < 10_000 => all.extend(Expr::chance(share)),
        Harm::Limit { rate, burst } => all.push(Expr::over(rate, burst)),
        Harm::Lose(_) | Harm::Refuse | Harm::Redirect { .. } | Harm::Wait { .. } => {}
    }
    all.push(Expr::count(HARMED));
    match harm {
        Harm::Lose(_) | Harm::Limit { .. } => all.push(Expr::verdict(0)),
        Harm::Refuse if carried == Some(TCP) => all.push(Expr::refuse(1, 0)),
        Harm::Refuse => all.push(Expr::refuse(2, 3)),
        Harm::Redirect { port, .. } => all.extend(Expr::redirect(port)),
        Harm::Wait { through: Some(device), .. } => all.extend(Expr::forward(device)),
        Harm::Wait { class, through: None } => all.extend(Expr::classify(class)),
    }
    all
}
