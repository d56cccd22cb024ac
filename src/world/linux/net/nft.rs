//! Tables of the kernel's packet filter that die with their socket, and so with their process.
//!
//! They bear the owner flag of `nf_tables` (Linux 5.12): the kernel removes them when the socket
//! that made them is closed, and nobody else can change them.

use std::{convert::Infallible, time::Duration};

use rustix::{io::Errno, net::netlink};

use crate::world::{
    host::HostError,
    linux::{
        hold::{self, Counts},
        net::{
            devices,
            expr::{self, Expr, Family, HARMED, SEEN, Way},
            netlink::{ACK, APPEND, Attrs, CREATE, Message, Socket, attr},
            waiting,
        },
    },
    net::{Direction, Exit, Harm, Table},
    netlink::message,
    thread,
};

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// The first message of the subsystem.
const MESSAGES: u16 = SUBSYSTEM << 8;
const NEW_TABLE: u16 = MESSAGES;
const NEW_CHAIN: u16 = MESSAGES + 3;
const NEW_RULE: u16 = MESSAGES + 6;
const NEW_OBJECT: u16 = MESSAGES + 18;
const GET_OBJECT: u16 = MESSAGES + 19;
/// `NFT_TABLE_F_OWNER`.
const OWNER: u32 = 2;
/// How often a holder says what it has counted.
const COUNTS_EVERY: Duration = Duration::from_millis(20);

/// A table that stands as long as this value does.
pub struct Owned {
    socket: Socket,
    name: String,
    families: Vec<Family>,
}

/// One chain, and where it is hooked in.
struct Chain {
    name: &'static str,
    family: Family,
    way: Way,
    kind: &'static str,
    hook: u32,
    priority: i32,
    /// The devices that it is hooked in at, if not at all by which packets leave.
    devices: Option<Vec<String>>,
    harm: Harm,
}

/// The loopback device: what leaves by it comes by it, too.
const LOOPBACK: &str = "lo";

impl Family {
    /// `NFPROTO_*`.
    fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Netdev => 5,
        }
    }
}

impl Chain {
    /// The chains of a table. What comes is met before anything else sees it, so that it looks as
    /// if the network had lost it.
    fn all(table: &Table) -> Vec<Self> {
        let nat = matches!(table.harm, Harm::Redirect { .. });
        let inet = |name, way, hook, priority| {
            let (kind, priority) = if nat { ("nat", -100) } else { ("filter", priority) };
            let (family, devices, harm) = (Family::Inet, None, table.harm);
            Self { name, family, way, kind, hook, priority, devices, harm }
        };
        let leaves = match table.exit {
            Exit::Device if !nat => Self::at_devices("out", Way::Leaves, (1, None), table.harm),
            Exit::Device | Exit::Socket => inet("out", Way::Leaves, 3, 0),
        };
        let comes = match table.harm {
            Harm::Wait { class, .. } => Self::waits(table, class),
            _ => vec![inet("in", Way::Comes, 0, -300)],
        };
        match table.direction {
            Direction::In => comes,
            Direction::Out => vec![leaves],
            Direction::Both => comes.into_iter().chain([leaves]).collect(),
        }
    }

    /// What comes by the loopback device waits as it leaves there; what comes from elsewhere is
    /// handed to a device of ours, where it waits as it leaves.
    fn waits(table: &Table, class: u16) -> Vec<Self> {
        let loopback = Some(vec![LOOPBACK.to_owned()]);
        let back = Self::at_devices("back", Way::Comes, (1, loopback), table.harm);
        let inlet = table.inlet.as_ref().map(|(inlet, devices)| {
            // While it is only rehearsed there is no such device yet.
            let through = Some(waiting::number_of(inlet).unwrap_or(1));
            let harm = Harm::Wait { class, through };
            Self::at_devices("in", Way::Comes, (0, Some(devices.clone())), harm)
        });
        inlet.into_iter().chain([back]).collect()
    }

    fn at_devices(
        name: &'static str,
        way: Way,
        (hook, devices): (u32, Option<Vec<String>>),
        harm: Harm,
    ) -> Self {
        let (family, kind, priority) = (Family::Netdev, "filter", 0);
        Self { name, family, way, kind, hook, priority, devices, harm }
    }

    fn attrs(&self, table: &str, exits: &[String]) -> Attrs {
        let mut at = Attrs::new().be32(1, self.hook).raw(2, &self.priority.to_be_bytes());
        if self.family == Family::Netdev {
            let devices = self.devices.as_deref().unwrap_or(exits);
            let list = devices.iter().fold(Attrs::new(), |list, it| list.text(1, it));
            at = at.nest(4, &list);
        }
        Attrs::new().text(1, table).text(3, self.name).nest(4, &at).text(7, self.kind)
    }
}

/// Messages that are done all at once or not at all.
struct Batch {
    bytes: Vec<u8>,
    seq: u32,
}

impl Batch {
    fn begin() -> Self {
        let mut it = Self { bytes: Vec::new(), seq: 0 };
        it.put((BATCH_BEGIN, 0), (0, SUBSYSTEM), &[]);
        it
    }

