//! The sources of business events: one file a kind, and this list.

pub mod events;

use crate::source::{Declaration, SourceKind};

/// Every source.
pub const ALL: &[SourceKind] = &[events::KIND];

/// The counters that can be fed without any configuration.
pub fn standard() -> Vec<Declaration> {
    let rail: (&str, &[&str]) = ("rail", &["batch", "card", "instant"]);
    let channel: (&str, &[&str]) = ("channel", &["api", "branch", "mobile", "web"]);
    let class: (&str, &[&str]) = ("reason_class", &["business", "technical"]);
    let attempts = "Payment attempts accepted for processing.";
    let failures = "Payment attempts that failed, by class: technical (ours or a counterparty's \
                    system) or business (customer, limit, balance).";
    vec![
        Declaration::counter("holdfast_payment_attempts_total", attempts, &[channel, rail]),
        Declaration::counter("holdfast_payment_failures_total", failures, &[channel, rail, class]),
    ]
}
