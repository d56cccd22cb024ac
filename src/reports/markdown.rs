//! x
/// x
pub const KIND: crate::report::ReportKind = super::json::KIND;
