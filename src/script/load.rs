//! Load: requests on a schedule of their own, whether earlier ones were answered or not.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    journal::{
        began::PlannedHypothesis,
        entry::When,
        load::{PlannedLoad, Sum},
    },
    manifest::{diagnostic::Diagnostic, unread::Placed},
    probe::{Datum, Reading},
    script::{expect::Expect, hypothesis::single, lines::Phase},
    units::Span,
    world::web::{Ask, Method},
};

/// The most requests a second that one run sends; each has a connection of its own.
const RATE_MAX: u32 = 1_000;
/// What a load can be expected to show.
const READINGS: &[&str] = &[
    "sent",
    "good",
    "late",
    "failed",
    "unsent",
    "good_ratio",
    "error_ratio",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "max_ms",
];

/// Requests that are sent while a scenario is played.
#[derive(Debug, Clone)]
pub struct Load {
    /// Its name.
    pub name: String,
    /// What is sent.
    pub request: Request,
    /// Requests a second at first.
    pub rate: u32,
    /// How that changes.
    pub profile: Profile,
    /// When a request is given up.
    pub timeout: Span,
    /// A good answer after this, from the planned instant, is late.
    pub in_time: Span,
    /// Status codes that are wanted; any from 200 to 299 if none are named.
    pub status: Vec<u16>,
    /// During which part of the run it is sent.
    pub during: Part,
    /// The number of the phase with which it begins, from 1; none if it begins with that part.
    pub from: Option<u32>,
    /// What it must show, and over which stretch.
    pub expects: Vec<(Expect, When)>,
}

/// A request with places to fill.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    url: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

impl Request {
    /// Fills the places.
    pub fn ask(&self, id: &str, seq: u64, timeout: Duration) -> Ask {
        let fill = |text: &String| text.replace("{id}", id).replace("{seq}", &seq.to_string());
        Ask {
            method: self.method,
            url: fill(&self.url),
            headers: self.headers.iter().map(|(name, it)| (name.clone(), fill(it))).collect(),
            body: self.body.as_ref().map(fill),
            timeout,
        }
    }
}

/// Part of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// From the baseline until everything holds again.
    #[default]
    Run,
    /// While the method is played.
    Method,
}

/// How many requests a second there are as time goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Always the same.
    #[default]
    Constant,
    /// Evenly from `rate` to `to`.
    Ramp {
        /// Requests a second in the end.
        to: u32,
        /// How long it takes.
        over: Span,
    },
    /// From one moment to the next.
    Step {
        /// Requests a second afterwards.
        to: u32,
        /// When.
        after: Span,
    },
    /// For a while.
    Spike {
        /// Requests a second meanwhile.
        to: u32,
        /// When it begins.
        after: Span,
        /// How long it lasts.
        lasts: Span,
    },
}

impl Profile {
    /// Requests a second that it comes to besides those at first.
    fn other(self, rate: u32) -> u32 {
        match self {
            Self::Constant => rate,
            Self::Ramp { to, .. } | Self::Step { to, .. } | Self::Spike { to, .. } => to,
        }
    }
}

impl Load {
    /// Requests a second at this time since it began.
    pub fn rate_at(&self, since: Duration) -> f64 {
        let rate = f64::from(self.rate);
        match self.profile {
            Profile::Ramp { to, over } => {
                let share = (since.as_secs_f64() / over.duration().as_secs_f64()).min(1.0);
                rate + (f64::from(to) - rate) * share
            }
            Profile::Step { to, after } if since >= after.duration() => f64::from(to),
            Profile::Spike { to, after, lasts }
                if since >= after.duration() && since < after.duration() + lasts.duration() =>
            {
                f64::from(to)
            }
            Profile::Constant | Profile::Step { .. } | Profile::Spike { .. } => rate,
        }
    }

    /// Whether an answer with this status is wanted.
    pub fn wants(&self, status: u16) -> bool {
        if self.status.is_empty() {
            (200..300).contains(&status)
        } else {
            self.status.contains(&status)
        }
    }

    /// As planned, for the journal.
    pub fn planned(&self) -> PlannedLoad {
        let (Request { method, url, .. }, rate) = (&self.request, self.rate);
        let rate = match self.profile {
            Profile::Constant => format!("{rate} a second"),
            Profile::Ramp { to, over } => format!("from {rate} to {to} a second over {over}"),
            Profile::Step { to, after } => format!("{rate}, and after {after} {to} a second"),
            Profile::Spike { to, after, lasts } => {
                format!("{rate} a second, and after {after} {to} for {lasts}")
            }
        };
        PlannedLoad {
            name: self.name.clone(),
            target: format!("{} {url}", method.word()),
            rate,
            in_time_us: self.in_time.micros(),
        }
    }

    /// What it must show, as a hypothesis of the journal.
    pub fn hypothesis(&self) -> Option<PlannedHypothesis> {
        let said = |(expect, when): &(Expect, When)| match when {
            When::Before | When::During => expect.to_string(),
            When::After => format!("{expect} once everything was undone"),
        };
        let said: Vec<_> = self.expects.iter().map(said).collect();
        (!said.is_empty()).then(|| PlannedHypothesis {
            name: self.name.clone(),
            probe: "load".to_owned(),
            expect: said.join("; "),
            when: self.expects.iter().map(|it| it.1).collect(),
            every_us: 0,
        })
    }
}

