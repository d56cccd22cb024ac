//! Gives wrong answers to questions for names, as an outage or a wrong zone file does.

use core::net::IpAddr;
use std::convert::Infallible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    traffic::{self, HeldTable},
    units::HOLE,
    world::{
        World,
        linux::net::{
            dns::{self, Lie, Said},
            door,
        },
        net::{Direction, Exit, Harm, Packets},
    },
};

/// Answers wrongly when somebody on this machine asks for one of `names`.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub(crate) struct DnsFault {
    names: Vec<String>,
    answer: Answer,
    address: Option<String>,
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// `a.example`, or `*.example` for all below, or `*` for all.
    names: Vec<String>,
    answer: Answer,
    /// What a wrong answer says.
    #[serde(default)]
    address: Option<String>,
}

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// That the resolver has failed.
    Servfail,
    /// That there is no such name.
    Nxdomain,
    /// Nothing at all.
    Timeout,
    /// The address in `address`.
    Wrong,
}

impl TryFrom<Written> for DnsFault {
    type Error = String;

    fn try_from(it: Written) -> Result<Self, String> {
        let Written { names, answer, address } = it;
        if names.is_empty() || names.iter().any(|it| it.trim().is_empty()) {
            return Err("no name is named: write at least one, or `'*'` for all".to_owned());
        }
        let read = |it: &String| it == HOLE || it.parse::<IpAddr>().is_ok();
        match (answer, &address) {
            (Answer::Wrong, None) => {
                return Err("a wrong answer says something: write `address`".to_owned());
            }
            (Answer::Wrong, Some(it)) if !read(it) => {
                return Err(format!("`{it}` is no address: write one as in `192.0.2.1`"));
            }
            (Answer::Servfail | Answer::Nxdomain | Answer::Timeout, Some(_)) => {
                return Err("only `answer: wrong` has an `address`: leave it out".to_owned());
            }
            (_, _) => {}
        }
        let names = names.iter().map(|it| it.trim_end_matches('.').to_lowercase()).collect();
        Ok(Self { names, answer, address })
    }
}

/// What going back needs, and what was chosen.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lied {
    table: HeldTable,
    lie: Lie,
}

impl Action for DnsFault {
    const ABOUT: &'static About = &About {
        name: "dns_fault",
        summary: "answers DNS questions of this machine wrongly, by name; others it passes on",
        needs: &[Need::Network],
        example: "names: [kyc.example.com, '*.lists.example']\nanswer: nxdomain\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Lied;

    async fn plan(&self, world: &World) -> Result<Plan<Lied>, Refusal> {
        let Self { names, answer, address } = self;
        let (said, word) = match answer {
            Answer::Servfail => (Said::Code(2), "SERVFAIL".to_owned()),
            Answer::Nxdomain => (Said::Code(3), "NXDOMAIN".to_owned()),
            Answer::Timeout => (Said::Timeout, "nothing".to_owned()),
            Answer::Wrong => {
                let address = address.as_deref().and_then(|it| it.parse().ok());
                let address = address.unwrap_or(IpAddr::from([192, 0, 2, 1]));
                (Said::Address(address), address.to_string())
            }
        };
        let packets = Packets { port: Some(53), ..Packets::default() };
        let harm = Harm::Redirect { port: 1, mark: door::MARK };
        let table = HeldTable::of((packets, Direction::Out, Exit::Socket), harm, world)?;
        Ok(Plan {
            will: format!("answer {word} when this machine asks DNS for {}", names.join(", ")),
            by_hand: table.by_hand(),
            undo: Lied { table, lie: Lie { names: names.clone(), said } },
        })
    }

    async fn apply(&self, it: &Lied, world: &World) -> Result<(), Failure> {
        it.table.stand(Self::ABOUT.name, &it.lie, world).await
    }

    async fn effect(it: &Lied, world: &World) -> Result<Effect, Failure> {
        it.table.effect("questions were answered wrongly", world).await
    }

    async fn undo(it: &Lied, world: &World) -> Result<(), Failure> {
        it.table.end(world).await
    }
}

/// What the child does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    let (table, lie) = traffic::given(args)?;
    dns::hold(&table, lie)
}
