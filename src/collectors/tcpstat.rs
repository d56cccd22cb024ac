//! TCP connections by state: asked over netlink, or else from `/proc/net/tcp` and `tcp6`.
//!
//! The kernel walks its table of connections once for both families. Connections in `TIME_WAIT`,
//! of which there can be a hundred thousand, are not told one by one: `/proc/net/sockstat` knows
//! how many there are. A table in `/proc` is walked once a family and once more to see that it
//! ends, and each line is made to be read again; that is left for folders that stand for a
//! machine, and for kernels that do not answer.
//!
//! A listening socket has no bytes to send. Netlink has its backlog's limit there, which
//! `node_exporter` adds to the bytes; the files have none, and we have none.

use super::{
    file::File,
    parse::{after, queues},
};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, wide},
    export::{Export, Origin},
    world::{
        netlink::{self, Netlink, Subject},
        roots::Roots,
    },
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About { name: "tcpstat", summary: "TCP connections by state", needs: &[], example: "" },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Tcpstat::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_tcp_connection_states"],
    &[Origin::Proc("net/tcp")],
    "a TCP socket (CONFIG_INET)",
)];

#[derive(Debug)]
struct Tcpstat {
    tables: [File; 2],
    sockets: File,
    kernel: Option<Netlink>,
    /// The kernel was tried.
    known: bool,
}

/// What is counted.
#[derive(Debug, Default)]
struct Counts {
    states: [u64; STATES.len()],
    sent: u64,
    received: u64,
}

/// The states, in the order of the kernel's numbers, which begin with 1. The last one is that of
/// a connection whose handshake has just begun, which the kernel tells apart and nobody else.
const STATES: [&str; 12] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "syn_recv",
];
const SYN_RECV: usize = 2;
const FIN_WAIT2: usize = 4;
const TIME_WAIT: usize = 5;
const LISTEN: usize = 9;

/// The question of old, `TCPDIAG_GETSOCK`: it is the one that is answered for both families at
/// once.
const GET_SOCKETS: u16 = 18;
/// Where the states that are wanted stand in `struct inet_diag_req`, and its length.
const WANTED_AT: usize = 52;
const QUESTION: usize = 60;
/// Where a few things stand in `struct inet_diag_msg`: state, timer, and both queues.
const STATE_AT: usize = 1;
const TIMER_AT: usize = 2;
const RECEIVED_AT: usize = 56;
const SENT_AT: usize = 60;
/// The timer of a connection that is in `TIME_WAIT`, whatever state it is shown in.
const TIME_WAIT_TIMER: u8 = 3;

impl Collector for Tcpstat {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        if !std::mem::replace(&mut self.known, true) && roots.are_the_kernels() {
            self.kernel = Some(Netlink::new(Subject::Sockets));
        }
        let counts = match self.ask(roots) {
            Some(counts) => counts,
            None => self.read(roots)?,
        };
        samples.gauge("node_tcp_connection_states", "Number of connection states.");
        for (state, count) in STATES.iter().zip(counts.states).filter(|(_, count)| *count > 0) {
            samples.row(&[("state", state)], wide(count));
        }
        samples.row(&[("state", "rx_queued_bytes")], wide(counts.received));
        samples.row(&[("state", "tx_queued_bytes")], wide(counts.sent));
        Ok(())
    }
}

impl Tcpstat {
    fn new() -> Self {
        Self {
            tables: [File::proc("net/tcp"), File::proc("net/tcp6")],
            sockets: File::proc("net/sockstat"),
            kernel: None,
            known: false,
        }
    }