    fn put(&mut self, (kind, flags): (u16, u16), (family, resource): (u8, u16), body: &[u8]) {
        let [high, low] = resource.to_be_bytes();
        let body = [&[family, 0, high, low], body].concat();
        self.bytes.extend(message(kind, flags, self.seq, &body));
        self.seq += 1;
    }

    fn add(&mut self, family: Family, kind: u16, flags: u16, body: &Attrs) {
        self.put((kind, CREATE | ACK | flags), (family.number(), 0), &body.0);
    }

    /// All but its end, without which the kernel checks everything and does nothing.
    fn of(table: &Table) -> Result<Self, HostError> {
        let cgroup = table.packets.cgroup.as_deref().map(devices::cgroup).transpose()?;
        let devices = devices::exits()?;
        let chains = Chain::all(table);
        let mut it = Self::begin();
        for family in families(&chains) {
            let owned = Attrs::new().text(1, &table.name).be32(2, OWNER);
            it.add(family, NEW_TABLE, 0, &owned);
            for counter in [SEEN, HARMED] {
                let counts = Attrs::new().text(1, &table.name).text(2, counter).be32(3, 1);
                it.add(family, NEW_OBJECT, 0, &counts.nest(4, &Attrs::new()));
            }
        }
        for chain in chains {
            it.add(chain.family, NEW_CHAIN, 0, &chain.attrs(&table.name, &devices));
            let at = (chain.family, chain.way);
            for rule in expr::rules(at, &table.packets, cgroup, chain.harm) {
                let list = rule.iter().fold(Attrs::new(), |list, it| list.nest(1, &it.attrs()));
                let body = Attrs::new().text(1, &table.name).text(2, chain.name);
                it.add(chain.family, NEW_RULE, APPEND, &body.nest(4, &list));
            }
        }
        Ok(it)
    }

    fn end(mut self) -> Vec<u8> {
        self.put((BATCH_END, 0), (0, SUBSYSTEM), &[]);
        self.bytes
    }
}

fn families(chains: &[Chain]) -> Vec<Family> {
    let mut all: Vec<Family> = chains.iter().map(|it| it.family).collect();
    all.sort();
    all.dedup();
    all
}

impl Owned {
    /// Puts a table in place.
    pub fn stand(table: &Table) -> Result<Self, HostError> {
        Self::stand_by(open()?, table)
    }

    /// The same, by a socket that is open already.
    pub(super) fn stand_by(socket: Socket, table: &Table) -> Result<Self, HostError> {
        let batch = Batch::of(table)?;
        socket.ask(&batch.end()).map_err(|why| said(table, why))?;
        let families = families(&Chain::all(table));
        Ok(Self { socket, name: table.name.clone(), families })
    }

    /// What it has counted.
    pub fn counts(&self) -> Result<Counts, HostError> {
        let mut all = Counts::default();
        for family in &self.families {
            all.seen += self.count(*family, SEEN)?;
            all.harmed += self.count(*family, HARMED)?;
        }
        Ok(all)
    }

    fn count(&self, family: Family, counter: &str) -> Result<u64, HostError> {
        let body = Attrs::new().text(1, &self.name).text(2, counter).be32(3, 1).0;
        let body = [&[family.number(), 0, 0, 0], body.as_slice()].concat();
        let no = |why: &dyn std::fmt::Display| HostError::os("count packets", why);
        let answer = self.socket.ask(&message(GET_OBJECT, 0, 0, &body));
        let answer = answer.map_err(|why| no(&why))?;
        answer.iter().find_map(packets).ok_or_else(|| no(&"the kernel's answer is malformed"))
    }
}

/// The packets of a counter.
fn packets(it: &Message) -> Option<u64> {
    let data = (it.kind == NEW_OBJECT).then(|| attr(it.body.get(4..)?, 4))??;
    Some(u64::from_be_bytes(attr(data, 2)?.try_into().ok()?))
}

/// Puts a table in place, says so, and counts until the kernel ends us.
pub fn hold(table: &Table) -> Result<Infallible, String> {
    let owned = Owned::stand(table).map_err(|why| why.to_string())?;
    loop {
        hold::count(owned.counts().map_err(|why| why.to_string())?);
        thread::nap(COUNTS_EVERY);
    }
}

/// Has the kernel check a table, and not do it.
pub(super) fn rehearse(table: &Table) -> Result<(), HostError> {
    let socket = open()?;
    match socket.ask(&Batch::of(table)?.bytes) {
        Ok(_) => Ok(()),
        Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::INVAL) => {
            Err(missing(&socket, table).unwrap_or_else(|| said(table, Errno::OPNOTSUPP)))
        }
        Err(why) => Err(said(table, why)),
    }
}

/// Opens a socket whose tables die with it.
pub(super) fn open() -> Result<Socket, HostError> {
    Socket::open(Some(netlink::NETFILTER)).map_err(|why| match why {
        Errno::PROTONOSUPPORT => lacks("CONFIG_NETFILTER_NETLINK and CONFIG_NF_TABLES"),
        why => HostError::os("open a netlink socket", why),
    })
}

