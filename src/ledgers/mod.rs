//! Where a witness can write, one file a kind.

mod directory;
mod exec;
mod http;
mod postgresql;

use crate::ledger::LedgerKind;

/// Every ledger there is.
pub const KINDS: &[LedgerKind] = &[
    LedgerKind::of::<directory::Directory>(),
    LedgerKind::of::<exec::Exec>(),
    LedgerKind::of::<http::Http>(),
    LedgerKind::of::<postgresql::PostgreSql>(),
];
