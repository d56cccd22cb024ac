//! The forms that evidence can be shown in.

pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
mod road;
mod service;
mod sites;
pub mod text;

use crate::report::ReportKind;

/// Every form.
pub const ALL: &[&ReportKind] =
    &[&html::KIND, &json::KIND, &junit::KIND, &markdown::KIND, &text::KIND];
