//! Netlink: a socket to the kernel, and messages of nested attributes.
//!
//! The numbers are those of `include/uapi/linux/netlink.h`.

use std::os::fd::OwnedFd;

use rustix::{
    io::Errno,
    net::{
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind,
        netlink::SocketAddrNetlink, recv, sendto, socket_with,
    },
};

use crate::world::netlink::{DONE, ERROR, HEAD, attributes};

/// `NLM_F_ACK`: say that it was done.
pub(super) const ACK: u16 = 4;
/// `NLM_F_EXCL`: only if there is none yet.
pub(super) const NEW: u16 = 0x200;
/// `NLM_F_CREATE`.
pub(super) const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`.
pub(super) const APPEND: u16 = 0x800;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// The most that is taken at once.
const TAKEN_MAX: usize = 64 * 1024;

/// Attributes being written.
#[derive(Debug, Clone, Default)]
pub(super) struct Attrs(pub(super) Vec<u8>);

impl Attrs {
    /// None yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Bytes as they are.
    pub(super) fn raw(mut self, kind: u16, data: &[u8]) -> Self {
        let length = u16::try_from(data.len() + 4).expect("an attribute of ours is short");
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Text, as C has it.
    pub(super) fn text(self, kind: u16, it: &str) -> Self {
        self.raw(kind, &[it.as_bytes(), &[0]].concat())
    }

    /// A number, big end first.
    pub(super) fn be32(self, kind: u16, it: u32) -> Self {
        self.raw(kind, &it.to_be_bytes())
    }

    /// A number, as the machine has it.
    pub(super) fn ne32(self, kind: u16, it: u32) -> Self {
        self.raw(kind, &it.to_ne_bytes())
    }

    /// A long number, big end first.
    pub(super) fn be64(self, kind: u16, it: u64) -> Self {
        self.raw(kind, &it.to_be_bytes())
    }

    /// Attributes within.
    pub(super) fn nest(self, kind: u16, it: &Self) -> Self {
        self.raw(kind | NESTED, &it.0)
    }
}

/// What came: a message's kind, and its body.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

/// The attribute `kind` among these.
pub(super) fn attr(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes, 0).find(|it| it.0 == kind).map(|it| it.1)
}

/// A socket to the kernel. It is never inherited: what the kernel keeps for it must end with us.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Opens one; without a protocol it is about devices and routes.
    pub(super) fn open(protocol: Option<Protocol>) -> Result<Self, Errno> {
        let flags = SocketFlags::CLOEXEC;
        let it = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        bind(&it, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self(it))
    }

    /// Sends messages, and takes what the kernel has to say of them. The kernel does its work
    /// while we send, so that nobody ever waits here, except for the rest of a long list.
    pub(super) fn ask(&self, messages: &[u8]) -> Result<Vec<Message>, Errno> {
        sendto(&self.0, messages, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut all = Vec::new();
        let mut taken = vec![0; TAKEN_MAX];
        loop {
            let length = match recv(&self.0, &mut taken, RecvFlags::DONTWAIT) {
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => return Ok(all),
                Err(Errno::INTR) => continue,
                Err(why) => return Err(why),
            };
            if split(taken.get(..length).unwrap_or_default(), &mut all)? {
                return Ok(all);
            }
        }
    }
}

/// Takes messages apart. True at the end of a list.
fn split(mut bytes: &[u8], all: &mut Vec<Message>) -> Result<bool, Errno> {
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_ne_bytes(*length)).unwrap_or(usize::MAX);
        let Some(kind) = rest.first_chunk::<2>() else { break };
        let kind = u16::from_ne_bytes(*kind);
        let Some(body) = bytes.get(HEAD..length) else { break };
        match kind {
            ERROR => match body.first_chunk::<4>().map(|it| i32::from_ne_bytes(*it)) {
                Some(0) | None => all.push(Message { kind, body: Vec::new() }),
                Some(error) => return Err(Errno::from_raw_os_error(error.saturating_neg())),
            },
            DONE => return Ok(true),
            _ => all.push(Message { kind, body: body.to_vec() }),
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::netlink::message;

    #[test]
    fn what_is_written_can_be_found() {
        let inner = Attrs::new().be64(1, 7);
        let it = Attrs::new().text(1, "a").be32(2, 5).nest(4, &inner).0;
        assert_eq!(attr(&it, 1), Some(&b"a\0"[..]));
        assert_eq!(attr(&it, 2), Some(&5_u32.to_be_bytes()[..]));
        assert_eq!(attr(attr(&it, 4).unwrap(), 1), Some(&7_u64.to_be_bytes()[..]));
        assert_eq!(attr(&it, 3), None);
        assert_eq!(attr(&it[..5], 2), None);
    }

    #[test]
    fn messages_are_taken_apart_whatever_comes() {
        let mut all = Vec::new();
        let two = [message(20, 0, 1, b"abc"), message(21, 0, 2, b"")].concat();
        assert_eq!(split(&two, &mut all), Ok(false));
        let seen: Vec<_> = all.iter().map(|it| (it.kind, it.body.as_slice())).collect();
        assert_eq!(seen, [(20, &b"abc"[..]), (21, &b""[..])]);
        let error = message(2, 0, 1, &(-2_i32).to_ne_bytes());
        assert_eq!(split(&error, &mut all), Err(Errno::NOENT));
        assert_eq!(split(&message(3, 0, 1, &[0; 4]), &mut all), Ok(true));
        assert_eq!(split(&[1, 2, 3], &mut all), Ok(false));
        assert_eq!(split(&[255; 40], &mut all), Ok(false));
    }
}
