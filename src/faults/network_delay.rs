//! Makes the network slow, as distance or a long queue does: new TCP connections are led through a
//! relay of ours, which passes bytes on late.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    traffic::{self, HeldTable, Traffic},
    units::Span,
    world::{
        World,
        linux::net::{
            door,
            relay::{self, Delay},
        },
        net::{Direction, Exit, Harm, Protocol},
    },
};

/// Passes what fits `traffic` on `delay` late, more or less `jitter`, each way.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkDelay {
    delay: Span,
    #[serde(default)]
    jitter: Option<Span>,
    traffic: Traffic,
}

/// What going back needs, and what was chosen.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relayed {
    table: HeldTable,
    delay: Delay,
}

impl Action for NetworkDelay {
    const ABOUT: &'static About = &About {
        name: "network_delay",
        summary: "delays new TCP connections by a relay of ours; no netem is needed",
        needs: &[Need::Network],
        example: "delay: 100ms\njitter: 20ms\ntraffic: { address: '10.0.0.7:5432' }\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Relayed;

    async fn plan(&self, world: &World) -> Result<Plan<Relayed>, Refusal> {
        if !matches!(self.traffic.protocol(), None | Some(Protocol::Tcp)) {
            let why = "only TCP can be led through a relay: leave `protocol` out";
            return Err(Refusal::NotReady(why.to_owned()));
        }
        let jitter_micros = self.jitter.map_or(0, Span::micros);
        if jitter_micros > self.delay.micros() {
            let why = "`jitter` is longer than `delay`: nothing can be early";
            return Err(Refusal::NotReady(why.to_owned()));
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
            jitter_micros,
            comes: matches!(way, Direction::In | Direction::Both),
            goes: matches!(way, Direction::Out | Direction::Both),
            seed: world.dice("child").below(u64::MAX),
        };
        let jitter = self.jitter.map_or_else(String::new, |it| format!(", ±{it}"));
        Ok(Plan {
            will: format!(
                "lead new TCP connections {} through a relay of ours (no netem, which would outlive \
                 us), which is {}{jitter} late; connections that stand already go on as they are, \
                 and those that the relay carries break at the end",
                self.traffic, self.delay
            ),
            by_hand: table.by_hand(),
            undo: Relayed { table, delay },
        })
    }

    async fn apply(&self, it: &Relayed, world: &World) -> Result<(), Failure> {
        it.table.stand(Self::ABOUT.name, &it.delay, world).await
    }

    async fn effect(it: &Relayed, world: &World) -> Result<Effect, Failure> {
        it.table.effect("pieces of connections were late", world).await
    }

    async fn undo(it: &Relayed, world: &World) -> Result<(), Failure> {
        it.table.end(world).await
    }
}

/// What the child does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    let (table, delay) = traffic::given(args)?;
    relay::hold(&table, delay)
}
