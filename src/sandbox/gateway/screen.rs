//! Screening: a payment goes on only when both third parties say clear, from a list that is
//! young enough. Whatever else they say or fail to say is a no.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;

use super::Gateway;
use crate::sandbox::web::{Problem, cause, is_elsewhere};

const ANSWER_MAX: Duration = Duration::from_millis(500);
/// The oldest sanctions list that may clear a payment, in seconds.
const LIST_AGE_MAX_S: u64 = 24 * 3_600;

#[derive(Debug, Deserialize)]
struct Answer {
    clear: bool,
    list_age_s: u64,
}

/// Asks both at once; `Ok` means that both said clear.
pub(super) async fn screen(
    gateway: &Gateway,
    debtor: &str,
    creditor_name: &str,
) -> Result<(), Problem> {
    let (kyc, sanctions) =
        tokio::join!(ask(gateway, "kyc", debtor), ask(gateway, "sanctions", creditor_name));
    let refused = |said: &str| Problem::new(StatusCode::FORBIDDEN, said);
    let (kyc, sanctions) = match (kyc, sanctions) {
        (Ok(kyc), Ok(sanctions)) => (kyc, sanctions),
        // A hit is a hit even if the other party is out.
        (Ok(Answer { clear: false, .. }), Err(_)) => {
            return Err(refused("the debtor is not an identified customer"));
        }
        (Err(_), Ok(Answer { clear: false, .. })) => {
            return Err(refused("the creditor is on the sanctions list"));
        }
        (Err(why), _) | (_, Err(why)) => return Err(why),
    };
    if !sanctions.clear {
        return Err(refused("the creditor is on the sanctions list"));
    }
    if !kyc.clear {
        return Err(refused("the debtor is not an identified customer"));
    }
    if sanctions.list_age_s > LIST_AGE_MAX_S {
        let said = format!(
            "sanctions: the list is {} s old, more than {LIST_AGE_MAX_S} s: not accepted unscreened",
            sanctions.list_age_s
        );
        return Err(Problem::unavailable(said));
    }
    Ok(())
}

async fn ask(gateway: &Gateway, party: &str, name: &str) -> Result<Answer, Problem> {
    let Gateway { client, peers, names, rooms, .. } = gateway;
    let out = |why: &str| {
        Problem::unavailable(format!("{party} does not screen ({why}): not accepted unscreened"))
    };
    let mut address = peers.address(party).ok_or_else(|| out("it was never started"))?;
    if party == "kyc" {
        let kept = Duration::from_secs(rooms.settings().names_kept_s.into());
        match names.kyc(kept).await {
            None => {}
            Some(Ok(it)) => address.set_ip(it),
            Some(Err(why)) => return Err(out(&why)),
        }
    }
    let base = format!("http://{address}/check");
    let url = reqwest::Url::parse_with_params(&base, [("name", name)])
        .map_err(|why| out(&why.to_string()))?;
    let answer = async {
        let response = client.get(url).send().await?.error_for_status()?;
        response.json::<Answer>().await
    };
    match timeout(ANSWER_MAX, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(why)) => {
            if is_elsewhere(&why) {
                peers.refresh();
            }
            let status = why.status().map(|it| format!("it answers {it}"));
            Err(out(&status.unwrap_or_else(|| cause(&why))))
        }
        Err(_) => Err(out("no answer in time")),
    }
}
