//! Makes the network slow, as distance or a long queue does. Where the kernel has netem it keeps
//! packets waiting; elsewhere new TCP connections are led through a relay of ours, which passes
//! bytes on late.

use std::{convert::Infallible, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    held::ACTS,
    journal::{census::Trace, entry::UndoClass},
    traffic::{self, HeldTable, Traffic},
    units::Span,
    world::{
        World,
        linux::net::{
            door, nft,
            relay::{self, Delay},
        },
        net::{Direction, Exit, Harm, Protocol, Wait},
    },
};

/// The kernel spreads times by 32 bits of nanoseconds, half of them each way.
const JITTER_MAX_US: u64 = 2_000_000;
/// So long, at most, an undo lets packets go on that still wait; the rest are lost.
const DRAINS: Duration = Duration::from_millis(500);

/// Passes what fits `traffic` on `delay` late, more or less `jitter`, each way.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkDelay {
    delay: Span,
    #[serde(default)]
    jitter: Option<Span>,
    traffic: Traffic,
    #[serde(default)]
    by: By,
}

/// Who keeps them waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    /// The kernel where it can, else a relay of ours.
    #[default]
    Either,
    /// The kernel: every packet is late, those of connections that stand already, too.
    Netem,
    /// A relay of ours: TCP connections that are new.
    Relay,
}

/// What going back needs, and what was chosen.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Late {
    table: HeldTable,
    how: How,
}

/// By whom packets are made late.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    Relay(Delay),
    Netem(Wait),
}

impl NetworkDelay {
    fn jitter_micros(&self) -> u64 {
        self.jitter.map_or(0, Span::micros)
    }

    /// "100ms late", as a plan says it.
    fn late(&self) -> String {
        let jitter = self.jitter.map_or_else(String::new, |it| format!(", ±{it}"));
        format!("{}{jitter} late", self.delay)
    }

    /// In the kernel; says why if that cannot be.
    fn netem(&self, world: &World) -> Result<Plan<Late>, Refusal> {
        let way = self.traffic.direction();
        if self.traffic.is_of_a_group() && way != Direction::Out {
            let why = "the kernel does not tell the control group of what comes";
            return Err(Refusal::NotReady(why.to_owned()));
        }
        if self.jitter_micros() > JITTER_MAX_US {
            return Err(Refusal::NotReady("netem spreads by 2s at most".to_owned()));
        }
        let roads = world.net.roads(way, self.traffic.network())?;
        let wait = Wait::of(&world.mark, roads, (self.delay.micros(), self.jitter_micros()));
        let table = HeldTable::waiting(&self.traffic, &wait, world)?;
        let (exits, entries) = (wait.roads.exits.join(", "), wait.roads.entries.join(", "));
        let by = match (exits.is_empty(), &wait.inlet) {
            (false, None) => format!("on {exits}"),
            (true, Some(inlet)) => format!("by {inlet}, which we put beside {entries}"),
            (_, inlet) => {
                let inlet = inlet.as_deref().unwrap_or_default();
                format!("on {exits}, and by {inlet}, which we put beside {entries}")
            }
        };
        let mut by_hand = table.by_hand();
        let (major, class) = (Wait::MAJOR, wait.class);
        by_hand.extend(wait.roads.exits.iter().flat_map(|device| {
            let class = format!("tc class del dev {device} classid {major:x}:{class:x}");
            let last = format!(
                "tc class show dev {device} | grep -q . || tc qdisc del dev {device} root handle \
                 {major:x}:"
            );
            [class, last]
        }));
        by_hand.extend(wait.inlet.iter().map(|it| format!("ip link del {it}")));
        Ok(Plan {
            will: format!(
                "let packets {} go on {} (netem, {by}); what still waits {DRAINS:?} after the end \
                 is lost",
                self.traffic,
                self.late()
            ),
            by_hand,
            undo: Late { table, how: How::Netem(wait) },
        })
    }

