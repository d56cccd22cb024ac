//! Any program that speaks one JSON line for each write and each read.

use std::sync::Arc;

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::BoxStream,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use crate::{
    about::About,
    journal::entry::{Outcome, ReadBack},
    ledger::{Ledger, OpenLedger, Pool, Record, Side, Terms, one_by_one},
    probe::Blind,
    world::{
        World,
        wire::{Program, Wire},
    },
};

/// How long one read may take.
const READ_MAX: Duration = Duration::from_secs(10);

/// A program of the user's, for whatever has no kind of its own (Oracle, DB2, a queue). It is
/// started without a shell, several times over if writes hang, and must end when its input does.
///
/// For each line `{"write": {"seq": 0, "id": "…", "payload": "…"}}` it answers with one line,
/// `{"outcome": "acked"}`, or `refused` (not stored for certain), or `unknown`. For each line
/// `{"read": {"seq": 0, "id": "…", "side": null}}` it answers `{"payloads": ["…"]}` with what is
/// stored under that name (empty if nothing is), or `{"blind": "why"}`; `side` is null for where
/// the service is now, or one of `sides`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exec {
    /// The program and its arguments.
    run: Vec<String>,
    /// So many are started at once before the first write.
    #[serde(default = "two")]
    warm: u32,
    /// Sides that were not to take records any more: the names that it is asked by.
    #[serde(default)]
    sides: Vec<String>,
}

fn two() -> u32 {
    2
}

impl Ledger for Exec {
    const ABOUT: &'static About = &About {
        name: "exec",
        summary: "any program that speaks one JSON line for each write and each read",
        needs: &[],
        example: "run: [/opt/bank/bin/witness-oracle, --service, LEDGER]\nsides: [former primary]\n",
    };

    fn target(&self) -> String {
        format!("the program `{}`", self.run.join(" "))
    }

    fn sides(&self) -> Vec<String> {
        self.sides.clone()
    }

    fn open(&self, terms: Terms, world: &World) -> Box<dyn OpenLedger> {
        let (run, wire) = (self.run.clone(), Arc::clone(&world.wire));
        Box::new(Open { run, warm: self.warm.min(64), terms, wire, idle: Pool::default() })
    }
}

/// What it is asked.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Question<'a> {
    Write { seq: u64, id: &'a str, payload: &'a str },
    Read { seq: u64, id: &'a str, side: Option<&'a str> },
}

#[derive(Deserialize)]
struct Written {
    outcome: Outcome,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    payloads: Option<Vec<String>>,
    #[serde(default)]
    blind: Option<String>,
}

struct Open {
    run: Vec<String>,
    warm: u32,
    terms: Terms,
    wire: Arc<dyn Wire>,
    idle: Pool<Box<dyn Program>>,
}

impl OpenLedger for Open {
    fn prepare(&self) -> BoxFuture<'_, Result<(), Blind>> {
        async move {
            for _ in 0..self.warm.max(1) {
                let program = self.wire.program(self.run.clone()).await;
                self.idle.put(program.map_err(|why| Blind(why.to_string()))?);
            }
            Ok(())
        }
        .boxed()
    }

    fn write(&self, record: Record) -> BoxFuture<'_, Outcome> {
        async move {
            let until = Instant::now() + self.terms.deadline;
            let Ok(mut program) = self.program().await else { return Outcome::Blind };
            let Record { seq, name, payload } = &record;
            let line = line(&Question::Write { seq: *seq, id: name, payload });
            match timeout_at(until, program.ask(line)).await {
                Ok(Ok(answer)) => match understood::<Written>(&answer) {
                    Ok(Written { outcome }) => {
                        self.idle.put(program);
                        outcome
                    }
                    // It was handed over, and nobody understands what became of it.
                    Err(why) => {
                        tracing::warn!("{why}");
                        Outcome::Unknown
                    }
                },
                Ok(Err(_)) | Err(_) => Outcome::Unknown,
            }
        }
        .boxed()
    }

    fn read<'a>(&'a self, side: Side<'a>, records: u64) -> BoxStream<'a, ReadBack> {
        let side = match side {
            Side::Recovered => None,
            Side::Other(name) => Some(name),
        };
        one_by_one(&self.terms, records, move |it| self.look(side, it))
    }
}

impl Open {
    async fn program(&self) -> Result<Box<dyn Program>, Blind> {
        if let Some(it) = self.idle.take(|it| it.stands()) {
            return Ok(it);
        }
        let program = self.wire.program(self.run.clone()).await;
        program.map_err(|why| Blind(why.to_string()))
    }

    async fn look(&self, side: Option<&str>, record: Record) -> Result<ReadBack, Blind> {
        let mut program = self.program().await?;
        let line = line(&Question::Read { seq: record.seq, id: &record.name, side });
        let answer = match timeout(READ_MAX, program.ask(line)).await {
            Ok(Ok(it)) => it,
            Ok(Err(why)) => return Err(Blind(why.to_string())),
            Err(_) => return Err(Blind("there was no answer in time".to_owned())),
        };
        let Shown { payloads, blind } = understood(&answer)?;
        self.idle.put(program);
        match (payloads, blind) {
            (Some(payloads), None) => Ok(record.found(payloads.iter().map(String::as_str))),
            (_, Some(why)) => Err(Blind(why)),
            (None, None) => {
                Err(Blind("the answer holds neither `payloads` nor `blind`".to_owned()))
            }
        }
    }
}

fn line(question: &Question<'_>) -> String {
    serde_json::to_string(question).expect("a question is plain data")
}

fn understood<T: DeserializeOwned>(answer: &str) -> Result<T, Blind> {
    serde_json::from_str(answer)
        .map_err(|why| Blind(format!("the answer is not understood: {why}")))
}
