//! Network devices as the kernel tells of them over netlink: all in one answer.

use std::fmt::Write as _;

use super::netclass::{Column, METRICS};
use crate::world::netlink::{Netlink, Subject, attributes, half, number};

/// `RTM_GETLINK`.
const GET_LINKS: u16 = 18;
/// `struct ifinfomsg`.
const FIXED: usize = 16;
const UP: u32 = 1;
const DORMANT: u32 = 1 << 17;

/// `IFLA_*`, of `linux/if_link.h`.
const ADDRESS: u16 = 1;
const BROADCAST: u16 = 2;
const NAME: u16 = 3;
const MTU: u16 = 4;
const LINK: u16 = 5;
const QUEUE_LENGTH: u16 = 13;
const OPERSTATE: u16 = 16;
const LINK_MODE: u16 = 17;
const ALIAS: u16 = 20;
const GROUP: u16 = 27;
const EXTENT: u16 = 29;
const CARRIER: u16 = 33;
const CARRIER_CHANGES: u16 = 35;
const CARRIER_UPS: u16 = 47;
const CARRIER_DOWNS: u16 = 48;
/// `RTEXT_FILTER_SKIP_STATS`: counters are dear, and are not asked for.
const NO_COUNTERS: u32 = 1 << 3;

/// In the order of the kernel's numbers (RFC 2863).
const OPERSTATES: [&str; 7] =
    ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

/// A device.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) operstate: &'static str,
    pub(crate) address: String,
    pub(crate) broadcast: String,
    pub(crate) alias: String,
    numbers: [Told; METRICS.len()],
}

/// What the answer says of a figure.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Told {
    /// Nothing: it must be asked elsewhere.
    #[default]
    Nothing,
    /// The device has no such figure now.
    Absent,
    Is(u32),
}

/// All devices of this network namespace, by name.
#[derive(Debug)]
pub(crate) struct Links {
    kernel: Netlink,
    all: Vec<Link>,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self { kernel: Netlink::new(Subject::Devices), all: Vec::new() }
    }

    /// Asks the kernel. Nothing when it does not answer in full, or not in a way that we know.
    pub(crate) fn ask(&mut self) -> Option<&[Link]> {
        let mut question = [0_u8; FIXED].to_vec();
        question.extend(8_u16.to_ne_bytes());
        question.extend(EXTENT.to_ne_bytes());
        question.extend(NO_COUNTERS.to_ne_bytes());
        let (mut used, mut is_clear) = (0, true);
        let all = &mut self.all;
        let outcome = self.kernel.dump(GET_LINKS, &question, |message| {
            if used == all.len() {
                all.push(Link::default());
            }
            is_clear &= all.get_mut(used).and_then(|link| link.take(message)).is_some();
            used += 1;
        });
        self.all.truncate(used);
        self.all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        (outcome.is_ok() && is_clear).then_some(&self.all)
    }
}

impl Link {
    /// What the answer says of a figure, by its place in the list.
    pub(crate) fn told(&self, at: usize) -> Told {
        self.numbers.get(at).copied().unwrap_or_default()
    }

    fn take(&mut self, message: &[u8]) -> Option<()> {
        self.index = number(message, 4)?;
        let flags = number(message, 8)?;
        let is_up = flags & UP != 0;
        [&mut self.name, &mut self.address, &mut self.broadcast, &mut self.alias]
            .into_iter()
            .for_each(String::clear);
        (self.operstate, self.numbers) = ("", [Told::Nothing; METRICS.len()]);
        self.set(Column::Type, half(message, 2)?.into());
        self.set(Column::Index, self.index);
        self.set(Column::Link, self.index);
        self.tell(Column::Dormant, is_up.then_some(u32::from(flags & DORMANT != 0)));
        for (kind, data) in attributes(message, FIXED) {
            let byte = || data.first().copied().map(u32::from);
            match kind {
                ADDRESS => spell(data, &mut self.address),
                BROADCAST => spell(data, &mut self.broadcast),
                NAME => self.name.push_str(text(data)?),
                ALIAS => self.alias.push_str(text(data)?.trim_ascii()),
                OPERSTATE => {
                    self.operstate = OPERSTATES.get(usize::from(*data.first()?))?;
                }
                CARRIER => self.tell(Column::Carrier, byte().filter(|_| is_up)),
                LINK_MODE => self.set(Column::LinkMode, byte()?),
                MTU => self.set(Column::Mtu, number(data, 0)?),
                LINK => self.set(Column::Link, number(data, 0)?),
                QUEUE_LENGTH => self.set(Column::QueueLength, number(data, 0)?),
                GROUP => self.set(Column::Group, number(data, 0)?),
                CARRIER_CHANGES => self.set(Column::CarrierChanges, number(data, 0)?),
                CARRIER_UPS => self.set(Column::CarrierUps, number(data, 0)?),
                CARRIER_DOWNS => self.set(Column::CarrierDowns, number(data, 0)?),
                _ => {}
            }
        }
        let is_whole = !self.name.is_empty() && !self.operstate.is_empty();
        is_whole.then_some(())
    }

    fn set(&mut self, column: Column, value: u32) {
        self.tell(column, Some(value));
    }

    fn tell(&mut self, column: Column, value: Option<u32>) {
        if let Some(told) = self.numbers.get_mut(column.at()) {
            *told = value.map_or(Told::Absent, Told::Is);
        }
    }
}

/// A text ends with a zero. One that is not UTF-8 is left to the files.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data.split(|it| *it == 0).next()?).ok()
}

/// As the files spell it: `02:00:0a:…`.
fn spell(address: &[u8], out: &mut String) {
    for byte in address {
        let colon = if out.is_empty() { "" } else { ":" };
        write!(out, "{colon}{byte:02x}").expect("a string takes all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut all = u16::try_from(data.len() + 4).unwrap().to_ne_bytes().to_vec();
        all.extend(kind.to_ne_bytes());
        all.extend(data);
        all.resize(all.len().next_multiple_of(4), 0);
        all
    }

    fn message(flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut all = vec![0, 0, 1, 0];
        all.extend(7_u32.to_ne_bytes());
        all.extend(flags.to_ne_bytes());
        all.extend([0; 4]);
        all.extend(attributes.concat());
        all
    }

    #[test]
    fn a_device_is_told_as_its_files_tell_it() {
        let parts = [
            attribute(NAME, b"eth0\0"),
            attribute(OPERSTATE, &[6]),
            attribute(ADDRESS, &[2, 0, 10, 1, 2, 255]),
            attribute(MTU, &1500_u32.to_ne_bytes()),
            attribute(CARRIER, &[1]),
        ];
        let mut link = Link::default();
        assert_eq!(link.take(&message(UP | DORMANT, &parts)), Some(()));
        assert_eq!((link.name.as_str(), link.index, link.operstate), ("eth0", 7, "up"));
        assert_eq!(link.address, "02:00:0a:01:02:ff");
        let told = [Column::Mtu, Column::Carrier, Column::Dormant, Column::Link, Column::Group]
            .map(|it| link.told(it.at()));
        assert_eq!(told, [Told::Is(1500), Told::Is(1), Told::Is(1), Told::Is(7), Told::Nothing]);
        assert_eq!(link.take(&message(0, &parts)), Some(()));
        assert_eq!(link.told(Column::Carrier.at()), Told::Absent, "a device that is down");
        assert_eq!(link.take(&message(0, &parts[..1])), None);
        assert_eq!(link.take(&[1]), None);
    }
}