    /// Over netlink. Nothing when the kernel does not answer; then it is not asked again.
    fn ask(&mut self, roots: &Roots) -> Option<Counts> {
        let kernel = self.kernel.as_mut()?;
        let mut question = [0; QUESTION];
        let wanted: u32 = ((1 << (STATES.len() + 1)) - 2) & !(1 << (TIME_WAIT + 1));
        question
            .get_mut(WANTED_AT..WANTED_AT + 4)
            .expect("the question is longer")
            .copy_from_slice(&wanted.to_ne_bytes());
        let (mut counts, mut late) = (Counts::default(), 0);
        let outcome = kernel.dump(GET_SOCKETS, &question, |message| {
            late += counts.take(message).unwrap_or_default();
        });
        let waiting = self.sockets.read(roots).ok().and_then(|it| time_wait(it.text));
        let (Ok(()), Some(waiting)) = (outcome, waiting) else {
            self.kernel = None;
            return None;
        };
        *counts.states.get_mut(TIME_WAIT)? = waiting.saturating_sub(late);
        Some(counts)
    }

    fn read(&mut self, roots: &Roots) -> Result<Counts, Blank> {
        let mut counts = Counts::default();
        for file in &mut self.tables {
            let mut is_heading = true;
            file.lines(roots, |line| {
                if std::mem::take(&mut is_heading) {
                    return Some(());
                }
                let mut words = line.split_ascii_whitespace().skip(3);
                let state = usize::from_str_radix(words.next()?, 16).ok()?.checked_sub(1)?;
                counts.add(state)?;
                let (sent, received) = queues(words.next()?)?;
                (counts.sent, counts.received) = (counts.sent + sent, counts.received + received);
                Some(())
            })?;
        }
        Ok(counts)
    }
}

impl Counts {
    /// One of this state more, by its place in the list.
    fn add(&mut self, state: usize) -> Option<()> {
        let state = if STATES.get(state)? == &"syn_recv" { SYN_RECV } else { state };
        *self.states.get_mut(state)? += 1;
        Some(())
    }

    /// Takes a message in. Says 1 for one that `TIME_WAIT`'s count contains as well.
    fn take(&mut self, message: &[u8]) -> Option<u64> {
        let state = usize::from(*message.get(STATE_AT)?).checked_sub(1)?;
        let queue = |at: usize| netlink::number(message, at).map(u64::from);
        let (received, sent) = queue(RECEIVED_AT).zip(queue(SENT_AT))?;
        self.add(state)?;
        self.received += received;
        self.sent += if state == LISTEN { 0 } else { sent };
        let is_late = state == FIN_WAIT2 && message.get(TIMER_AT) == Some(&TIME_WAIT_TIMER);
        Some(u64::from(is_late))
    }
}

/// `TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1`
fn time_wait(sockets: &str) -> Option<u64> {
    let mut words = after(sockets, "TCP")?.split_ascii_whitespace();
    words.find(|it| *it == "tw")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(state: u8, timer: u8, received: u32, sent: u32) -> Vec<u8> {
        let mut all = vec![0; 72];
        (all[STATE_AT], all[TIMER_AT]) = (state, timer);
        all[RECEIVED_AT..RECEIVED_AT + 4].copy_from_slice(&received.to_ne_bytes());
        all[SENT_AT..SENT_AT + 4].copy_from_slice(&sent.to_ne_bytes());
        all
    }

    #[test]
    fn a_backlogs_limit_is_no_bytes_and_a_handshake_is_one_state() {
        let mut counts = Counts::default();
        assert_eq!(counts.take(&message(10, 0, 2, 4096)), Some(0));
        assert_eq!(counts.take(&message(1, 1, 5, 7)), Some(0));
        assert_eq!(counts.take(&message(3, 0, 0, 0)), Some(0));
        assert_eq!(counts.take(&message(12, 0, 0, 0)), Some(0));
        assert_eq!(counts.take(&message(5, 3, 0, 0)), Some(1), "it is in sockstat's count, too");
        assert_eq!(counts.take(&message(13, 0, 0, 0)), None);
        assert_eq!(counts.take(&[1, 2, 3]), None);
        assert_eq!((counts.sent, counts.received), (7, 7));
        assert_eq!(counts.states, [1, 0, 2, 0, 1, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn the_count_of_those_that_wait_is_found_by_its_name() {
        let text = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1\nUDP: inuse 2\n";
        assert_eq!(time_wait(text), Some(2));
        assert_eq!(time_wait("TCP: inuse 5\n"), None);
    }
}
