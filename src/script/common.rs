//! What scenarios and drills have in common besides what they do.

use serde::{Deserialize, Serialize};

use crate::{
    manifest::{diagnostic::Diagnostic, node::Doc, unread::Unread},
    probe::ProbeKind,
    script::{
        conditions::{Condition, Guard, condition, guard},
        window::Window,
    },
    world::bounds::Deny,
};

/// Whose a script is, and what it shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Who answers for it.
    pub owner: String,
    /// Ids of the controls that it evidences.
    pub controls: Vec<String>,
}

/// When a run may start, and when it must stop.
#[derive(Default)]
pub struct Safety {
    /// The hours in which it may start.
    pub window: Option<Window>,
    /// What must be so before anything is begun.
    pub start_when: Vec<Condition>,
    /// What stops it.
    pub abort_when: Vec<Guard>,
    /// What is left alone.
    pub deny: Deny,
}

/// The part of the file that both have.
pub(super) struct Written {
    pub(super) window: Option<Window>,
    pub(super) start_when: Vec<Unread>,
    pub(super) abort_when: Vec<Unread>,
    pub(super) deny: Deny,
}

impl Written {
    /// Reads the probes among it.
    pub(super) fn safety(
        self,
        doc: &mut Doc,
        kinds: &[&'static ProbeKind],
        out: &mut Vec<Diagnostic>,
    ) -> Safety {
        let (mut start_when, mut abort_when) = (Vec::new(), Vec::new());
        for it in self.start_when {
            start_when.extend(condition(doc, it.0, kinds, out));
        }
        for it in self.abort_when {
            abort_when.extend(guard(doc, it.0, kinds, out));
        }
        Safety { window: self.window, start_when, abort_when, deny: self.deny }
    }
}
