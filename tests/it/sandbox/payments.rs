//! What becomes of payments, and of the entries that they make.

use std::{
    fs,
    io::Write as _,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, routing::post};
use futures_util::future::join_all;
use holdfast::sandbox::bank::{self, UpError};
use jiff::civil::Date;

use super::*;

#[tokio::test]
async fn an_acknowledged_payment_survives_a_crash_of_core_and_gateway() {
    let bank = Bank::up().await;
    let paid = join_all((0..20).map(async |n| {
        let (status, receipt) = bank.pay(&format!("p-{n}"), &payment(n + 1)).await;
        assert_eq!(status, StatusCode::CREATED, "{receipt}");
        receipt
    }))
    .await;
    for name in ["core-a", "gateway"] {
        let before = bank.address(name);
        bank.kill(name).await;
        assert_eq!(bank.start(name).await.address, before, "the former port was free");
    }
    for (n, receipt) in paid.iter().enumerate() {
        let (status, entry) = bank.get("gateway", &format!("/payments/p-{n}")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(entry["seq"], receipt["seq"]);
        assert_eq!(entry["payment"]["amount_minor"], n + 1);
    }
    assert_eq!(bank.pay("p-after", &payment(5)).await.0, StatusCode::CREATED);
    assert_eq!(bank.get("gateway", "/payments/p-never").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_repeated_payment_is_entered_once() {
    let bank = Bank::up().await;
    let at_once = join_all((0..20).map(|_| async { bank.pay("same", &payment(7)).await })).await;
    let created = at_once.iter().filter(|it| it.0 == StatusCode::CREATED).count();
    assert_eq!(created, 1);
    let receipt = &at_once[0].1;
    assert!(at_once.iter().all(|it| it.0.is_success() && it.1 == *receipt), "{at_once:?}");
    assert_eq!(bank.pay("same", &payment(7)).await, (StatusCode::OK, receipt.clone()));
    let (status, said) = bank.pay("same", &payment(8)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
    assert_eq!(bank.log("core-a").await.lines().count(), 1);

    let mut later = order("same", 7);
    later["payment"]["value_date"] = json!("2030-01-01");
    let (status, again) = bank.post("core-a", "/entries", &later).await;
    assert_eq!((status, &again["value_date"]), (StatusCode::OK, &receipt["value_date"]));
}

#[tokio::test]
async fn bad_input_is_told_what_is_wrong_and_enters_nothing() {
    let bank = Bank::up().await;
    let url = bank.url("gateway", "/payments");
    let (status, _) = answer(bank.client.post(&url).json(&payment(1))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "the key is missing");
    let keyed = || bank.client.post(&url).header("idempotency-key", "k");
    assert_eq!(answer(keyed().body("{\"debtor\":")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(answer(keyed().body(vec![0xFF; 8])).await.0, StatusCode::BAD_REQUEST);
    let huge = keyed().body("x".repeat(17 * 1024));
    assert_eq!(answer(huge).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    for key in ["", "with space", &"x".repeat(65)] {
        assert_eq!(bank.pay(key, &payment(1)).await.0, StatusCode::BAD_REQUEST, "{key}");
    }
    let wrong = [
        ("amount_minor", json!(-1)),
        ("amount_minor", json!(0)),
        ("amount_minor", json!(1.5)),
        ("currency", json!("euro")),
        ("creditor_name", json!("  ")),
        ("surprise", json!(1)),
    ];
    for (field, value) in wrong {
        let mut body = payment(1);
        body[field] = value;
        let (status, said) = bank.pay("k", &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        assert!(said["error"].as_str().is_some_and(|it| it.contains(field)), "{field}: {said}");
    }
    assert_eq!(bank.post("core-a", "/promote", &json!({})).await.0.as_u16(), 422);
    let refused = [
        ("core-a", "/settings", json!({ "link_delay_ms": 10_001 })),
        ("core-a", "/settings", json!({ "replication": "maybe" })),
        ("sanctions", "/behaviour", json!({ "error_rate": 1.5 })),
        ("kyc", "/behaviour", json!({ "latency_ms": 60_000 })),
        ("gateway", "/route", json!({ "core": "192.0.2.1:80" })),
        ("gateway", "/route", json!({ "core": "core-b" })),
    ];
    for (name, path, body) in refused {
        let (status, said) = answer(bank.client.put(bank.url(name, path)).json(&body)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {said}");
    }
    assert_eq!(bank.get("core-a", "/log?from=-1").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(bank.get("gateway", "/nowhere").await.0, StatusCode::NOT_FOUND);
    assert_eq!(bank.log("core-a").await, "");
}

#[tokio::test]
async fn the_cut_off_decides_the_value_date() {
    // A cut-off at midnight has always passed: the value date is never today.
    let bank = Bank::up_with(|it| it.cut_off = "00:00".parse().unwrap()).await;
    let before = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date();
    let (_, receipt) = bank.pay("late", &payment(1)).await;
    let value_date: Date = receipt["value_date"].as_str().unwrap().parse().unwrap();
    assert!(value_date > before, "{value_date} follows {before}");
    assert!(value_date.weekday().to_monday_zero_offset() < 5, "{value_date} is a business day");
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_finishes_what_has_begun_and_tells_of_it() {
    let (sums, url) = adder().await;
    let bank = Bank::up_with(|it| it.events_url = Some(url)).await;
    bank.put("sanctions", "/behaviour", &json!({ "latency_ms": 400 })).await;
    let stop = async {
        // Once kyc has answered, the payment is under way and waits for sanctions.
        let url = bank.url("kyc", "/metrics");
        poll_until(async || {
            let page = bank.client.get(&url).send().await.unwrap().text().await.unwrap();
            page.contains("answer=\"clear\"")
        })
        .await;
        bank::stop(&bank.dir(), "gateway", false).await.unwrap()
    };
    let body = payment(1);
    let ((status, said), ran) = tokio::join!(bank.pay("last", &body), stop);
    assert!(ran);
    assert_eq!(status, StatusCode::CREATED, "{said}");
    let told = [("holdfast_payment_attempts_total -".to_owned(), 1)].into();
    assert_eq!(*sums.lock().unwrap(), told);
}

#[tokio::test]
async fn a_torn_ledger_goes_on_and_a_damaged_one_is_refused_untouched() {
    let bank = Bank::up().await;
    for n in 0..3 {
        bank.pay(&format!("p-{n}"), &payment(1)).await;
    }
    let file = bank.dir().join("core-a/ledger.jsonl");
    bank.kill("core-a").await;
    let whole = fs::read(&file).unwrap();
    fs::File::options().append(true).open(&file).unwrap().write_all(b"{\"seq\":3,").unwrap();
    bank.start("core-a").await;
    assert_eq!(fs::read(&file).unwrap(), whole);
    assert_eq!(bank.pay("p-3", &payment(1)).await.1["seq"], 3);

    bank.kill("core-a").await;
    let whole = fs::read_to_string(&file).unwrap();
    let last = whole.lines().last().unwrap();
    let damages = [
        (whole.replacen('{', "(", 1), ":1: not an entry"),
        (whole.replacen("\"seq\":1", "\"seq\":7", 1), ":2: has the number 7 where 1 is due"),
        (format!("{whole}{last}\n").replacen("\"seq\":3", "\"seq\":4", 1), ":4: has the number 4"),
        (whole.replacen("p-2", "p-0", 1), ":3: bears an id that an earlier line has"),
    ];
    for (damaged, complaint) in damages {
        fs::write(&file, &damaged).unwrap();
        let refused = bank::start_with(&bank.dir(), "core-a", Path::new(PROGRAM)).await;
        let Err(why @ UpError::NotReady { .. }) = refused else { panic!("{refused:?}") };
        assert!(why.to_string().contains(complaint), "{complaint}: {why}");
        assert_eq!(fs::read_to_string(&file).unwrap(), damaged);
    }
    fs::write(&file, &whole).unwrap();
    bank.start("core-a").await;
    assert_eq!(bank.log("core-a").await, whole);
}

type Sums = Arc<Mutex<std::collections::BTreeMap<String, u64>>>;

/// Something that adds business events up, and its URL.
async fn adder() -> (Sums, String) {
    async fn take(State(sums): State<Sums>, Json(body): Json<Value>) {
        for event in body["events"].as_array().unwrap() {
            let class = event["labels"]["reason_class"].as_str().unwrap_or("-");
            assert_eq!(event["labels"]["rail"], "instant");
            assert_eq!(event["labels"]["channel"], "api");
            let name = format!("{} {class}", event["name"].as_str().unwrap());
            *sums.lock().unwrap().entry(name).or_default() += event["value"].as_u64().unwrap();
        }
    }
    let sums = Sums::default();
    let app = Router::new().route("/v1/events", post(take)).with_state(Arc::clone(&sums));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/events", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (sums, url)
}

#[tokio::test]
async fn business_events_tell_every_payment_and_why_it_failed() {
    let (sums, url) = adder().await;
    let bank = Bank::up_with(|it| it.events_url = Some(url)).await;
    bank.pay("good", &payment(1)).await;
    bank.pay("bad", &payment(0)).await;
    let mut hit = payment(1);
    hit["creditor_name"] = json!("Baron Gloomfang");
    bank.pay("hit", &hit).await;
    bank.kill("core-a").await;
    bank.pay("out", &payment(1)).await;
    let expected = [
        ("holdfast_payment_attempts_total -", 4),
        ("holdfast_payment_failures_total business", 2),
        ("holdfast_payment_failures_total technical", 1),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count)).into();
    poll_until(async || *sums.lock().unwrap() == expected).await;
}

#[tokio::test]
async fn the_load_generator_pays_at_its_rate_and_every_process_exports_metrics() {
    let bank = Bank::up_with(|it| {
        it.rate = 100;
        it.batch = true;
        it.branch = true;
        it.names = Some(free_for_datagrams());
    })
    .await;
    poll_until(async || {
        bank.get("load", "/status").await.1["payments"]["accepted"].as_u64() >= Some(100)
    })
    .await;
    let (_, status) = bank.get("load", "/status").await;
    println!("payments at 100/s through the gateway: {status}");
    for name in holdfast::sandbox::book::NAMES {
        let response = bank.client.get(bank.url(name, "/metrics")).send().await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        let page = response.text().await.unwrap();
        assert!(page.contains("holdfast_sandbox_http_requests_total{"), "{name}: {page}");
        assert!(page.contains(&format!("process=\"{name}\"")), "{name}");
        assert!(page.ends_with("# EOF\n"), "{name}");
    }
    bank.put("load", "/rate", &json!({ "rate": 0 })).await;
}
