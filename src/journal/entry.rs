//! One line of the journal, and what it can say.
//!
//! Every `*_us` stamp is microseconds of `CLOCK_MONOTONIC` of the boot that the latest
//! [`Fact::Anchor`] names; anchors tie them to the time of day. Rows of measurements are written as
//! JSON arrays, because there are thousands of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    journal::{
        began::Began,
        census::{Census, Residue},
        course::Course,
        load::LoadRow,
        sample::Sample,
        showing::Showing,
        site::SiteRows,
    },
    verdict::Verdict,
    world::World,
};

pub use crate::journal::intent::{Family, Intent, OnVanish, UndoClass};

/// The version that this program writes.
pub const VERSION: u32 = 1;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`VERSION`].
    pub v: u32,
    /// The line's number, from 0, without gaps.
    pub n: u64,
    /// The writer's number, from 1. Whoever takes a run over counts one up, so that a line that a
    /// fenced writer still got out is known for what it is.
    pub epoch: u32,
    /// When it was written.
    pub at_us: u64,
    /// SHA-256 of the line before, without its newline, in hexadecimal; 64 zeros on the first.
    pub prev: String,
    /// What happened.
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The run began: all that was fixed before anything was touched.
    Began(Box<Began>),
    /// What the clocks said, all at once. Written by each writer first, then every minute and at
    /// the end.
    Anchor(Anchor),
    /// What was there before the first act.
    Census(Box<Census>),
    /// What was there when everything had been put back.
    Residue(Box<Residue>),
    /// A phase began.
    PhaseBegan {
        /// Its name.
        phase: String,
    },
    /// A phase ended.
    PhaseEnded {
        /// Its name.
        phase: String,
    },
    /// About to act. On disk before the act begins.
    Intent(Box<Intent>),
    /// The act went through.
    Applied {
        /// The act.
        act: u32,
        /// Just before the world was touched.
        from_us: u64,
        /// Just after.
        to_us: u64,
    },
    /// The act did not go through, wholly or in part; it stays outstanding until it is undone.
    Failed {
        /// The act.
        act: u32,
        /// Why.
        why: String,
    },
    /// Whether the act was seen to have an effect.
    Effect {
        /// The act.
        act: u32,
        /// `Pass`: seen; `Inconclusive`: could not be seen; `Fail`: seen not to act.
        seen: Verdict,
        /// What was seen.
        how: String,
    },
    /// What the act showed, where showing something is what it is for.
    Showed {
        /// The act.
        act: u32,
        /// What it showed.
        showing: Box<Showing>,
    },
    /// The act is undone.
    Undone {
        /// The act.
        act: u32,
        /// Just before going back began.
        from_us: u64,
        /// Just after it ended.
        to_us: u64,
    },
    /// The act stands on purpose, and is nobody's to undo any more.
    Kept {
        /// The act.
        act: u32,
    },
    /// The act could not be undone: a person must.
    Stuck {
        /// The act.
        act: u32,
        /// Why.
        why: String,
    },
    /// A moment of a drill.
    Marked {
        /// Which.
        mark: Mark,
        /// What was seen or said.
        note: String,
    },
    /// A drill's step, or a question to people.
    Course(Course),
    /// What a probe saw, in the order of sending.
    Looks {
        /// The hypothesis whose probe it was.
        probe: String,
        /// Looks.
        rows: Vec<Look>,
    },
    /// A hypothesis was judged.
    Judged {
        /// Its name.
        hypothesis: String,
        /// Over which stretch.
        when: When,
        /// How it stands.
        verdict: Verdict,
        /// Why, in a sentence.
        why: String,
    },
    /// What the witness wrote, in the order of sequence numbers where possible.
    Writes {
        /// Attempts.
        rows: Vec<Write>,
    },
    /// What the witness found afterwards.
    Reads {
        /// The side that was read, if it is not the one where the service is now.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        side: String,
        /// One for each sequence number that was looked for.
        rows: Vec<ReadBack>,
    },
    /// What became of a load's requests.
    Loaded {
        /// The load.
        load: String,
        /// A few for each second.
        rows: Vec<LoadRow>,
    },
    /// How far the standby was, as the witness saw it, in the order of asking.
    Peeks {
        /// Looks.
        rows: Vec<Peek>,
    },
    /// How busy the machine was, and what it used.
    Sampled(Box<Sample>),
    /// What a site had used by then.
    Site(Box<SiteRows>),
    /// The run was told to stop early, or stopped itself.
    Aborted {
        /// Why.
        why: String,
    },
    /// Another process writes from here on.
    TakenOver {
        /// Who.
        by: Successor,
        /// Why.
        why: String,
    },
    /// The run ended, and nothing follows.
    Ended {
        /// The worst of everything that was judged.
        verdict: Verdict,
        /// Why, one sentence each.
        why: Vec<String>,
    },
}

