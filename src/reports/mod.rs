//! The forms that evidence can be shown in.

pub mod html;
pub mod json;
pub mod markdown;

use crate::report::ReportKind;

/// Every form.
pub const ALL: &[&ReportKind] = &[&html::KIND, &json::KIND, &markdown::KIND];
