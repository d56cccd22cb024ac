//! What a run could have left behind: what was there before, and what was there when everything had
//! been put back.

use serde::{Deserialize, Serialize};

use crate::world::{host::ProcessId, net::Wait};

/// What of the machine as a whole was there before the first act. What bears a run's name is its
/// own; of everything else a change is told, and left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Tables of packet rules.
    pub tables: Listed,
    /// Queues of network devices, with their classes and filters.
    pub queues: Listed,
    /// Mounted file systems.
    pub mounts: Listed,
}

/// A list, or why it could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listed {
    /// All there are.
    Seen(Vec<String>),
    /// Nobody could look, and why.
    Unseen(String),
}

/// Something that an act may leave behind, and how it would look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trace {
    /// A process that stands still.
    Stopped(ProcessId),
    /// A process that may open so many descriptors.
    Descriptors {
        /// Which.
        who: ProcessId,
        /// The limit that the act sets.
        ours: u64,
    },
    /// A control group of ours.
    Group(String),
    /// A group that passes a controller on, and nobody below it needs that.
    Passed {
        /// Which group.
        group: String,
        /// Which controller.
        controller: String,
    },
    /// A file that is so.
    File {
        /// Where.
        path: String,
        /// What the act makes of it.
        ours: Made,
    },
    /// Files in a folder that bear the run's name.
    Folder(String),
    /// Queues in which packets wait.
    Wait(Wait),
}

/// What an act makes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// It is gone.
    Absent,
    /// It holds something else, of which this is the SHA-256.
    Content(String),
    /// It has other permissions.
    Mode(u32),
}

/// How something was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is not there, or is no more.
    Absent,
    /// It is there.
    There,
    /// A process that runs, or sleeps.
    Runs,
    /// A process that stands still.
    Stopped,
    /// A limit.
    Limit(u64),
    /// A file.
    File {
        /// Its length in bytes.
        size: u64,
        /// Its permissions.
        mode: u32,
        /// The SHA-256 of what it holds; of a long file, device, inode, size and time.
        content: String,
    },
    /// Names.
    Names(Vec<String>),
    /// Nobody could look, and why.
    Unseen(String),
}

/// Something that an act may leave behind, and how it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// What.
    pub trace: Trace,
    /// How it was just before the act was written down.
    pub was: State,
}

/// What was found when everything had been put back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residue {
    /// What was looked at.
    pub checked: Vec<String>,
    /// What could not be looked at, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
    /// What of this run still stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Leftover>,
    /// What others changed meanwhile. It is nobody's here to put back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

/// Something of a run that still stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// What.
    pub what: String,
    /// The act that made it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<u32>,
    /// How a person takes it away.
    pub by_hand: Vec<String>,
}

impl Trace {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Stopped(who) => format!("process {}", who.pid),
            Self::Descriptors { who, .. } => {
                format!("the limit of descriptors of process {}", who.pid)
            }
            Self::Group(path) => format!("control group {path}"),
            Self::Passed { group, controller } => {
                format!("the controller {controller} of those below {group}")
            }
            Self::File { path, .. } => format!("file {path}"),
            Self::Folder(path) => format!("folder {path}"),
            Self::Wait(it) => {
                format!("the queue {:x}:{:x} of network devices", Wait::MAJOR, it.class)
            }
        }
    }

    /// Whether both are of the same thing.
    pub fn is_of_the_same(&self, other: &Self) -> bool {
        self.words() == other.words()
            && std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Whether what is there `now` is what the act made of what `was` there.
    pub fn is_left(&self, was: &State, now: &State) -> bool {
        match (self, was, now) {
            (Self::Stopped(_), State::Runs, State::Stopped)
            | (Self::Group(_) | Self::Wait(_), _, State::There)
            | (Self::Passed { .. }, State::Absent, State::There)
            | (Self::File { ours: Made::Absent, .. }, State::File { .. }, State::Absent) => true,
            (Self::Descriptors { ours, .. }, _, State::Limit(now_is)) => {
                now_is == ours && was != now
            }
            (
                Self::File { ours: Made::Content(sha256), .. },
                State::File { .. },
                State::File { content, .. },
            ) => content == sha256 && was != now,
            (
                Self::File { ours: Made::Mode(ours), .. },
                State::File { mode: was, .. },
                State::File { mode, .. },
            ) => mode == ours && was != mode,
            _ => false,
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("not there"),
            Self::There => f.write_str("there"),
            Self::Runs => f.write_str("running"),
            Self::Stopped => f.write_str("stopped"),
            Self::Limit(it) => it.fmt(f),
            Self::File { size, mode, content } => {
                let short: String = content.chars().take(12).collect();
                write!(f, "{size} bytes with permissions {mode:04o} ({short}…)")
            }
            Self::Names(all) => f.write_str(&all.join(", ")),
            Self::Unseen(why) => write!(f, "out of sight: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::net::Roads;

    #[test]
    fn only_what_an_act_makes_is_called_its_own() {
        let who = ProcessId { pid: 7, started: 1, boot: "b".to_owned() };
        let stopped = Trace::Stopped(who.clone());
        assert!(stopped.is_left(&State::Runs, &State::Stopped));
        assert!(!stopped.is_left(&State::Stopped, &State::Stopped), "it was so before");
        assert!(!stopped.is_left(&State::Runs, &State::Absent), "it ended by itself");
        let limit = Trace::Descriptors { who, ours: 16 };
        assert!(limit.is_left(&State::Limit(1024), &State::Limit(16)));
        assert!(!limit.is_left(&State::Limit(1024), &State::Limit(512)), "somebody else's");
        assert!(!limit.is_left(&State::Limit(16), &State::Limit(16)), "it was so before");
        let file = |content: &str, mode| State::File { size: 1, mode, content: content.to_owned() };
        let made = |ours| Trace::File { path: "/f".to_owned(), ours };
        let content = made(Made::Content("ours".to_owned()));
        assert!(content.is_left(&file("was", 0o644), &file("ours", 0o644)));
        assert!(!content.is_left(&file("was", 0o644), &file("theirs", 0o644)));
        assert!(made(Made::Absent).is_left(&file("was", 0o644), &State::Absent));
        assert!(made(Made::Mode(0)).is_left(&file("was", 0o644), &file("was", 0)));
        assert!(!made(Made::Mode(0)).is_left(&file("was", 0o644), &file("was", 0o600)));
        assert!(!made(Made::Mode(0)).is_left(&State::Absent, &file("new", 0)));
        let wait = Trace::Wait(Wait::of("r/1", Roads::default(), (1, 0)));
        assert!(wait.is_left(&State::Absent, &State::There));
        assert!(!wait.is_left(&State::Absent, &State::Absent));
    }
}
