//! Reading the questions of a drill: `gate`, `manual` and `approval`; and `declare`, which asks
//! nobody.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    journal::{
        course::{Attests, Outcome, Sort, Word},
        entry::Mark,
    },
    manifest::{
        diagnostic::Diagnostic,
        node::{Doc, Id},
        place::Place,
        read::read,
        unread::Placed,
    },
    script::{
        course::{Ask, Rehearsed},
        lines::Declare,
    },
    units::Span,
};

/// So many people can be asked for at most.
const PERSONS_MAX: u32 = 10;

/// People say whether the drill goes on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenGate {
    /// What they decide.
    question: String,
    /// Who may answer, by login name; whoever may use the state folder if nobody is named.
    #[serde(default)]
    who: Vec<String>,
    /// So many different people must say go; one of them who says no-go is enough.
    #[serde(default = "one")]
    #[schemars(with = "u32")]
    persons: Placed<u32>,
    /// How long it waits.
    timeout: Span,
    /// What comes of it when the time is over: `abort`, `go` or `fail`.
    on_timeout: Outcome,
    /// The moment on the drill's clock that a go is.
    #[serde(default)]
    mark: Option<Mark>,
    /// What is answered in a rehearsal (`drill run --rehearse`).
    #[serde(default)]
    #[schemars(with = "Vec<Rehearsed>")]
    rehearsal: Vec<Placed<Rehearsed>>,
}

/// Somebody does something by hand, and says that it is done.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenManual {
    /// What is to be done.
    instruction: String,
    /// Who may say that it is done, by login name; whoever may use the state folder if nobody is
    /// named.
    #[serde(default)]
    who: Vec<String>,
    /// So many different people must say that it is done.
    #[serde(default = "one")]
    #[schemars(with = "u32")]
    persons: Placed<u32>,
    /// How long it waits.
    timeout: Span,
    /// What comes of it when the time is over: `abort`, `go` or `fail`.
    #[serde(default = "abort")]
    on_timeout: Outcome,
    /// The moment on the drill's clock that it is.
    #[serde(default)]
    mark: Option<Mark>,
    /// `fault`: whoever says that it is done says when the fault struck, too, and the recovery time
    /// counts from there.
    #[serde(default)]
    attests: Option<Attests>,
    /// What is answered in a rehearsal (`drill run --rehearse`).
    #[serde(default)]
    #[schemars(with = "Vec<Rehearsed>")]
    rehearsal: Vec<Placed<Rehearsed>>,
}

/// People sign the plan, with its objectives.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenApproval {
    /// So many people who are listed in `host.yml` must sign, none of them who runs the drill.
    #[serde(default = "two")]
    #[schemars(with = "u32")]
    persons: Placed<u32>,
    /// How long it waits.
    timeout: Span,
    /// What comes of it when the time is over: `abort` or `fail`.
    #[serde(default = "abort_placed")]
    #[schemars(with = "Outcome")]
    on_timeout: Placed<Outcome>,
    /// Who approves in a rehearsal (`drill run --rehearse`).
    #[serde(default)]
    #[schemars(with = "Vec<Rehearsed>")]
    rehearsal: Vec<Placed<Rehearsed>>,
}

/// A decision that the file makes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDeclare {
    /// What is declared, and by whom.
    note: String,
    /// How long the decision takes.
    #[serde(default)]
    delay: Option<Span>,
    /// What it means for the drill: `started` if a planned switch-over begins here, whose recovery
    /// time counts from here and from no fault.
    #[serde(default = "declared")]
    mark: Mark,
}

fn declared() -> Mark {
    Mark::Declared
}

impl From<WrittenDeclare> for Declare {
    fn from(it: WrittenDeclare) -> Self {
        let WrittenDeclare { note, delay, mark } = it;
        Self { note, delay, mark }
    }
}

fn one() -> Placed<u32> {
    Placed { place: Place::default(), value: 1 }
}

fn two() -> Placed<u32> {
    Placed { place: Place::default(), value: 2 }
}

fn abort() -> Outcome {
    Outcome::Abort
}

fn abort_placed() -> Placed<Outcome> {
    Placed { place: Place::default(), value: Outcome::Abort }
}

