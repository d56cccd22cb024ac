//! Everything that packets meet on this machine: tables of rules, and devices' queues. Only looked
//! at.
//!
//! The numbers are those of `linux/netfilter/nf_tables.h`, `linux/rtnetlink.h` and
//! `linux/pkt_sched.h`.

use std::collections::BTreeMap;

use rustix::io::Errno;

use crate::world::{
    host::HostError,
    linux::net::{
        netlink::attr,
        nft,
        queues::{GET_CLASS, GET_FILTER, GET_QUEUE, Queue, links, listed, text},
    },
    netlink::{DUMP, Netlink, Subject, message},
};

/// `NFT_MSG_NEWTABLE` and `NFT_MSG_GETTABLE`, in their subsystem.
const TABLE: (u16, u16) = (10 << 8, (10 << 8) + 1);
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
    let devices: BTreeMap<u32, String> =
        links(&mut kernel)?.into_iter().map(|it| (it.number, it.name)).collect();
    let queues = listed(&mut kernel, GET_QUEUE, (0, 0))?;
    let name = |device: u32| devices.get(&device).map_or("?", String::as_str);
    let mut all: Vec<String> =
        queues.iter().map(|it| words(it, name(it.device), "queue")).collect();
    // A device without a queue has neither classes nor filters.
    for (device, handle) in queues.iter().map(|it| (it.device, it.handle)) {
        let mut of = |kind: u16, parent: u32, what: &str| {
            // A queue that has gone meanwhile has nothing.
            let found = listed(&mut kernel, kind, (device, parent)).unwrap_or_default();
            all.extend(found.iter().map(|it| words(it, name(device), what)));
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

fn words(it: &Queue, device: &str, what: &str) -> String {
    let of = |it: u32| format!("{:x}:{:x}", it >> 16, it & 0xffff);
    let (kind, handle, parent) = (&it.kind, of(it.handle), of(it.parent));
    format!("{device}: {what} {kind} {handle} at {parent}")
}