/// Readings of all clocks, taken together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anchor {
    /// Microseconds of `CLOCK_MONOTONIC`.
    pub mono_us: u64,
    /// Microseconds of `CLOCK_BOOTTIME`: it counts suspended time, too.
    pub boot_us: u64,
    /// Microseconds since the Unix epoch.
    pub wall_us: u64,
    /// The boot, as the kernel names it.
    pub boot_id: String,
    /// By how much the time of day could be wrong (`adjtimex(2)`, `maxerror`), in microseconds;
    /// none if the clock followed no reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_error_us: Option<u64>,
}

impl Anchor {
    /// Reads the clocks together.
    pub fn now(world: &World) -> Self {
        let stamp = world.clock.stamp();
        Self {
            mono_us: stamp.mono_us,
            boot_us: stamp.boot_us,
            wall_us: stamp.wall_us,
            boot_id: world.host.boot(),
            wall_error_us: world.clock.wall_error_us(),
        }
    }
}

/// A moment of a drill.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The outage was noticed.
    Detected,
    /// Somebody decided to switch over.
    Declared,
    /// A wait in the file came to its end.
    Reached,
    /// A planned switch-over begins: its recovery time counts from here, and from no fault.
    Started,
}

/// Over which stretch a hypothesis is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before anything was done.
    Before,
    /// While faults stood.
    During,
    /// After everything was put back.
    After,
}

/// One look of a probe: `[sent_us, took_us, grade, note]`, and a list of numbers where percentiles
/// are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look(
    /// When it was sent.
    pub u64,
    /// How long it took, in microseconds.
    pub u64,
    /// Inside its tolerance, outside, or blind.
    pub Verdict,
    /// Why it was not good; empty when it was.
    pub String,
    /// The numbers whose percentiles are judged, in the order of their names; none where a number
    /// was not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub Vec<Option<f64>>,
);

/// One write of the witness: `[seq, sent_us, took_us, outcome]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Write(
    /// The record's number, from 0, each written once.
    pub u64,
    /// When it was sent.
    pub u64,
    /// How long until the answer, or until it was given up, in microseconds.
    pub u64,
    /// What was answered.
    pub Outcome,
);

/// What became of a write, as the client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Acknowledged.
    Acked,
    /// Answered with a refusal, or no connection could be made: not stored, by the client's lights.
    Refused,
    /// No answer: it may or may not be stored.
    Unknown,
    /// It could not even be tried: the witness, or its machine, is at fault.
    Blind,
}

/// What was found of one record afterwards: `[seq, found]`, and how often if more than once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadBack(
    /// The record's number.
    pub u64,
    /// What was found; of several copies, the worst.
    pub Found,
    /// How often it is there; 1 if it is not.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub u32,
);

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_once(copies: &u32) -> bool {
    *copies == 1
}

/// How far the standby was: `[sent_us, took_us, newest]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peek(
    /// When it was asked.
    pub u64,
    /// How long it took, in microseconds.
    pub u64,
    /// The highest number that it had; none if it had no record yet.
    pub Option<u64>,
);

/// What was found of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It is there, as it was written.
    Same,
    /// It is there, and says something else.
    Altered,
    /// It is not there.
    Absent,
    /// It could not be read.
    Blind,
}

/// Who writes on after the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Successor {
    /// The run's guardian.
    Guardian,
    /// `holdfast recover`, or the recovery at the start of another run.
    Recover,
}
