//! From where a recovery time counts: from the fault that was applied, from one that somebody says
//! to have seen, or from the declared beginning of a switch-over that was planned.

use serde::Serialize;

use crate::{
    evidence::{
        scale::{Scale, Window},
        timeline::{MomentKind, Timeline},
    },
    journal::{
        course::{Attested, Dial},
        entry::{Fact, Family},
    },
};

/// What a recovery time counts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    /// The first fault that was applied.
    #[default]
    Fault,
    /// The fault that somebody says to have happened.
    Attested,
    /// The declared beginning of a planned switch-over.
    Declared,
}

impl Since {
    /// The words in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fault => "the fault",
            Self::Attested => "the fault that was attested",
            Self::Declared => "the declared start",
        }
    }

    /// The words in Chinese reports.
    pub fn word_zh(self) -> &'static str {
        match self {
            Self::Fault => "故障注入",
            Self::Attested => "人员证实的故障",
            Self::Declared => "宣布的切换开始",
        }
    }
}

/// Where it counts from, if that is not a fault of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// What it is.
    pub since: Since,
    /// Not before, and not after.
    pub window: Window,
    /// The clocks leave no doubt that it was within the window.
    pub sure: bool,
}

/// Gathers what people say of when it was.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// On the scale already, or still of the time of day; and when it was said.
    said: Vec<(Result<Window, Attested>, i64)>,
}

impl Claims {
    /// Takes in an answer that tells of a fault.
    pub(crate) fn meet(&mut self, at_us: i64, it: Attested, scale: &Scale) {
        let claim = match it.clock {
            Dial::Run => Ok(scale.window(it.from_us, it.to_us)),
            Dial::Wall => Err(it),
        };
        self.said.push((claim, at_us));
    }

    /// From the earliest to the latest that anybody named; nobody tells of what is still to come.
    fn origin(&self, scale: &Scale) -> Option<Origin> {
        let (mut all, mut sure) = (None::<Window>, true);
        for (claim, said_us) in &self.said {
            let window = match claim {
                Ok(it) => *it,
                Err(it) => {
                    let (from, to) = (scale.place(it.from_us)?, scale.place(it.to_us)?);
                    sure &= from.1 && to.1;
                    Window { from_us: from.0.from_us, to_us: to.0.to_us }
                }
            };
            let (from_us, to_us) = (window.from_us.min(*said_us), window.to_us.min(*said_us));
            all = Some(all.map_or(Window { from_us, to_us }, |it| Window {
                from_us: it.from_us.min(from_us),
                to_us: it.to_us.max(to_us),
            }));
        }
        all.map(|window| Origin { since: Since::Attested, window, sure })
    }
}

/// Finds it: a declared start counts before all, and what people attest before what was applied.
pub(crate) fn origin(timeline: &Timeline, claims: &Claims, scale: &Scale) -> Option<Origin> {
    let declared = timeline.first(MomentKind::Started).map(|it| Origin {
        since: Since::Declared,
        window: Window { from_us: it.at_us, to_us: it.at_us },
        sure: true,
    });
    declared.or_else(|| claims.origin(scale))
}

/// When the first fault of ours was applied.
pub(crate) fn applied(timeline: &Timeline) -> Option<Window> {
    timeline.acts.iter().filter(|it| it.family == Family::Fault).find_map(|it| it.applied)
}

/// What an answer says of when a fault struck.
pub(crate) fn claim(fact: &Fact) -> Option<Attested> {
    use crate::journal::course::Course;
    match fact {
        Fact::Course(Course::Answered(it)) => it.attested,
        _ => None,
    }
}
