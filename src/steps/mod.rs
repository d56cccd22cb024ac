//! What a drill does on purpose, one file a kind.

mod command;
mod evidence;
mod fence;
mod http;
mod notify;
mod parity;
mod promote;
mod reconcile;
mod restore;
mod route;
mod smoke;
mod sql;

use crate::{action::ActionKind, inspection::Inspecting};

/// Every step there is.
pub const KINDS: &[ActionKind] = &[
    ActionKind::step::<command::Command>(),
    ActionKind::step::<Inspecting<evidence::Evidence>>(),
    ActionKind::step::<fence::Fence>(),
    ActionKind::step::<http::Http>(),
    ActionKind::step::<notify::Notify>(),
    ActionKind::step::<Inspecting<parity::Parity>>(),
    ActionKind::step::<promote::Promote>(),
    ActionKind::step::<Inspecting<reconcile::Reconcile>>(),
    ActionKind::step::<restore::Restore>(),
    ActionKind::step::<route::Route>(),
    ActionKind::step::<smoke::Smoke>(),
    ActionKind::step::<sql::Sql>(),
];