/// What a stretch of a load shows.
pub fn reading(sum: &Sum) -> Reading {
    let mut all = BTreeMap::from([
        ("sent", Datum::count(sum.sent)),
        ("good", Datum::count(sum.good)),
        ("late", Datum::count(sum.late)),
        ("failed", Datum::count(sum.failed)),
        ("unsent", Datum::count(sum.unsent)),
    ]);
    all.extend(sum.good_ratio().map(|it| ("good_ratio", Datum::Number(it))));
    all.extend(sum.error_ratio().map(|it| ("error_ratio", Datum::Number(it))));
    for (name, share) in [("p50_ms", 500), ("p90_ms", 900), ("p99_ms", 990), ("max_ms", 1_000)] {
        let within = sum.within_us(share).map(|it| Datum::millis(Duration::from_micros(it)));
        all.extend(within.map(|it| (name, it)));
    }
    Reading(all)
}

/// A load as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Its name.
    name: String,
    /// Where requests go.
    url: String,
    #[serde(default)]
    method: Method,
    /// `{id}` and `{seq}` stand for a request's own name and number, here and in the body.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    /// Requests a second at first, each at its instant and on a connection of its own.
    #[schemars(with = "u32")]
    rate: Placed<u32>,
    /// How that changes: `constant`, `ramp`, `step` or `spike`.
    #[serde(default)]
    profile: Profile,
    /// When a request is given up.
    #[serde(default = "two_seconds")]
    timeout: Span,
    /// A good answer after this, from the instant planned for its request, is late; `timeout`
    /// unless it is said.
    #[serde(default)]
    in_time: Option<Span>,
    /// Status codes that are wanted; any from 200 to 299 unless they are said.
    #[serde(default)]
    status: Vec<u16>,
    /// When it is sent: during the whole `run`, or the `method` alone.
    #[serde(default)]
    during: Part,
    /// The phase of a drill with which it begins.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    phase: Option<Placed<String>>,
    /// What it must show: sent, good, late, failed, unsent, `good_ratio`, `error_ratio`, and
    /// `p50_ms`, `p90_ms`, `p99_ms` and `max_ms` from the planned instants.
    #[serde(default)]
    #[schemars(with = "Option<Expect>")]
    expect: Option<Placed<Expect>>,
    /// Over which stretch that is judged.
    #[serde(default)]
    mode: Mode,
    /// What it must show, over a whole second, within `settle` after everything was undone.
    #[serde(default)]
    #[schemars(with = "Option<Expect>")]
    afterwards: Option<Placed<Expect>>,
}

/// Over which stretch a load is judged.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// While faults stand.
    #[default]
    DuringFault,
    /// Before.
    Start,
}

fn two_seconds() -> Span {
    Span::millis(2_000)
}

/// Reads all loads of a file, and complains of what they would be together.
/// Those of a scenario have no phases to begin with.
pub(super) fn loads(
    written: Vec<Written>,
    phases: &[Phase],
    out: &mut Vec<Diagnostic>,
) -> Vec<Load> {
    let (mut all, mut total) = (Vec::<Load>::new(), 0_u32);
    for it in written {
        let Placed { place, value: rate } = it.rate;
        let other = it.profile.other(rate);
        total = total.saturating_add(rate.max(other));
        if rate.min(other) == 0 {
            let help = "write at least 1 request a second, also under `to`";
            out.push(Diagnostic::new("a load of nothing is none", place, help));
        }
        if total > RATE_MAX {
            let help = format!("send at most {RATE_MAX} requests a second, all loads together");
            out.push(Diagnostic::new("this is more load than one run sends", place, help));
        }
        if all.iter().any(|other| other.name == it.name) {
            let help = "give each load a name of its own";
            out.push(Diagnostic::new(format!("a second load `{}`", it.name), place, help));
        }
        all.push(load(it, phases, out));
    }
    all
}

/// The number of the phase with which a load begins, from 1.
fn from(phase: &Placed<String>, phases: &[Phase], out: &mut Vec<Diagnostic>) -> Option<u32> {
    let Placed { place, value } = phase;
    let found = phases.iter().position(|it| it.name == *value);
    if found.is_none() && phases.is_empty() {
        let help = "only drills have phases: leave `phase` out, or write `during: method`";
        out.push(Diagnostic::new("a scenario has no phase to begin with", *place, help));
    } else if found.is_none() && value != crate::units::HOLE {
        let names: Vec<&str> = phases.iter().map(|it| it.name.as_str()).collect();
        out.push(Diagnostic::unknown_name("phase of this drill", value, *place, &names));
    }
    found.and_then(|it| u32::try_from(it + 1).ok())
}

fn load(it: Written, phases: &[Phase], out: &mut Vec<Diagnostic>) -> Load {
    let when = match it.mode {
        Mode::DuringFault => When::During,
        Mode::Start => When::Before,
    };
    for expect in it.expect.iter().chain(&it.afterwards) {
        for name in expect.value.0.keys() {
            if !READINGS.contains(&name.as_str()) && name != crate::units::HOLE {
                let sort = "reading of a load";
                out.push(Diagnostic::unknown_name(sort, name, expect.place, READINGS));
            }
        }
        single(expect, out);
    }
    if let (Part::Method, Some(expect)) = (it.during, &it.afterwards) {
        let help = "leave `during: method` out: then it is sent until everything holds again";
        let what = "this load is over before there is anything to show afterwards";
        out.push(Diagnostic::new(what, expect.place, help));
    }
    let from = it.phase.and_then(|it| from(&it, phases, out));
    let expect = it.expect.map(|it| (it.value, when));
    let afterwards = it.afterwards.map(|it| (it.value, When::After));
    let Written { name, url, method, headers, body, .. } = it;
    Load {
        name,
        request: Request { method, url, headers, body },
        rate: it.rate.value,
        profile: it.profile,
        timeout: it.timeout,
        in_time: it.in_time.unwrap_or(it.timeout),
        status: it.status,
        during: it.during,
        from,
        expects: expect.into_iter().chain(afterwards).collect(),
    }
}
