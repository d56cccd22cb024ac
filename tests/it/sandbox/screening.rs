//! No payment is accepted unscreened.

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn a_hit_is_refused_and_an_outage_or_a_stale_list_lets_nothing_through() {
    let bank = Bank::up().await;
    let with = |field: &str, name: &str| {
        let mut body = payment(1);
        body[field] = json!(name);
        body
    };
    let sanctioned = with("creditor_name", " baron gloomFANG ");
    assert_eq!(bank.pay("hit-1", &sanctioned).await.0, StatusCode::FORBIDDEN);
    let unproven = with("debtor", "Nemo Unproven");
    assert_eq!(bank.pay("hit-2", &unproven).await.0, StatusCode::FORBIDDEN);

    let well = json!({ "latency_ms": 0, "error_rate": 0.0, "list_age_s": 60 });
    let ill = [
        ("sanctions", json!({ "error_rate": 1.0 })),
        ("kyc", json!({ "error_rate": 1.0 })),
        ("sanctions", json!({ "latency_ms": 2_000 })),
        ("kyc", json!({ "latency_ms": 2_000 })),
        ("sanctions", json!({ "list_age_s": 24 * 3_600 + 1 })),
    ];
    for (n, (party, behaviour)) in ill.iter().enumerate() {
        bank.put(party, "/behaviour", behaviour).await;
        let url = bank.url("gateway", "/payments");
        let request = bank.client.post(url).header("idempotency-key", format!("ill-{n}"));
        let response = request.json(&payment(1)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{party} {behaviour}");
        assert!(response.headers().contains_key("retry-after"));
        let said: Value = response.json().await.unwrap();
        assert!(said["error"].as_str().unwrap().contains(party), "{said}");
        bank.put(party, "/behaviour", &well).await;
    }
    for party in ["kyc", "sanctions"] {
        bank.kill(party).await;
        let (status, _) = bank.pay(&format!("dead-{party}"), &payment(1)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        bank.start(party).await;
    }
    assert_eq!(bank.log("core-a").await, "");
    assert_eq!(bank.pay("well", &payment(1)).await.0, StatusCode::CREATED);
}

/// Payments of good and bad names keep coming while the third parties change their behaviour.
#[tokio::test]
async fn whatever_the_third_parties_do_the_ledger_holds_only_what_both_cleared() {
    let bank = Bank::up().await;
    let settings = [
        json!({ "error_rate": 0.5, "latency_ms": 0, "list_age_s": 60 }),
        json!({ "error_rate": 0.3, "latency_ms": 30, "list_age_s": 60 }),
        json!({ "error_rate": 0.0, "latency_ms": 0, "list_age_s": 90_000 }),
        json!({ "error_rate": 1.0, "latency_ms": 0, "list_age_s": 60 }),
        json!({ "error_rate": 0.0, "latency_ms": 0, "list_age_s": 60 }),
    ];
    let mut accepted = 0;
    for (round, setting) in settings.iter().enumerate() {
        bank.put("sanctions", "/behaviour", setting).await;
        let other = &settings[(round + 1) % settings.len()];
        bank.put("kyc", "/behaviour", other).await;
        let outcomes = join_all((0..40).map(async |n| {
            let mut body = payment(1 + n);
            if n % 4 == 1 {
                body["creditor_name"] = json!("Mordax Shadow Trading");
            }
            if n % 4 == 3 {
                body["debtor"] = json!("Faceless Holdings");
            }
            (n, bank.pay(&format!("r{round}-{n}"), &body).await.0)
        }))
        .await;
        for (n, status) in outcomes {
            assert!(matches!(status.as_u16(), 201 | 403 | 503), "{status}");
            assert!(status != StatusCode::CREATED || n % 2 == 0, "a hit was accepted");
            accepted += usize::from(status == StatusCode::CREATED);
        }
    }
    let log = bank.log("core-a").await;
    assert_eq!(log.lines().count(), accepted);
    assert!(accepted >= 20, "the last round cleared every good name: {accepted}");
    assert!(!log.contains("Mordax") && !log.contains("Faceless"));
    assert!(!log.contains("\"r2-") && !log.contains("\"r3-"), "a stale or absent list cleared");
    for party in ["kyc", "sanctions"] {
        let url = bank.url(party, "/metrics");
        let page = bank.client.get(url).send().await.unwrap().text().await.unwrap();
        let clear = page.lines().find(|it| it.contains("answer=\"clear\"")).unwrap();
        let clear: usize = clear.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!(accepted <= clear, "{party} cleared {clear}, accepted were {accepted}");
    }
}

#[tokio::test]
async fn an_address_that_was_learned_outlives_its_name_server_for_as_long_as_is_set() {
    let bank = Bank::up_with(|it| it.names = Some(free_for_datagrams())).await;
    assert_eq!(bank.pay("before", &payment(1)).await.0, 201);
    let (_, known) = bank.get("gateway", "/names").await;
    assert_eq!((&known["kyc"], &known["fresh"]), (&json!("127.0.0.1"), &json!(true)), "{known}");
    bank.kill("names").await;
    let known = async || bank.get("gateway", "/names").await.1;
    poll_until(async || {
        assert_eq!(bank.pay("during", &payment(1)).await.0.as_u16() / 100, 2);
        known().await["fresh"] == false
    })
    .await;
    bank.put("gateway", "/settings", &json!({ "names_kept_s": 0 })).await;
    let (status, why) = bank.pay("too-late", &payment(1)).await;
    assert_eq!(status, 503);
    let why = why["error"].as_str().unwrap();
    assert!(why.contains("kyc.bank.example") && why.contains("not accepted unscreened"), "{why}");
    bank.start("names").await;
    poll_until(async || bank.pay("after", &payment(1)).await.0 == 201).await;
    assert_eq!(known().await["fresh"], true);
}

#[tokio::test]
async fn a_branch_is_a_gateway_and_the_ledger_takes_nothing_of_another_time() {
    let bank = Bank::up_with(|it| it.branch = true).await;
    let (_, clock) = bank.get("branch", "/clock").await;
    assert_eq!(clock["ahead_of_ledger_s"], 0, "{clock}");
    let order = |id: &str, sent_ms: i64| {
        let mut payment = payment(1);
        payment["value_date"] = clock["value_date"].clone();
        json!({ "id": id, "payment": payment, "sent_ms": sent_ms })
    };
    let now = bank.get("core-a", "/status").await.1["now_ms"].as_i64().unwrap();
    for (id, sent_ms, way) in
        [("ahead", now + 3_600_000, "s ahead of"), ("behind", now - 3_600_000, "s behind")]
    {
        let (status, why) = bank.post("core-a", "/entries", &order(id, sent_ms)).await;
        assert_eq!(status, 409, "{why}");
        assert!(why["error"].as_str().unwrap().contains(way), "{why}");
        assert_eq!(bank.get("core-a", &format!("/entries/{id}")).await.0, 404);
    }
    assert_eq!(bank.post("core-a", "/entries", &order("now", now)).await.0, 201);
}
