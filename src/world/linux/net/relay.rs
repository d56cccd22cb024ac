//! A relay that passes TCP on late.
#![expect(clippy::disallowed_types, reason = "this is the wall: connections are passed on here")]

use std::{cell::Cell, convert::Infallible, io, rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::LocalSet,
    time::{Instant, sleep_until},
};

use crate::world::{
    dice::Dice,
    linux::{
        hold::Counts,
        net::door::{self, Door},
    },
    net::Table,
};

/// Bytes of one piece.
const PIECE: usize = 16 * 1024;
/// How many pieces may be on their way in one direction: 4 MiB. More wait with whoever sends them.
const PIECES_MAX: usize = 256;

/// How late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// The middle, in microseconds.
    pub micros: u64,
    /// At most so much less or more.
    pub jitter_micros: u64,
    /// What comes from the other side is late.
    pub comes: bool,
    /// What goes to the other side is late.
    pub goes: bool,
    /// Whence chance comes.
    pub seed: u64,
}

impl Delay {
    /// How late the next piece is.
    fn next(self, dice: &mut Dice) -> Duration {
        let spread = dice.below(self.jitter_micros.saturating_mul(2) + 1);
        Duration::from_micros((self.micros + spread).saturating_sub(self.jitter_micros))
    }
}

/// Relays until the kernel ends us.
pub fn hold(table: &Table, delay: Delay) -> Result<Infallible, String> {
    let counts = Rc::new(Cell::new(Counts::default()));
    LocalSet::new().block_on(&door::runtime()?, async {
        let opened = Door::open().await?;
        // It stands as long as the loop below, which never ends.
        let (_owned, tcp, _) = opened.lead(table)?;
        for it in tcp {
            tokio::task::spawn_local(listen(it, delay, Rc::clone(&counts)));
        }
        Ok(door::tell(|| counts.get()).await)
    })
}

async fn listen(listener: TcpListener, delay: Delay, counts: Rc<Cell<Counts>>) {
    let dice = Dice::new(delay.seed);
    for n in 0_u64.. {
        let Ok((client, from)) = listener.accept().await else {
            // No descriptor is left, for instance: others will end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let dice = dice.fork(&n.to_string());
        let counts = Rc::clone(&counts);
        tokio::task::spawn_local(async move {
            if let Err(why) = relay(client, (delay, dice), counts).await {
                tracing::debug!("{from} cannot be passed on: {why}");
            }
        });
    }
}

async fn relay(
    client: TcpStream,
    (delay, dice): (Delay, Dice),
    counts: Rc<Cell<Counts>>,
) -> io::Result<()> {
    let there = door::connect(door::meant(&client)?).await?;
    client.set_nodelay(true)?;
    there.set_nodelay(true)?;
    let (client_in, client_out) = client.into_split();
    let (there_in, there_out) = there.into_split();
    let going = (delay.goes.then_some(delay), dice.fork("goes"));
    let coming = (delay.comes.then_some(delay), dice.fork("comes"));
    let goes = pass((client_in, there_out), going, Rc::clone(&counts));
    let comes = pass((there_in, client_out), coming, counts);
    tokio::try_join!(goes, comes)?;
    Ok(())
}

/// One direction: what is read is written when its time has come, in its order.
async fn pass(
    (mut from, mut to): (OwnedReadHalf, OwnedWriteHalf),
    (delay, mut dice): (Option<Delay>, Dice),
    counts: Rc<Cell<Counts>>,
) -> io::Result<()> {
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let reads = async move {
        let mut piece = vec![0; PIECE];
        loop {
            let length = from.read(&mut piece).await?;
            let late = delay.map_or(Duration::ZERO, |it| it.next(&mut dice));
            let Counts { seen, harmed } = counts.get();
            let harmed = harmed + u64::from(delay.is_some());
            counts.set(Counts { seen: seen + 1, harmed });
            let bytes = piece.get(..length).unwrap_or_default().to_vec();
            // The end is late, too. Nobody writes any more when the other side is gone.
            if queue.send((Instant::now() + late, bytes)).await.is_err() || length == 0 {
                return Ok::<(), io::Error>(());
            }
        }
    };
    let writes = async move {
        while let Some((due, bytes)) = queued.recv().await {
            sleep_until(due).await;
            if bytes.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&bytes).await?;
        }
        Ok(())
    };
    tokio::try_join!(reads, writes)?;
    Ok(())
}
