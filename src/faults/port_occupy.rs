//! Takes a port before the service that wants it, as a forgotten process would.

use core::net::SocketAddr;
use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    held::Held,
    journal::entry::UndoClass,
    target::refuse_port,
    units::HOLE,
    world::{
        World,
        linux::held::{arg, port},
    },
};

/// Takes `address`; nobody answers there, and nobody else can serve it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortOccupy {
    #[schemars(with = "String")]
    address: Address,
    #[serde(default)]
    protocol: Protocol,
}

/// An address and port, such as `127.0.0.1:8080` or `[::]:8080`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Address(SocketAddr);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let usual = SocketAddr::from(([127, 0, 0, 1], 1));
        match text.parse::<SocketAddr>() {
            Ok(it) if it.port() == 0 => Err("port 0 is no port: write the one you mean".to_owned()),
            Ok(it) => Ok(Self(it)),
            Err(_) if text == HOLE => Ok(Self(usual)),
            Err(_) => Err(format!(
                "`{text}` is no address of this machine: write numbers, as in `0.0.0.0:8080`"
            )),
        }
    }
}

/// What the port belongs to.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Protocol {
    #[default]
    Tcp,
    Udp,
}

impl Protocol {
    fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl Action for PortOccupy {
    const ABOUT: &'static About = &About {
        name: "port_occupy",
        summary: "takes a port with a child of ours, so that no service can have it",
        needs: &[],
        example: "address: 0.0.0.0:8080\nprotocol: tcp\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Held;

    async fn plan(&self, world: &World) -> Result<Plan<Held>, Refusal> {
        refuse_port(self.address.0.port(), world)?;
        let undo = Held::of(world);
        Ok(Plan {
            will: format!("take the {} port {}", self.protocol.word(), self.address.0),
            by_hand: vec![undo.by_hand()],
            undo,
        })
    }

    async fn apply(&self, child: &Held, world: &World) -> Result<(), Failure> {
        let args = [self.address.0.to_string(), self.protocol.word().to_owned()];
        child.stand(Self::ABOUT.name, &args, world).await
    }

    async fn effect(child: &Held, world: &World) -> Result<Effect, Failure> {
        child.effect(world)
    }

    async fn undo(child: &Held, world: &World) -> Result<(), Failure> {
        child.end(world).await
    }
}

/// What the child does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    port::occupy(arg(args, 0)?, arg::<String>(args, 1)? == "udp")
}
