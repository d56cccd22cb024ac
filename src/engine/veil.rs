//! The last veil before the journal: a secret that came back from the world by a way that nobody
//! thought of is not written down either.

use crate::{journal::entry::Fact, world::secrets::Secrets};

/// The fact, with secrets' names in place of their values.
pub(super) fn veiled(fact: Fact, secrets: &Secrets) -> Fact {
    if secrets.is_empty() {
        return fact;
    }
    let said = serde_json::to_string(&fact).expect("a fact is plain data");
    let veiled = secrets.take_out(&said);
    if veiled == said {
        return fact;
    }
    // A name has no character that JSON would write otherwise; should a value have stood in a key
    // or a number, nothing of this fact can be believed, and that is said.
    serde_json::from_str(&veiled).unwrap_or_else(|_| Fact::Aborted {
        why: "what was to be written down held a secret, and is left out".to_owned(),
    })
}
