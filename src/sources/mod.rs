//! The sources of business events: one file a kind, and this list.

pub mod events;

use crate::source::{Declaration, Label, SourceKind, Values};

/// Every source.
pub const ALL: &[SourceKind] = &[events::KIND];

const RAIL: Label = Label { name: "rail", values: Values::OneOf(&["batch", "card", "instant"]) };
const CHANNEL: Label =
    Label { name: "channel", values: Values::OneOf(&["api", "branch", "mobile", "web"]) };

/// The counters that can be fed without any configuration.
pub const DECLARED: &[Declaration] = &[
    Declaration {
        name: "holdfast_payment_attempts_total",
        help: "Payment attempts accepted for processing.",
        labels: &[CHANNEL, RAIL],
    },
    Declaration {
        name: "holdfast_payment_failures_total",
        help: "Payment attempts that failed, by class: technical (ours or a counterparty's \
               system) or business (customer, limit, balance).",
        labels: &[
            CHANNEL,
            RAIL,
            Label { name: "reason_class", values: Values::OneOf(&["business", "technical"]) },
        ],
    },
];
