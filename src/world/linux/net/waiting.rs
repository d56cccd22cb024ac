//! Queues in which packets wait (`sch_netem`).
//!
//! Nothing enters them by itself: packets are sent there by a table of rules that dies with its
//! holder, so that queues that outlive it touch nothing. A device's own queue is replaced only
//! where the kernel made it, since the kernel makes the same again.
//!
//! The numbers are those of `linux/rtnetlink.h`, `linux/pkt_sched.h` and `linux/if_link.h`.
#![expect(clippy::disallowed_methods, reason = "this is the wall: the machine is looked at here")]

use std::{
    fs, io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rustix::io::Errno;

use crate::world::{
    host::HostError,
    linux::net::{
        devices,
        netlink::{ACK, Attrs, CREATE, NEW, Socket},
        queues::{GET_CLASS, GET_QUEUE, Link, Queue, head, links, listed},
    },
    net::{Direction, Network, Roads, Wait, Waited},
    netlink::{Netlink, Subject, attributes, message, number},
};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_ROUTE: u16 = 26;
const NEW_QUEUE: u16 = 36;
const DELETE_QUEUE: u16 = 37;
const NEW_CLASS: u16 = 40;
const DELETE_CLASS: u16 = 41;
/// The fixed part of a message: `struct rtmsg`.
const ROUTE_HEAD: usize = 12;
/// `TC_H_ROOT`, and `TC_H_INGRESS`, which is no queue.
const ROOT: u32 = 0xffff_ffff;
const INGRESS: u32 = 0xffff_fff1;
/// The handle of a topmost queue of ours.
const OURS: u32 = (Wait::MAJOR as u32) << 16;
const UP: u32 = 1;
const LOOPBACK: u32 = 8;
/// So many packets may wait at once; the kernel's own 1,000 would be lost to any load.
const WAITING_MAX: u32 = 100_000;
/// The kernel counts the time of queues in units of so many nanoseconds (`PSCHED_SHIFT`).
const TICK_NS: u64 = 64;

/// One act at a time adds to a device's queue or takes from it.
static TURN: Mutex<()> = Mutex::new(());

pub(super) fn roads(way: Direction, network: Option<Network>) -> Result<Roads, HostError> {
    let what = "keep packets waiting in the kernel";
    let no = |why: &dyn std::fmt::Display| HostError::os(what, why);
    let mut kernel = kernel();
    let links = links(&mut kernel).map_err(|why| no(&why))?;
    let outer = devices::exits()?;
    let up = |it: &&Link| it.flags & UP != 0 && outer.contains(&it.name);
    let mut all: Vec<&Link> = links.iter().filter(up).collect();
    if let Some(by) = network.and_then(route)
        && let Some(only) = all.iter().find(|it| it.number == by)
    {
        all = vec![only];
    }
    let loopback = |it: &&&Link| it.flags & LOOPBACK != 0;
    let name = |it: &&Link| it.name.clone();
    let mut roads = Roads::default();
    if way != Direction::Out {
        roads.entries = all.iter().filter(|it| !loopback(it)).map(name).collect();
    }
    // What comes by the loopback device leaves by it.
    let leaves = |it: &&&Link| way != Direction::In || loopback(it);
    roads.exits = all.iter().filter(leaves).map(name).collect();
    let any = all.first().ok_or_else(|| no(&"no network device is up"))?;
    let socket = open().map_err(|why| no(&why))?;
    has(&socket, any.number, "netem", "CONFIG_NET_SCH_NETEM").map_err(|why| no(&why))?;
    if !roads.exits.is_empty() {
        has(&socket, any.number, "htb", "CONFIG_NET_SCH_HTB").map_err(|why| no(&why))?;
    }
    if !roads.entries.is_empty() && !has_module("ifb") {
        return Err(no(&"this kernel lacks CONFIG_IFB"));
    }
    let queues = listed(&mut kernel, GET_QUEUE, (0, 0)).map_err(|why| no(&why))?;
    for it in all.iter().filter(|it| roads.exits.contains(&it.name)) {
        its_own(it, &queues).map_err(|why| no(&why))?;
    }
    Ok(roads)
}

/// Whether a device has no queues but those that the kernel gives it, or ours.
fn its_own(link: &Link, queues: &[Queue]) -> Result<(), String> {
    let of_it = || queues.iter().filter(|it| it.device == link.number && it.parent != INGRESS);
    if of_it().any(|it| it.handle == OURS) {
        return Ok(());
    }
    of_it().find(|it| it.handle >> 16 != 0).map_or(Ok(()), |it| {
        let (name, kind, major) = (&link.name, &it.kind, it.handle >> 16);
        Err(format!(
            "{name} has a queue that somebody chose ({kind} {major:x}:), and that must stay"
        ))
    })
}

/// Whether the kernel has such queues: one without settings is refused for that alone.
fn has(socket: &Socket, device: u32, kind: &str, option: &str) -> Result<(), String> {
    let body = [head(device, OURS, ROOT), Attrs::new().text(1, kind).0].concat();
    match socket.ask(&message(NEW_QUEUE, CREATE | NEW | ACK, 0, &body)) {
        Err(Errno::NOENT) => Err(format!("this kernel lacks {option}")),
        Err(Errno::PERM) => Err("CAP_NET_ADMIN is needed".to_owned()),
        Err(Errno::INVAL | Errno::EXIST) => Ok(()),
        Err(why) => Err(why.to_string()),
        Ok(_) => Err(format!("this kernel's {kind} is none")),
    }
}

/// Whether the kernel has a module, loaded, built in, or to be loaded.
fn has_module(name: &str) -> bool {
    if Path::new("/sys/module").join(name).exists() {
        return true;
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let folder = Path::new("/lib/modules").join(release.trim());
    let file = format!("/{name}.ko");
    ["modules.builtin", "modules.dep"].iter().any(|list| {
        let text = fs::read_to_string(folder.join(list)).unwrap_or_default();
        text.lines().any(|it| it.split(':').next().is_some_and(|it| it.contains(&file)))
    })
}

fn numbered(links: &[Link], name: &str) -> Option<u32> {
    links.iter().find(|it| it.name == name).map(|it| it.number)
}

/// The number of a device.
pub(super) fn number_of(name: &str) -> Option<u32> {
    numbered(&links(&mut kernel()).ok()?, name)
}

pub(super) fn make(it: &Wait) -> Result<(), HostError> {
    let what = |device: &str| format!("keep packets waiting on {device}");
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let socket = open().map_err(|why| HostError::os("open a netlink socket", why))?;
    for device in &it.roads.exits {
        leave(&socket, device, it).map_err(|why| HostError::os(what(device), why))?;
    }
    if let Some(inlet) = &it.inlet {
        come(&socket, inlet, it).map_err(|why| HostError::os(what(inlet), why))?;
    }
    Ok(())
}

/// A class of our own below the topmost queue of a device, and the queue in it.
fn leave(socket: &Socket, device: &str, it: &Wait) -> Result<(), Errno> {
    let number = number_of(device).ok_or(Errno::NODEV)?;
    let ask = |kind, (handle, parent), queue: &str, settings: &Attrs| {
        let body = Attrs::new().text(1, queue).raw(2, &settings.0).0;
        let body = [head(number, handle, parent), body].concat();
        socket.ask(&message(kind, CREATE | NEW | ACK, 0, &body)).map(drop)
    };
    match ask(NEW_QUEUE, (OURS, ROOT), "htb", &unclassed()) {
        // Another act of this run has one there.
        Err(Errno::EXIST) if is_ours(number).unwrap_or(false) => {}
        done => done?,
    }
    let class = OURS | u32::from(it.class);
    ask(NEW_CLASS, (class, OURS), "htb", &Attrs::new().raw(1, &unlimited()))?;
    ask(NEW_QUEUE, (0, class), "netem", &waits(it))
}

/// A device of our own, whose only queue is the one in which packets wait.
fn come(socket: &Socket, inlet: &str, it: &Wait) -> Result<(), Errno> {
    let kind = Attrs::new().text(1, "ifb");
    let about = Attrs::new().text(3, inlet).nest(18, &kind).0;
    let link = [0, 0, UP, UP].map(u32::to_ne_bytes).concat();
    socket.ask(&message(NEW_LINK, CREATE | NEW | ACK, 0, &[link, about].concat()))?;
    let number = number_of(inlet).ok_or(Errno::NODEV)?;
    let body = Attrs::new().text(1, "netem").raw(2, &waits(it).0).0;
    let body = [head(number, 0, ROOT), body].concat();
    socket.ask(&message(NEW_QUEUE, CREATE | NEW | ACK, 0, &body)).map(drop)
}

/// A queue whose packets wait in no class unless they are told to (`struct tc_htb_glob`).
fn unclassed() -> Attrs {
    let all = [3_u32, 10, 0, 0, 0].map(u32::to_ne_bytes).concat();
    Attrs::new().raw(2, &all).ne32(5, WAITING_MAX)
}

/// A class as fast as the kernel can tell (`struct tc_htb_opt`): 32 Gbit/s, of Ethernet, a second
/// of it at once.
fn unlimited() -> Vec<u8> {
    let rate = [0x0000_0100_u32, 0, 4_000_000_000];
    let rest = [1_000_000_000 / 64, 1_000_000_000 / 64, 200_000, 0, 0];
    [&rate[..], &rate, &rest].concat().into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// The settings of `netem` (`struct tc_netem_qopt`), in its own units and then in nanoseconds.
fn waits(it: &Wait) -> Attrs {
    let ns = |us: u64| us.saturating_mul(1_000);
    let ticks = |us| u32::try_from(ns(us) / TICK_NS).unwrap_or(u32::MAX);
    let old = [ticks(it.micros), WAITING_MAX, 0, 0, 0, ticks(it.jitter_micros)];
    let exact = Attrs::new()
        .raw(10, &ns(it.micros).to_ne_bytes())
        .raw(11, &ns(it.jitter_micros).to_ne_bytes());
    Attrs([old.map(u32::to_ne_bytes).concat(), exact.0].concat())
}

pub(super) fn seen(it: &Wait) -> Result<Option<Waited>, HostError> {
    look(it).map_err(|why| HostError::os("look at queues of packets that wait", why))
}

fn look(it: &Wait) -> io::Result<Option<Waited>> {
    let mut kernel = kernel();
    let links = links(&mut kernel)?;
    let number = |name: &String| numbered(&links, name);
    let exits: Vec<u32> = it.roads.exits.iter().filter_map(number).collect();
    let inlet = it.inlet.as_ref().and_then(number);
    let class = OURS | u32::from(it.class);
    let of_it = |queue: &&Queue| {
        (queue.parent == class && exits.contains(&queue.device)) || inlet == Some(queue.device)
    };
    let queues = listed(&mut kernel, GET_QUEUE, (0, 0))?;
    let found = queues.iter().filter(of_it).map(|it| it.seen);
    let sum = |a: Waited, b: Waited| Waited {
        passed: a.passed.saturating_add(b.passed),
        waiting: a.waiting.saturating_add(b.waiting),
    };
    Ok(found.reduce(sum))
}

pub(super) fn end(it: &Wait) -> Result<(), HostError> {
    let no =
        |why: &dyn std::fmt::Display| HostError::os("take away queues of packets that wait", why);
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let socket = open().map_err(|why| no(&why))?;
    let links = links(&mut kernel()).map_err(|why| no(&why))?;
    let number = |name: &String| numbered(&links, name);
    for device in it.roads.exits.iter().filter_map(number) {
        if is_ours(device).map_err(|why| no(&why))? {
            without(&socket, device, it.class).map_err(|why| no(&why))?;
        }
    }
    if let Some(inlet) = it.inlet.as_ref().and_then(number) {
        let link = [0, inlet, 0, 0].map(u32::to_ne_bytes).concat();
        gone(&socket.ask(&message(DELETE_LINK, ACK, 0, &link))).map_err(|why| no(&why))?;
    }
    Ok(())
}

/// Takes our class away, and with the last of them the queue that they are in.
fn without(socket: &Socket, device: u32, class: u16) -> io::Result<()> {
    let delete = |kind, handle, parent| {
        gone(&socket.ask(&message(kind, ACK, 0, &head(device, handle, parent))))
    };
    delete(DELETE_CLASS, OURS | u32::from(class), 0)?;
    if listed(&mut kernel(), GET_CLASS, (device, 0))?.iter().all(|it| it.handle >> 16 != OURS >> 16)
    {
        delete(DELETE_QUEUE, OURS, ROOT)?;
    }
    Ok(())
}

/// What is not there any more need not go.
fn gone<T>(outcome: &Result<T, Errno>) -> io::Result<()> {
    match outcome {
        Ok(_) | Err(Errno::NOENT | Errno::NODEV) => Ok(()),
        Err(why) => Err((*why).into()),
    }
}

/// Whether a device's topmost queue is ours.
fn is_ours(device: u32) -> io::Result<bool> {
    let all = listed(&mut kernel(), GET_QUEUE, (0, 0))?;
    Ok(all.iter().any(|it| it.device == device && it.parent == ROOT && it.handle == OURS))
}

fn kernel() -> Netlink {
    Netlink::new(Subject::Devices)
}

fn open() -> Result<Socket, Errno> {
    Socket::open(None)
}

/// The device by which packets to a network go, if that is one.
fn route(network: Network) -> Option<u32> {
    let (family, address, width) = match network.address {
        std::net::IpAddr::V4(it) => (2_u8, it.octets().to_vec(), 32_u8),
        std::net::IpAddr::V6(it) => (10, it.octets().to_vec(), 128),
    };
    // The loopback network is one, and of any other the parts may have other ways.
    if network.prefix != width && !network.address.is_loopback() {
        return None;
    }
    let mut body = vec![0; ROUTE_HEAD];
    *body.first_mut()? = family;
    *body.get_mut(1)? = width;
    body.extend(Attrs::new().raw(1, &address).0);
    let answer = open().ok()?.ask(&message(GET_ROUTE, 0, 0, &body)).ok()?;
    let by = attributes(&answer.first()?.body, ROUTE_HEAD).find(|it| it.0 == 4)?.1;
    number(by, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_kernel_s_lengths_and_units() {
        let it = Wait::of("r/3", Roads::default(), (64, 32));
        let all = waits(&it).0;
        let ticks = |at| number(&all, at);
        assert_eq!((ticks(0), ticks(20)), (Some(1_000), Some(500)));
        let exact: Vec<_> = attributes(&all, 24).collect();
        assert_eq!(exact, [(10, &64_000_u64.to_ne_bytes()[..]), (11, &32_000_u64.to_ne_bytes())]);
        // `struct tc_htb_opt` and `struct tc_htb_glob`.
        assert_eq!(unlimited().len(), 44);
        assert_eq!(attributes(&unclassed().0, 0).next().map(|it| it.1.len()), Some(20));
    }

    #[test]
    fn what_somebody_chose_is_told_from_what_the_kernel_put_there() {
        let queue = |handle, parent| Queue {
            device: 2,
            handle,
            parent,
            kind: "fq".to_owned(),
            seen: Waited::default(),
        };
        let link = Link { number: 2, name: "eth0".to_owned(), flags: UP };
        let own = |all: &[Queue]| its_own(&link, all);
        // `mq` with a queue for each of the device's own, and a hook for filters.
        let kernels = [queue(0, ROOT), queue(0, 1), queue(0, 2), queue(0xffff_0000, INGRESS)];
        assert_eq!(own(&kernels), Ok(()));
        assert_eq!(own(&[queue(OURS, ROOT), queue(0x8001_0000, OURS | 1)]), Ok(()));
        let why = own(&[queue(0, ROOT), queue(0x8001_0000, 1)]).unwrap_err();
        assert_eq!(why, "eth0 has a queue that somebody chose (fq 8001:), and that must stay");
    }
}
