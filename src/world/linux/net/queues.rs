//! Network devices and what packets wait in there, as the kernel lists them.
//!
//! The numbers are those of `linux/rtnetlink.h` and `linux/pkt_sched.h`.

use std::io;

use crate::world::{
    net::Waited,
    netlink::{Netlink, attributes, number},
};

const GET_LINK: u16 = 18;
/// The kinds of what [`listed`] lists.
pub(super) const GET_QUEUE: u16 = 38;
pub(super) const GET_CLASS: u16 = 42;
pub(super) const GET_FILTER: u16 = 46;
/// Fixed parts of messages: `struct ifinfomsg` and `struct tcmsg`.
const LINK_HEAD: usize = 16;
const QUEUE_HEAD: usize = 20;

/// A network device.
pub(super) struct Link {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) flags: u32,
}

/// A queue of a device, or a class or a filter of one.
pub(super) struct Queue {
    pub(super) device: u32,
    pub(super) handle: u32,
    pub(super) parent: u32,
    pub(super) kind: String,
    pub(super) seen: Waited,
}

/// All network devices.
pub(super) fn links(kernel: &mut Netlink) -> io::Result<Vec<Link>> {
    let mut all = Vec::new();
    kernel.dump(GET_LINK, &[0; LINK_HEAD], |it| {
        let name = attributes(it, LINK_HEAD).find(|it| it.0 == 3).map(|it| text(it.1));
        let about = number(it, 4).zip(number(it, 8)).zip(name);
        all.extend(about.map(|((number, flags), name)| Link { number, name, flags }));
    })?;
    Ok(all)
}

/// All queues of this machine; of a device's classes and filters, those below `parent`.
pub(super) fn listed(
    kernel: &mut Netlink,
    kind: u16,
    (device, parent): (u32, u32),
) -> io::Result<Vec<Queue>> {
    let mut all = Vec::new();
    kernel.dump(kind, &head(device, 0, parent), |it| all.extend(read(it)))?;
    Ok(all)
}

/// `struct tcmsg`.
pub(super) fn head(device: u32, handle: u32, parent: u32) -> Vec<u8> {
    [0, device, handle, parent, 0].map(u32::to_ne_bytes).concat()
}

fn read(it: &[u8]) -> Option<Queue> {
    let find = |kind| attributes(it, QUEUE_HEAD).find(|it| it.0 == kind).map(|it| it.1);
    // `TCA_STATS2`: in it the packets that went on (behind the bytes), and those that wait.
    let stats = |kind, at| {
        let (_, found) = attributes(find(7)?, 0).find(|it| it.0 == kind)?;
        number(found, at).map(u64::from)
    };
    let passed = stats(1, 8).unwrap_or(0);
    let waiting = stats(3, 0).unwrap_or(0);
    Some(Queue {
        device: number(it, 4)?,
        handle: number(it, 8)?,
        parent: number(it, 12)?,
        kind: find(1).map(text).unwrap_or_default(),
        seen: Waited { passed, waiting },
    })
}

/// Text as C has it.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(0_u8..64, 0..120)) {
            drop(super::read(&bytes));
        }
    }
}
