//! The kernel's own answers about sockets and network devices, which it gives in binary over
//! netlink: cheaper than the same as text in dozens of files.
//!
//! A socket speaks for the network namespace that this process is in. Layouts are those of the
//! kernel's `linux/netlink.h`; numbers are in the machine's own order.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{SOCK_DIAG, SocketAddrNetlink},
        recv, sendto, socket_with, sockopt,
    },
};

/// The kernel answers in pieces of at most so many bytes.
const PIECE: usize = 32 << 10;
/// `struct nlmsghdr`.
pub(crate) const HEAD: usize = 16;
/// `struct rtattr`.
const ATTRIBUTE_HEAD: usize = 4;
/// The two highest bits of an attribute's kind are flags.
const KIND_MASK: u16 = 0x3fff;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLM_F_ROOT | NLM_F_MATCH`: all of them.
pub(crate) const DUMP: u16 = 0x300;
const INTERRUPTED: u16 = 0x10;
/// `NLMSG_ERROR`; an error of 0 says that it was done.
pub(crate) const ERROR: u16 = 2;
/// `NLMSG_DONE`.
pub(crate) const DONE: u16 = 3;
/// The kernel answers at once; whatever does not is no kernel to wait for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Network devices and routes (`NETLINK_ROUTE`).
    Devices,
    /// Sockets (`NETLINK_SOCK_DIAG`).
    Sockets,
}

/// A conversation with the kernel, which stays open.
#[derive(Debug)]
pub struct Netlink {
    subject: Subject,
    socket: Option<OwnedFd>,
    sequence: u32,
    bytes: Vec<u8>,
}

impl Netlink {
    /// Nothing is opened before the first question.
    pub fn new(subject: Subject) -> Self {
        Self { subject, socket: None, sequence: 0, bytes: Vec::new() }
    }

    /// Asks for all of a kind, and gives each message without its head. An error means that what
    /// was given is not the whole.
    pub fn dump(&mut self, kind: u16, body: &[u8], each: impl FnMut(&[u8])) -> io::Result<()> {
        let outcome = self.attempt(kind, body, each);
        if outcome.is_err() {
            // Whatever is left of the answer goes with the socket.
            self.socket = None;
        }
        outcome
    }

    fn attempt(&mut self, kind: u16, body: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none @ None => none.insert(open(self.subject)?),
        };
        self.sequence = self.sequence.wrapping_add(1);
        let question = message(kind, DUMP, self.sequence, body);
        sendto(&*socket, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        self.bytes.resize(PIECE, 0);
        loop {
            let piece = self.bytes.as_mut_slice();
            let (_, length) = match recv(&*socket, piece, RecvFlags::TRUNC) {
                Err(Errno::INTR) => continue,
                answer => answer?,
            };
            let piece = self.bytes.get(..length).ok_or_else(odd)?;
            if read_piece(piece, self.sequence, &mut each)? {
                return Ok(());
            }
        }
    }
}

fn open(subject: Subject) -> io::Result<OwnedFd> {
    let protocol = match subject {
        Subject::Devices => None,
        Subject::Sockets => Some(SOCK_DIAG),
    };
    let (kind, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
    let socket = socket_with(AddressFamily::NETLINK, kind, flags, protocol)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    Ok(socket)
}

/// A question, whole. `flags` are beside that it is one.
pub(crate) fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEAD + body.len()).expect("a question of ours is short");
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((REQUEST | flags).to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

/// Whether the answer ends here.
fn read_piece(mut piece: &[u8], sequence: u32, each: &mut impl FnMut(&[u8])) -> io::Result<bool> {
    while !piece.is_empty() {
        let length = number(piece, 0).and_then(|it| usize::try_from(it).ok()).ok_or_else(odd)?;
        let message = piece.get(HEAD..length).ok_or_else(odd)?;
        let (kind, flags) = half(piece, 4).zip(half(piece, 6)).ok_or_else(odd)?;
        let is_ours = number(piece, 8) == Some(sequence);
        piece = piece.get(length.next_multiple_of(4)..).unwrap_or_default();
        if !is_ours {
            continue;
        }
        if flags & INTERRUPTED != 0 {
            return Err(io::Error::other("the kernel's table changed while it was read"));
        }
        match kind {
            DONE | ERROR => {
                let code = number(message, 0).map_or(0, u32::cast_signed);
                if code == 0 {
                    return Ok(true);
                }
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            _ => each(message),
        }
    }
    Ok(false)
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer makes no sense")
}

/// The attributes that follow a message's fixed part, which has so many bytes: kind and data.
pub fn attributes(message: &[u8], fixed: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = message.get(fixed..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(half(rest, 0)?);
        let kind = half(rest, 2)? & KIND_MASK;
        let data = rest.get(ATTRIBUTE_HEAD..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, data))
    })
}

/// Four bytes as a number.
pub fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// Two bytes as a number.
pub fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut all = super::message(kind, 0, 7, body);
        all[6..8].copy_from_slice(&flags.to_ne_bytes());
        all
    }

    fn read(piece: &[u8]) -> (io::Result<bool>, Vec<Vec<u8>>) {
        let mut all = Vec::new();
        (read_piece(piece, 7, &mut |it| all.push(it.to_owned())), all)
    }

    #[test]
    fn messages_are_taken_apart_until_the_answer_ends() {
        let piece = [message(20, 2, b"abcde"), message(20, 2, b"fg")].concat();
        let (outcome, all) = read(&piece);
        assert!(matches!(outcome, Ok(false)));
        assert_eq!(all, [b"abcde".to_vec(), b"fg".to_vec()]);
        assert!(matches!(read(&message(DONE, 2, &[0; 4])).0, Ok(true)));
        let refused = message(ERROR, 0, &(-2_i32).to_ne_bytes());
        assert_eq!(read(&refused).0.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(read(&message(20, INTERRUPTED, b"x")).0.is_err());
    }

    #[test]
    fn an_attribute_that_does_not_fit_ends_the_list() {
        let mut bytes = vec![0; 4];
        bytes.extend([5, 0, 3, 0x40, b'x', 0, 0, 0, 8, 0, 4, 0, 1, 0, 0, 0, 200, 0, 5, 0]);
        let all: Vec<_> = attributes(&bytes, 4).collect();
        assert_eq!(all, [(3, b"x".as_slice()), (4, 1_u32.to_ne_bytes().as_slice())]);
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(0_u8..32, 0..80)) {
            drop(read(&bytes));
            attributes(&bytes, 3).for_each(drop);
        }
    }
}
