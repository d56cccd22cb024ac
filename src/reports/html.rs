//! One page that needs nothing else: verdict first, no script, no network, printable.

mod charts;
mod page;
mod plot;
mod road;
mod sent;
mod shown;
mod sites;
mod tables;

use crate::{about::About, evidence::fold::Evidence, report::ReportKind};

/// This form.
pub const KIND: ReportKind = ReportKind {
    about: &About {
        name: "html",
        summary: "one self-contained page for people, verdict first",
        needs: &[],
        example: "format: html",
    },
    extension: "html",
    render,
};

fn render(evidence: &Evidence) -> Vec<u8> {
    page::page(evidence).into_string().into_bytes()
}