/// What of a table this kernel does not have: each part is tried alone.
fn missing(socket: &Socket, table: &Table) -> Option<HostError> {
    let tried = |body: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::begin();
        body(&mut batch);
        socket.ask(&batch.bytes)
    };
    let owned = |flags| Attrs::new().text(1, &table.name).be32(2, flags);
    if tried(&|it| it.add(Family::Inet, NEW_TABLE, 0, &owned(0))).is_err() {
        return Some(lacks("CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET"));
    }
    if tried(&|it| it.add(Family::Inet, NEW_TABLE, 0, &owned(OWNER))).is_err() {
        return Some(lacks("Linux 5.12, whose tables have owners"));
    }
    let devices = devices::exits().ok()?;
    for chain in Chain::all(table) {
        let stands = |it: &mut Batch| {
            it.add(chain.family, NEW_TABLE, 0, &owned(OWNER));
            it.add(chain.family, NEW_CHAIN, 0, &chain.attrs(&table.name, &devices));
        };
        if tried(&stands).is_err() {
            return Some(lacks(option(&chain)));
        }
        let cgroup = Some(expr::Cgroup { id: 1, depth: 1 });
        let at = (chain.family, chain.way);
        for it in expr::rules(at, &table.packets, cgroup, chain.harm).iter().flatten() {
            if !tried(&|batch| alone(batch, &chain, table, (it, &devices))).is_err_and(unknown) {
                continue;
            }
            return Some(lacks(it.option()));
        }
    }
    None
}

/// A rule of one expression.
fn alone(batch: &mut Batch, chain: &Chain, table: &Table, (it, devices): (&Expr, &[String])) {
    batch.add(chain.family, NEW_TABLE, 0, &Attrs::new().text(1, &table.name).be32(2, OWNER));
    for counter in [SEEN, HARMED] {
        let counts = Attrs::new().text(1, &table.name).text(2, counter).be32(3, 1);
        batch.add(chain.family, NEW_OBJECT, 0, &counts.nest(4, &Attrs::new()));
    }
    batch.add(chain.family, NEW_CHAIN, 0, &chain.attrs(&table.name, devices));
    let body = Attrs::new().text(1, &table.name).text(2, chain.name);
    let body = body.nest(4, &Attrs::new().nest(1, &it.attrs()));
    batch.add(chain.family, NEW_RULE, APPEND, &body);
}

/// The kernel does not know it.
fn unknown(why: Errno) -> bool {
    matches!(why, Errno::NOENT | Errno::OPNOTSUPP)
}

fn option(chain: &Chain) -> &'static str {
    match (chain.family, chain.kind) {
        (Family::Netdev, _) if chain.hook == 0 => "CONFIG_NF_TABLES_NETDEV",
        (Family::Netdev, _) => "CONFIG_NF_TABLES_NETDEV and CONFIG_NETFILTER_EGRESS (Linux 5.16)",
        (Family::Inet, "nat") => "CONFIG_NFT_NAT",
        (Family::Inet, _) => "CONFIG_NF_TABLES_INET",
    }
}

fn lacks(option: &str) -> HostError {
    HostError::os("filter packets", format!("this kernel lacks {option}"))
}

fn said(table: &Table, why: Errno) -> HostError {
    let what = "filter packets";
    match why {
        Errno::PERM => HostError::os(
            what,
            "CAP_NET_ADMIN is needed: run as root, or in a network of your own, as \
             `unshare -Urn` makes one",
        ),
        Errno::EXIST => HostError::os(what, format!("a table `{}` is there already", table.name)),
        why => HostError::os(what, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::net::Packets;

    #[test]
    fn every_part_of_a_table_names_the_option_that_it_needs() {
        let needs = |harm: Harm| {
            let packets = Packets { port: Some(1), ..Packets::default() };
            let rules = expr::rules((Family::Inet, Way::Comes), &packets, None, harm);
            let mut all: Vec<_> = rules.iter().flatten().map(Expr::option).collect();
            all.retain(|it| *it != "CONFIG_NF_TABLES");
            all.dedup();
            all
        };
        assert_eq!(needs(Harm::Lose(1)), ["CONFIG_NFT_NUMGEN"]);
        assert_eq!(needs(Harm::Lose(10_000)), [""; 0]);
        assert_eq!(needs(Harm::Limit { rate: 1, burst: 1 }), ["CONFIG_NFT_LIMIT"]);
        assert_eq!(needs(Harm::Refuse), ["CONFIG_NFT_REJECT_INET"]);
        assert_eq!(needs(Harm::Redirect { port: 1, mark: 1 }), ["CONFIG_NFT_REDIR"]);
        assert_eq!(needs(Harm::Wait { class: 1, through: None }), [""; 0]);
        assert_eq!(needs(Harm::Wait { class: 1, through: Some(1) }), ["CONFIG_NFT_FWD_NETDEV"]);
        let said = lacks("CONFIG_NFT_LIMIT").to_string();
        assert_eq!(said, "could not filter packets: this kernel lacks CONFIG_NFT_LIMIT");
    }
}
