//! What stands in the ledger: one JSON line an entry.

use serde::{Deserialize, Serialize};

/// What a payment says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payment {
    /// Who pays.
    pub(crate) debtor: String,
    /// The account that is paid.
    pub(crate) creditor: String,
    /// Who is paid.
    pub(crate) creditor_name: String,
    /// How much, in the currency's smallest unit.
    pub(crate) amount_minor: u64,
    /// Three capital letters.
    pub(crate) currency: String,
    /// The business day, as `2026-11-23`.
    pub(crate) value_date: String,
}

/// What a client asks to be entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// The idempotency key.
    pub(crate) id: String,
    /// The payment.
    pub(crate) payment: Payment,
    /// When it was sent, by the sender's clock, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sent_ms: Option<i64>,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Its place, from 0, without holes.
    pub(crate) seq: u64,
    /// The epoch of the primary that entered it.
    pub(crate) epoch: u64,
    /// The idempotency key.
    pub(crate) id: String,
    /// The payment.
    pub(crate) payment: Payment,
}

impl Entry {
    /// As a line of the file, with its end.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("an entry has only text keys");
        line.push(b'\n');
        line
    }
}

impl Payment {
    /// Whether a client that sends both repeats itself. The value date is the bank's own
    /// decision: a repetition after the cut-off is still one.
    pub(crate) fn repeats(&self, earlier: &Self) -> bool {
        self.debtor == earlier.debtor
            && self.creditor == earlier.creditor
            && self.creditor_name == earlier.creditor_name
            && self.amount_minor == earlier.amount_minor
            && self.currency == earlier.currency
    }
}

/// Whether a text can be an idempotency key.
pub(crate) fn is_key(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.:".contains(&it))
}
