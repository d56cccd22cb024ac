//! The contract of a report: evidence in, one file out.

use crate::{about::About, evidence::fold::Evidence};

/// A form that evidence can be shown in.
#[derive(Debug)]
pub struct ReportKind {
    /// What it says of itself.
    pub about: &'static About,
    /// The end of its file's name.
    pub extension: &'static str,
    /// Renders it. Pure: the same evidence gives the same bytes.
    pub render: fn(&Evidence) -> Vec<u8>,
}

impl ReportKind {
    /// Its file's name in a run's folder.
    pub fn file(&self) -> String {
        format!("report.{}", self.extension)
    }
}
