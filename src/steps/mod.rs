//! What a drill does on purpose, one file a kind.

mod command;
mod fence;
mod http;
mod promote;
mod route;

use crate::action::ActionKind;

/// Every step there is.
pub const KINDS: &[ActionKind] = &[
    ActionKind::step::<command::Command>(),
    ActionKind::step::<fence::Fence>(),
    ActionKind::step::<http::Http>(),
    ActionKind::step::<promote::Promote>(),
    ActionKind::step::<route::Route>(),
];
