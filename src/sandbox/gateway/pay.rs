//! One payment's way: read, check, screen, enter. It is tried once: a retry would blur what a
//! client measures, and is the client's to decide, with the same key.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use tokio::time::timeout;

use super::{Gateway, screen::screen};
use crate::sandbox::{
    core::{Order, Payment, is_key},
    web::{self, Problem, cause},
};

/// How long a payment may take in all.
const TOTAL_MAX: Duration = Duration::from_secs(1);
const NAME_MAX: usize = 140;

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Instruction {
    debtor: String,
    creditor: String,
    creditor_name: String,
    /// Any number, so that one that is no amount is told so by its name.
    amount_minor: Number,
    currency: String,
}

/// An accepted payment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Paid {
    id: String,
    seq: u64,
    epoch: u64,
    value_date: String,
    #[serde(skip)]
    repeated: bool,
}

#[derive(Debug, Deserialize)]
struct Complaint {
    error: String,
}

impl Paid {
    /// Whether it is new or was there.
    pub(super) fn status(&self) -> StatusCode {
        if self.repeated { StatusCode::OK } else { StatusCode::CREATED }
    }
}

impl IntoResponse for Paid {
    fn into_response(self) -> Response {
        (self.status(), Json(self)).into_response()
    }
}

/// Takes one payment to its outcome within [`TOTAL_MAX`].
pub(super) async fn pay(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Paid, Problem> {
    let order = read(gateway, headers, body)?;
    let payment = &order.payment;
    let whole = async {
        screen(gateway, &payment.debtor, &payment.creditor_name).await?;
        enter(gateway, &order).await
    };
    timeout(TOTAL_MAX, whole).await.unwrap_or_else(|_| Err(unknown("no answer in time")))
}

fn unknown(why: &str) -> Problem {
    let said = format!("core: {why}; the outcome is unknown: repeat with the same key");
    Problem::new(StatusCode::GATEWAY_TIMEOUT, said)
}

fn read(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Order, Problem> {
    let key = headers.get("idempotency-key").ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "the header `Idempotency-Key` is missing")
    })?;
    let key = key.to_str().ok().filter(|it| is_key(it)).ok_or_else(|| {
        let said = "`Idempotency-Key` is 1 to 64 of A-Z a-z 0-9 - _ . :";
        Problem::new(StatusCode::BAD_REQUEST, said)
    })?;
    let instruction: Instruction = web::read(body)?;
    if let Some(said) = complaint(&instruction) {
        return Err(Problem::unprocessable(said));
    }
    let amount_minor = instruction.amount_minor.as_u64().unwrap_or(0);
    let Instruction { debtor, creditor, creditor_name, amount_minor: _, currency } = instruction;
    let value_date = gateway.cut_off.value_date(gateway.clock.now()).to_string();
    let payment = Payment { debtor, creditor, creditor_name, amount_minor, currency, value_date };
    Ok(Order { id: key.to_owned(), payment, sent_ms: Some(gateway.clock.now_ms()) })
}

/// What is wrong with an instruction, if anything.
fn complaint(it: &Instruction) -> Option<String> {
    let names =
        [("debtor", &it.debtor), ("creditor", &it.creditor), ("creditor_name", &it.creditor_name)];
    for (field, name) in names {
        if name.trim().is_empty() || name.chars().count() > NAME_MAX {
            return Some(format!("`{field}` has 1 to {NAME_MAX} characters"));
        }
    }
    if it.amount_minor.as_u64().is_none_or(|it| it == 0) {
        return Some("`amount_minor` is a whole number, more than 0".to_owned());
    }
    let code = it.currency.len() == 3 && it.currency.bytes().all(|it| it.is_ascii_uppercase());
    (!code).then(|| "`currency` has three capital letters, as in `EUR`".to_owned())
}

async fn enter(gateway: &Gateway, order: &Order) -> Result<Paid, Problem> {
    let url = format!("http://{}/entries", gateway.route.core());
    let sent = gateway.client.post(url).json(order).send().await;
    let response = sent.map_err(|why| {
        if why.is_connect() {
            gateway.route.find_again(gateway);
            return Problem::unavailable(format!("core: {}", cause(&why)));
        }
        unknown(&cause(&why))
    })?;
    match response.status() {
        status @ (StatusCode::OK | StatusCode::CREATED) => {
            let paid = response.json::<Paid>().await.map_err(|why| unknown(&cause(&why)))?;
            Ok(Paid { repeated: status == StatusCode::OK, ..paid })
        }
        status => {
            if status == StatusCode::MISDIRECTED_REQUEST {
                gateway.route.find_again(gateway);
            }
            let said = match response.json::<Complaint>().await {
                Ok(Complaint { error }) => error,
                Err(why) => cause(&why),
            };
            Err(match status {
                StatusCode::UNPROCESSABLE_ENTITY => Problem::unprocessable(said),
                StatusCode::GATEWAY_TIMEOUT => unknown(&said),
                _ => Problem::unavailable(format!("core: {said}")),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_that_is_wrong_is_told_what() {
        let instruction = |amount_minor: u64, currency: &str, debtor: &str| Instruction {
            debtor: debtor.to_owned(),
            creditor: "DE01".to_owned(),
            creditor_name: "Grocer".to_owned(),
            amount_minor: amount_minor.into(),
            currency: currency.to_owned(),
        };
        assert_eq!(complaint(&instruction(1, "EUR", "Ann")), None);
        let said = |it| complaint(&it).unwrap();
        assert!(said(instruction(0, "EUR", "Ann")).contains("amount_minor"));
        assert!(said(instruction(1, "eur", "Ann")).contains("currency"));
        assert!(said(instruction(1, "EURO", "Ann")).contains("currency"));
        assert!(said(instruction(1, "EUR", " ")).contains("debtor"));
        assert!(said(instruction(1, "EUR", &"x".repeat(141))).contains("debtor"));
    }
}