/// Reads one question.
pub(super) fn ask(
    doc: &Doc,
    sort: Sort,
    (settings, place): (Id, Place),
    out: &mut Vec<Diagnostic>,
) -> Option<Ask> {
    match sort {
        Sort::Gate => {
            let it: WrittenGate = read(doc, settings, place, out)?;
            let rehearsal = checked((sort, &it.who, None), it.persons, it.rehearsal, out);
            Some(Ask {
                sort,
                text: it.question,
                who: it.who,
                persons: it.persons.value,
                persons_at: it.persons.place,
                attests: None,
                timeout: it.timeout,
                otherwise: it.on_timeout,
                mark: it.mark,
                rehearsal,
            })
        }
        Sort::Manual => {
            let it: WrittenManual = read(doc, settings, place, out)?;
            let rehearsal = checked((sort, &it.who, it.attests), it.persons, it.rehearsal, out);
            Some(Ask {
                sort,
                text: it.instruction,
                who: it.who,
                persons: it.persons.value,
                persons_at: it.persons.place,
                attests: it.attests,
                timeout: it.timeout,
                otherwise: it.on_timeout,
                mark: it.mark,
                rehearsal,
            })
        }
        Sort::Approval => {
            let it: WrittenApproval = read(doc, settings, place, out)?;
            if it.on_timeout.value == Outcome::Go {
                let help = "write `on_timeout: abort`, or leave it out";
                let what = "a plan that nobody signed is not approved by waiting";
                out.push(Diagnostic::new(what, it.on_timeout.place, help));
            }
            let rehearsal = checked((sort, &[], None), it.persons, it.rehearsal, out);
            Some(Ask {
                sort,
                text: "sign the plan and its objectives".to_owned(),
                who: Vec::new(),
                persons: it.persons.value,
                persons_at: it.persons.place,
                attests: None,
                timeout: it.timeout,
                otherwise: it.on_timeout.value,
                mark: None,
                rehearsal,
            })
        }
    }
}

/// Who attests when it was says so, and nobody else does.
fn timed(it: &Rehearsed, attests: Option<Attests>) -> Option<(&'static str, &'static str)> {
    let how = "write `from_ago: 3s` and `to_ago: 2s`, the longer one first";
    match (attests, it.from_ago, it.to_ago) {
        (None, None, None) => None,
        (None, _, _) => {
            Some(("this does not ask when it was", "leave `from_ago` and `to_ago` out"))
        }
        (Some(_), Some(from), Some(to)) if from >= to => None,
        (Some(_), None, None) if !it.answer.is_yes() => None,
        (Some(_), _, _) => Some(("when it was, is not told", how)),
    }
}

/// Complains of what can never be answered.
fn checked(
    (sort, who, attests): (Sort, &[String], Option<Attests>),
    persons: Placed<u32>,
    rehearsal: Vec<Placed<Rehearsed>>,
    out: &mut Vec<Diagnostic>,
) -> Vec<Rehearsed> {
    let n = persons.value;
    if n == 0 || n > PERSONS_MAX {
        let help = format!("write 1 to {PERSONS_MAX}");
        out.push(Diagnostic::new(format!("{n} people cannot be asked"), persons.place, help));
    }
    let listed = u32::try_from(who.len()).unwrap_or(u32::MAX);
    if !who.is_empty() && listed < n {
        let help = "name more people under `who`, or ask for fewer";
        let what = format!("{n} people must agree, and only {listed} may answer");
        out.push(Diagnostic::new(what, persons.place, help));
    }
    for Placed { place, value } in &rehearsal {
        if value.answer.sort() != sort {
            let words: &[Word] = match sort {
                Sort::Gate => &[Word::Go, Word::NoGo],
                Sort::Manual => &[Word::Done, Word::NotDone],
                Sort::Approval => &[Word::Approved],
            };
            let words: Vec<String> = words.iter().map(|it| format!("`{}`", it.word())).collect();
            let what = format!("`{}` is no answer to this", value.answer.word());
            out.push(Diagnostic::new(what, *place, format!("answer {}", words.join(" or "))));
        } else if !who.is_empty() && !who.contains(&value.by) {
            let what = format!("{} may not answer this", value.by);
            let help = "play somebody whom `who` names";
            out.push(Diagnostic::new(what, *place, help));
        }
        out.extend(timed(value, attests).map(|(what, help)| Diagnostic::new(what, *place, help)));
    }
    rehearsal.into_iter().map(|it| it.value).collect()
}
