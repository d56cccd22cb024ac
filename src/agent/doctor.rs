//! `holdfast agent doctor`: what is missing on this machine, why, and what gives it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    assemble::{Assembled, assemble},
    config::{DEADLINE, Settings},
    energy,
    scrape::{Filter, Seen},
    serve::ServeError,
};
use crate::{
    about::Need,
    collector::Blank,
    export::{Export, Lack},
    meter::Blind,
    meters,
    world::roots::Roots,
};

/// What the doctor found.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// So many families of metrics are on the page.
    pub families: usize,
    /// What is missing, collector by collector.
    pub missing: Vec<Missing>,
    /// The energy meters, the best first. The first that sees is used.
    pub meters: Vec<MeterSight>,
}

/// Names that are missing for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The collector that would bring them.
    pub collector: &'static str,
    /// The names; `*` stands for what the machine would say.
    pub names: Vec<&'static str>,
    /// Why they are missing: a sentence.
    pub why: String,
    /// What gives them.
    pub takes: String,
    /// How things stand.
    pub state: State,
}

/// How things stand with what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The machine has nothing of the kind.
    Absent,
    /// Somebody switched it off.
    Off,
    /// It took too long to find out.
    Late,
    /// It is there, and cannot be read: somebody can put that right.
    Amiss,
}

/// An energy meter, and whether it sees.
#[derive(Debug, Serialize)]
pub struct MeterSight {
    /// Its name.
    pub method: &'static str,
    /// Why it does not see; none: it does.
    pub why: Option<String>,
    /// How things stand, if it does not.
    pub state: Option<State>,
}

impl Findings {
    /// The worst of all that was found.
    pub fn worst(&self) -> Option<State> {
        let meters = self.meters.iter().filter_map(|it| it.state);
        self.missing.iter().map(|it| it.state).chain(meters).max()
    }
}

/// A collector, as `holdfast agent collectors` tells of it.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: &'static str,
    /// What it reads.
    pub summary: &'static str,
    /// It is asked.
    pub on: bool,
    /// The names that it can bring.
    pub exports: Vec<&'static str>,
    /// How a person gives the powers that it needs.
    pub needs: Vec<&'static str>,
    /// So long a scrape waits for it, in milliseconds.
    pub deadline_ms: u64,
    /// So many series may it have.
    pub series_max: usize,
}

/// Every collector, with the settings that are in force.
pub fn list(settings: &Settings) -> Result<Vec<Listed>, ServeError> {
    runtime()?.block_on(async {
        let scrape = assemble(settings)?.scrape;
        let rules = scrape.rules();
        let listed = |it: Seen<'_>| {
            let name = it.card.about.name;
            let deadline = rules.deadline(name).unwrap_or(DEADLINE);
            Listed {
                name,
                summary: it.card.about.summary,
                on: it.is_on,
                exports: names(it.card.exports),
                needs: it.card.about.needs.iter().map(|it| it.remedy()).collect(),
                deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
                series_max: rules.series_max(name),
            }
        };
        Ok(scrape.cards().map(listed).collect())
    })
}

fn names(exports: &[Export]) -> Vec<&'static str> {
    exports.iter().flat_map(|it| it.names).copied().collect()
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Looks at the machine as the agent would, and says what is missing.
pub fn examine(settings: &Settings) -> Result<Findings, ServeError> {
    runtime()?.block_on(async {
        let Assembled { mut scrape, watcher, .. } = assemble(settings)?;
        energy::look(&settings.roots, &settings.energy, &watcher.tally);
        watcher.look_once();
        // Some figures are differences, and need a second look.
        scrape.look(&Filter::All).await;
        scrape.look(&Filter::All).await;
        let there: BTreeSet<String> =
            scrape.samples().families().map(|it| it.name().to_owned()).collect();
        let missing = scrape.cards().flat_map(|it| examine_one(it, &there, &settings.roots));
        Ok(Findings {
            families: there.len(),
            missing: missing.collect(),
            meters: sights(&settings.roots),
        })
    })
}

fn examine_one(seen: Seen<'_>, there: &BTreeSet<String>, roots: &Roots) -> Vec<Missing> {
    let about = seen.card.about;
    let mut all: Vec<Missing> = Vec::new();
    for export in seen.card.exports {
        let is_there = |name: &str| there.iter().any(|it| crate::export::fits(name, it));
        let names: Vec<&str> = export.names.iter().copied().filter(|it| !is_there(it)).collect();
        if names.is_empty() {
            continue;
        }
        let (why, takes, state) = match (seen.is_on, seen.blank) {
            (false, _) => {
                let takes = format!(
                    "`--collector.{0}`, and no `--no-collector.{0}` or `{0}: off`",
                    about.name
                );
                ("it is switched off".to_owned(), takes, State::Off)
            }
            (true, Some(blank)) => failed(blank, about.needs),
            (true, None) => lacking(export, about.needs, roots),
        };
        match all.iter_mut().find(|it| (&it.why, &it.takes) == (&why, &takes)) {
            Some(same) => same.names.extend(names),
            None => all.push(Missing { collector: about.name, names, why, takes, state }),
        }
    }
    all
}

/// The collector itself says why.
fn failed(blank: &Blank, needs: &[Need]) -> (String, String, State) {
    let state = match blank {
        Blank::Late(_) => State::Late,
        Blank::Unread(_) | Blank::Odd { .. } | Blank::Panicked(_) => State::Amiss,
    };
    let is_denied = matches!(blank, Blank::Unread(why) if why.is_denied());
    let takes = if is_denied { powers(needs) } else { "what it could not do".to_owned() };
    (format!("the collector failed: could not {blank}"), takes, state)
}

/// A look at the machine says why.
fn lacking(export: &Export, needs: &[Need], roots: &Roots) -> (String, String, State) {
    let lack = export.lack(roots);
    let state = if lack.is_amiss() { State::Amiss } else { State::Absent };
    let takes = match lack {
        Lack::Denied(_) => powers(needs),
        _ => export.takes.to_owned(),
    };
    (lack.sentence(), takes, state)
}

fn powers(needs: &[Need]) -> String {
    let all = if needs.is_empty() { &[Need::ReadAll] } else { needs };
    all.iter().map(|it| it.remedy()).collect::<Vec<_>>().join("; ")
}

fn sights(roots: &Roots) -> Vec<MeterSight> {
    let sight = |kind: &'static crate::meter::MeterKind| {
        let blind = (kind.open)(roots).err();
        let state = blind.as_ref().map(|it| match it {
            Blind::Nothing(_) => State::Absent,
            Blind::Denied { .. } | Blind::Odd(_) => State::Amiss,
        });
        MeterSight {
            method: kind.about.name,
            why: blind.map(|why| format!("could not {why}")),
            state,
        }
    };
    meters::ALL.iter().map(sight).collect()
}