    /// By a relay, since the kernel cannot, or nobody wants it to.
    fn relay(&self, why: &str, world: &World) -> Result<Plan<Late>, Refusal> {
        if !matches!(self.traffic.protocol(), None | Some(Protocol::Tcp)) {
            return Err(Refusal::NotReady(format!(
                "only TCP can be led through a relay: leave `protocol` out (no netem: {why})"
            )));
        }
        let mut packets = self.traffic.packets(world)?;
        packets.protocol = Some(Protocol::Tcp);
        // Connections to a port of ours come; all others are begun here, and leave.
        let begun = if packets.local_port.is_some() { Direction::In } else { Direction::Out };
        let harm = Harm::Redirect { port: 1, mark: door::MARK };
        let table = HeldTable::of((packets, begun, Exit::Socket), harm, world)?;
        let way = self.traffic.direction();
        let delay = Delay {
            micros: self.delay.micros(),
            jitter_micros: self.jitter_micros(),
            comes: matches!(way, Direction::In | Direction::Both),
            goes: matches!(way, Direction::Out | Direction::Both),
            seed: world.dice("child").below(u64::MAX),
        };
        Ok(Plan {
            will: format!(
                "lead new TCP connections {} through a relay of ours (no netem: {why}), which is \
                 {}; connections that stand already go on as they are, and those that the relay \
                 carries break at the end",
                self.traffic,
                self.late()
            ),
            by_hand: table.by_hand(),
            undo: Late { table, how: How::Relay(delay) },
        })
    }
}

impl Action for NetworkDelay {
    const ABOUT: &'static About = &About {
        name: "network_delay",
        summary: "delays packets by netem, or new TCP connections by a relay where there is none",
        needs: &[Need::Network],
        example: "delay: 100ms\njitter: 20ms\ntraffic: { address: '10.0.0.7:5432' }\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Late;

    async fn plan(&self, world: &World) -> Result<Plan<Late>, Refusal> {
        if self.jitter_micros() > self.delay.micros() {
            let why = "`jitter` is longer than `delay`: nothing can be early";
            return Err(Refusal::NotReady(why.to_owned()));
        }
        match self.by {
            By::Relay => self.relay("the file wants none", world),
            By::Netem => self.netem(world).map_err(|why| {
                Refusal::NotReady(format!("{why}; leave `by` out, and a relay takes over"))
            }),
            By::Either => self.netem(world).or_else(|why| self.relay(&why.to_string(), world)),
        }
    }

    async fn apply(&self, it: &Late, world: &World) -> Result<(), Failure> {
        if let How::Netem(wait) = &it.how {
            world.net.make_wait(wait)?;
        }
        it.table.stand(Self::ABOUT.name, &it.how, world).await
    }

    async fn effect(it: &Late, world: &World) -> Result<Effect, Failure> {
        let How::Netem(wait) = &it.how else {
            return it.table.effect("pieces of connections were late", world).await;
        };
        for _ in 0..ACTS.0 {
            match world.net.waited(wait)? {
                Some(it) if it.passed > 0 => {
                    return Ok(Effect::Seen(format!(
                        "{} packets have waited and gone on, {} wait",
                        it.passed, it.waiting
                    )));
                }
                Some(_) => tokio::time::sleep(ACTS.1).await,
                None => return Ok(Effect::NotSeen("no queue of ours stands".to_owned())),
            }
        }
        Ok(Effect::NotSeen(format!("in {:?}, no packet has waited", ACTS.1 * ACTS.0)))
    }

    fn traces(it: &Late) -> Option<Vec<Trace>> {
        Some(match &it.how {
            How::Relay(_) => Vec::new(),
            How::Netem(wait) => vec![Trace::Wait(wait.clone())],
        })
    }

    async fn undo(it: &Late, world: &World) -> Result<(), Failure> {
        it.table.end(world).await?;
        let How::Netem(wait) = &it.how else { return Ok(()) };
        // From here on nothing new waits.
        let until = Instant::now() + DRAINS;
        while world.net.waited(wait)?.is_some_and(|it| it.waiting > 0) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(world.net.end_wait(wait)?)
    }
}

/// What the child does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    let (table, how) = traffic::given(args)?;
    match how {
        How::Relay(delay) => relay::hold(&table, delay),
        How::Netem(_) => nft::hold(&table),
    }
}
