//! Questions, one file a kind.

mod http;
mod process;

use crate::probe::ProbeKind;

/// Every probe there is.
pub const KINDS: &[ProbeKind] =
    &[ProbeKind::of::<http::Http>(), ProbeKind::of::<process::ProcessCount>()];
