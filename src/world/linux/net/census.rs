//! Everything that packets meet on this machine: tables of rules, and devices' queues. Only looked
//! at.
//!
//! The numbers are those of `linux/netfilter/nf_tables.h`, `linux/rtnetlink.h` and
//! `linux/pkt_sched.h`.

use std::collections::BTreeMap;

use rustix::io::Errno;

use crate::world::{
    host::HostError,
    linux::net::{netlink::attr, nft},
    netlink::{DUMP, Netlink, Subject, attributes, message, number},
};

/// `NFT_MSG_NEWTABLE` and `NFT_MSG_GETTABLE`, in their subsystem.
const TABLE: (u16, u16) = (10 << 8, (10 << 8) + 1);
const GET_LINK: u16 = 18;
const GET_QUEUE: u16 = 38;
const GET_CLASS: u16 = 42;
const GET_FILTER: u16 = 46;
/// Fixed parts of messages: `struct ifinfomsg` and `struct tcmsg`.
const LINK_HEAD: usize = 16;
const QUEUE_HEAD: usize = 20;
/// Where filters of what comes and of what leaves hang at a device (`TC_H_MIN_INGRESS`,
/// `TC_H_MIN_EGRESS`), beside the topmost queue.
const HOOKS: [u32; 2] = [0xffff_fff2, 0xffff_fff3];

/// `inet holdfast-…`, and all others.
pub(super) fn tables() -> Result<Vec<String>, HostError> {
    let socket = nft::open()?;
    // No family: of all families.
    let answer = socket.ask(&message(TABLE.1, DUMP, 0, &[0; 4])).map_err(|why| {
        let what = "list tables of packet rules";
        match why {
            Errno::PERM => HostError::os(what, "CAP_NET_ADMIN is needed"),
            Errno::INVAL | Errno::OPNOTSUPP | Errno::NOENT => {
                HostError::os(what, "this kernel lacks CONFIG_NF_TABLES")
            }
            why => HostError::os(what, why),
        }
    })?;
    let mut all: Vec<String> = answer
        .iter()
        .filter(|it| it.kind == TABLE.0)
        .filter_map(|it| {
            let family = family(*it.body.first()?);
            Some(format!("{family} {}", text(attr(it.body.get(4..)?, 1)?)))
        })
        .collect();
    all.sort();
    Ok(all)
}

/// A family's name, as `nft` says it.
fn family(number: u8) -> String {
    match number {
        1 => "inet".to_owned(),
        2 => "ip".to_owned(),
        3 => "arp".to_owned(),
        5 => "netdev".to_owned(),
        7 => "bridge".to_owned(),
        10 => "ip6".to_owned(),
        other => format!("family {other}"),
    }
}

/// `eth0: queue fq_codel 8001:0`, and all others.
pub(super) fn queues() -> Result<Vec<String>, HostError> {
    look().map_err(|why| HostError::os("list queues of network devices", why))
}

fn look() -> std::io::Result<Vec<String>> {
    let mut kernel = Netlink::new(Subject::Devices);
    let (mut devices, mut queues) = (BTreeMap::new(), Vec::new());
    kernel.dump(GET_LINK, &[0; LINK_HEAD], |it| {
        let name = attributes(it, LINK_HEAD).find(|it| it.0 == 3).map(|it| text(it.1));
        devices.extend(number(it, 4).zip(name));
    })?;
    kernel.dump(GET_QUEUE, &head(0, 0), |it| queues.extend(read(it)))?;
    let name = |device: u32| devices.get(&device).map_or("?", String::as_str);
    let mut all: Vec<String> = queues.iter().map(|it| it.words(name(it.device), "queue")).collect();
    // A device without a queue has neither classes nor filters.
    for (device, handle) in queues.iter().map(|it| (it.device, it.handle)) {
        let mut of = |kind: u16, parent: u32, what: &str| {
            let mut found = Vec::new();
            // A queue that has gone meanwhile has nothing.
            let asked = kernel.dump(kind, &head(device, parent), |it| found.extend(read(it)));
            if asked.is_ok() {
                all.extend(found.iter().map(|it| it.words(name(device), what)));
            }
        };
        of(GET_CLASS, 0, "class");
        for parent in HOOKS.into_iter().chain([handle]) {
            of(GET_FILTER, parent, "filter");
        }
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// `struct tcmsg`.
fn head(device: u32, parent: u32) -> Vec<u8> {
    [0, device, 0, parent, 0].into_iter().flat_map(u32::to_ne_bytes).collect()
}

struct Queue {
    device: u32,
    handle: u32,
    parent: u32,
    kind: String,
}

impl Queue {
    fn words(&self, device: &str, what: &str) -> String {
        let of = |it: u32| format!("{:x}:{:x}", it >> 16, it & 0xffff);
        let (kind, handle, parent) = (&self.kind, of(self.handle), of(self.parent));
        format!("{device}: {what} {kind} {handle} at {parent}")
    }
}

fn read(it: &[u8]) -> Option<Queue> {
    let kind = attributes(it, QUEUE_HEAD).find(|it| it.0 == 1).map(|it| text(it.1));
    Some(Queue {
        device: number(it, 4)?,
        handle: number(it, 8)?,
        parent: number(it, 12)?,
        kind: kind.unwrap_or_default(),
    })
}

/// Text as C has it.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}
