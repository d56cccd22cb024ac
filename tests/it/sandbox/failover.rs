//! Two cores: what is lost when one dies, who may write, and how they become one again.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use holdfast::sandbox::{
    book::Replication,
    fence::{self, Raised},
};
use rustix::process::Signal;
use tokio::{task::JoinSet, time::timeout};

use super::*;

/// Clients who write to one core, each on a connection of its own, until it refuses them.
struct Writers {
    acknowledged: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

impl Writers {
    fn on(core: SocketAddr, word: &str) -> Self {
        let acknowledged = Arc::<Mutex<Vec<String>>>::default();
        let mut tasks = JoinSet::new();
        for writer in 0..8 {
            let (acknowledged, word) = (Arc::clone(&acknowledged), word.to_owned());
            tasks.spawn(async move {
                let client = bank::client().unwrap();
                for n in 0.. {
                    let id = format!("{word}-{writer}-{n}");
                    let request = client.post(format!("http://{core}/entries"));
                    match request.json(&order(&id, 1)).send().await {
                        Ok(response) if response.status().is_success() => {
                            acknowledged.lock().unwrap().push(id);
                        }
                        Ok(response) => {
                            assert_eq!(response.status(), StatusCode::CONFLICT);
                            return;
                        }
                        Err(_) => return,
                    }
                }
            });
        }
        Self { acknowledged, tasks }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until every writer was refused; returns what was acknowledged.
    async fn end(self) -> Vec<String> {
        let refused = timeout(Duration::from_secs(10), self.tasks.join_all()).await;
        assert!(refused.is_ok(), "the core goes on acknowledging");
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

/// Kills the primary under load and promotes the standby. Acknowledged, and gone of those.
async fn crash(replication: Replication, link_delay_ms: u64) -> (usize, usize) {
    let bank = Bank::up_with(|it| {
        it.replication = replication;
        it.link_delay = Duration::from_millis(link_delay_ms);
    })
    .await;
    let writers = Writers::on(bank.address("core-a"), "w");
    bank.until_durable("core-b", 20).await;
    bank.kill("core-a").await;
    let acknowledged = writers.end().await;
    assert_eq!(fence::raise(&bank.dir(), "core-a", 2).await.unwrap(), Raised::Seen);
    assert_eq!(bank.post("core-b", "/promote", &json!({ "epoch": 2 })).await.0, StatusCode::OK);
    let log = bank.log("core-b").await;
    let gone = acknowledged.iter().filter(|id| !log.contains(&format!("\"id\":\"{id}\"")));
    (acknowledged.len(), gone.count())
}

#[tokio::test]
async fn whenever_a_core_is_killed_its_ledger_keeps_what_it_acknowledged() {
    let bank = Bank::up().await;
    for round in 0..8 {
        let writers = Writers::on(bank.address("core-a"), &format!("r{round}"));
        // Another instant each round, some of them within the first groups.
        poll_until(async || writers.count() > round * 17).await;
        bank.kill("core-a").await;
        let acknowledged = writers.end().await;
        bank.start("core-a").await;
        let log = bank.log("core-a").await;
        for id in acknowledged {
            assert!(log.contains(&format!("\"id\":\"{id}\"")), "round {round}: {id} is gone");
        }
    }
    let count = bank.log("core-a").await.lines().count();
    bank.until_durable("core-b", u64::try_from(count).unwrap()).await;
    assert_eq!(bank.log("core-a").await, bank.log("core-b").await);
}

#[tokio::test]
async fn synchronous_replication_loses_nothing() {
    let (acknowledged, gone) = crash(Replication::Sync, 5).await;
    println!("sync, 5 ms link: {gone} of {acknowledged} acknowledged entries lost");
    assert_eq!(gone, 0);
    assert!(acknowledged > 0);
}

#[tokio::test]
async fn asynchronous_replication_over_a_slow_link_loses_what_was_under_way() {
    let (acknowledged, gone) = crash(Replication::Async, 300).await;
    println!("async, 300 ms link: {gone} of {acknowledged} acknowledged entries lost");
    assert!(gone > 0);
    assert!(gone < acknowledged);
}

/// Both cores take turns as primary: each is frozen under load, fenced and replaced, thawed, and
/// taken back as a standby.
#[tokio::test]
async fn a_primary_that_was_fenced_while_frozen_acknowledges_nothing_after_the_thaw() {
    let bank = Bank::up().await;
    let (mut old, mut new) = ("core-a", "core-b");
    for epoch in 2..8 {
        let writers = Writers::on(bank.address(old), &format!("e{epoch}"));
        poll_until(async || writers.count() > 50).await;
        let process = bank.process(old);
        assert!(process.identity().signal(Signal::STOP).unwrap());
        let stat = format!("/proc/{}/stat", process.pid);
        poll_until(async || fs::read_to_string(&stat).unwrap().contains(") T ")).await;
        let raised = fence::raise(&bank.dir(), old, epoch).await.unwrap();
        let promoted = bank.post(new, "/promote", &json!({ "epoch": epoch })).await;
        assert_eq!(promoted.0, StatusCode::OK, "{}", promoted.1);
        // What the primary said before it froze lies in our sockets: these rounds read it.
        for _ in 0..5 {
            bank.get(new, "/status").await;
        }
        let before = writers.count();
        process.identity().signal(Signal::CONT).unwrap();
        let acknowledged = writers.end().await;
        assert_eq!(acknowledged.len(), before, "epoch {epoch}: acknowledged after the fence");

        println!("epoch {epoch}: {before} acknowledged before the freeze, then {raised:?}");
        if raised == Raised::Killed {
            bank.start(old).await;
        }
        let fenced = bank.get(old, "/status").await.1;
        assert_eq!((&fenced["fenced"], &fenced["role"]), (&json!(true), &json!("primary")));
        let rejoin = json!({ "primary": bank.address(new), "epoch": epoch });
        let (status, said) = bank.post(old, "/rejoin", &rejoin).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        assert_eq!(bank.log(old).await, bank.log(new).await);
        (old, new) = (new, old);
    }
}

/// Ports are used again: a gateway may find another sandbox's core where its own was.
#[tokio::test]
async fn two_sandboxes_do_not_mix() {
    let (ours, theirs) = (Bank::up().await, Bank::up().await);
    ours.put("gateway", "/route", &json!({ "core": theirs.address("core-a") })).await;
    let (status, said) = ours.pay("stray", &payment(1)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(said["error"], "core: this is a process of another sandbox");
    assert_eq!(theirs.log("core-a").await, "");
}

#[tokio::test]
async fn the_gateway_is_unwell_while_its_core_is_frozen() {
    let bank = Bank::up().await;
    let core = bank.process("core-a").identity();
    assert!(core.signal(Signal::STOP).unwrap());
    poll_until(async || bank.get("gateway", "/healthz").await.0 != StatusCode::OK).await;
    let (status, said) = bank.get("gateway", "/healthz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(said["error"], "core: no answer in time");
    let (status, said) = bank.pay("frozen", &payment(1)).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{said}");
    assert!(core.signal(Signal::CONT).unwrap());
    poll_until(async || bank.get("gateway", "/healthz").await.0 == StatusCode::OK).await;
    let (status, _) = bank.pay("frozen", &payment(1)).await;
    assert!(status.is_success(), "a repetition finds out");
}

#[tokio::test]
async fn a_bank_that_went_down_after_a_failover_comes_up_as_it_was() {
    let bank = Bank::up().await;
    bank.pay("before", &payment(1)).await;
    bank.until_durable("core-b", 1).await;
    fence::raise(&bank.dir(), "core-a", 2).await.unwrap();
    bank.post("core-b", "/promote", &json!({ "epoch": 2 })).await;
    bank.put("gateway", "/route", &json!({ "core": bank.address("core-b") })).await;
    let addresses = |book: Book| book.processes.into_values().map(|it| it.address);
    let before: Vec<_> = addresses(bank.book()).collect();
    assert_eq!(bank::down(&bank.dir()).await.unwrap(), 5);

    bank::up(&Bank::settings(&bank.folder)).await.unwrap();
    assert_eq!(addresses(bank.book()).collect::<Vec<_>>(), before);
    assert_eq!(bank.pay("after", &payment(1)).await.1["epoch"], 2);
    assert_eq!(bank.get("core-a", "/status").await.1["fenced"], true);
    let rejoin = json!({ "primary": bank.address("core-b"), "epoch": 2 });
    assert_eq!(bank.post("core-a", "/rejoin", &rejoin).await.0, StatusCode::OK);
    let seen = holdfast::sandbox::status::status(&bank.dir()).await.unwrap();
    assert!(seen.iter().all(|it| it.state == "up"), "{seen:?}");
}

#[tokio::test]
async fn a_fenced_primary_refuses_and_an_epoch_never_goes_back() {
    let bank = Bank::up().await;
    assert_eq!(bank.get("gateway", "/healthz").await.0, StatusCode::OK);
    bank.pay("before", &payment(1)).await;
    fence::raise(&bank.dir(), "core-a", 5).await.unwrap();
    fence::raise(&bank.dir(), "core-a", 2).await.unwrap();
    let (status, said) = bank.post("core-a", "/entries", &order("x", 1)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(said["error"].as_str().unwrap().starts_with("fenced: epoch 1 is below token 5"));
    assert_eq!(bank.get("core-a", "/healthz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bank.get("gateway", "/healthz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bank.pay("fenced", &payment(1)).await.0, StatusCode::SERVICE_UNAVAILABLE);
    bank.kill("core-a").await;
    bank.start("core-a").await;
    assert_eq!(bank.get("core-a", "/status").await.1["fenced"], true, "a token is durable");

    let promote =
        async |epoch: u64| bank.post("core-a", "/promote", &json!({ "epoch": epoch })).await.0;
    assert_eq!(promote(1).await, StatusCode::CONFLICT);
    assert_eq!(promote(4).await, StatusCode::CONFLICT, "still below its token");
    assert_eq!(promote(5).await, StatusCode::OK);
    assert_eq!(bank.pay("after", &payment(1)).await.0, StatusCode::CREATED);
    assert_eq!(promote(5).await, StatusCode::CONFLICT);
    let (status, _) = bank.post("core-b", "/entries", &order("y", 1)).await;
    assert_eq!(status, StatusCode::CONFLICT, "a standby takes no writes");
}

#[tokio::test]
async fn a_failed_primary_rejoins_drops_its_tail_and_fails_back() {
    let bank = Bank::up_with(|it| it.link_delay = Duration::from_millis(300)).await;
    let writers = Writers::on(bank.address("core-a"), "w");
    bank.until_durable("core-b", 20).await;
    bank.kill("core-a").await;
    let acknowledged = writers.end().await;
    fence::raise(&bank.dir(), "core-a", 2).await.unwrap();
    bank.post("core-b", "/promote", &json!({ "epoch": 2 })).await;
    let kept = bank.log("core-b").await.lines().count();
    let status = bank.get("core-b", "/status").await.1;
    assert_eq!(status["first_ack_mono_us"], Value::Null);
    bank.put("gateway", "/route", &json!({ "core": bank.address("core-b") })).await;
    for n in 0..10 {
        let (status, said) = bank.pay(&format!("new-{n}"), &payment(1)).await;
        assert_eq!(status, StatusCode::CREATED, "{said}");
        assert_eq!(said["epoch"], 2);
    }
    let status = bank.get("core-b", "/status").await.1;
    assert!(status["first_ack_mono_us"].as_u64() <= status["mono_us"].as_u64());

    bank.start("core-a").await;
    let had = bank.log("core-a").await.lines().count();
    assert!(had >= acknowledged.len());
    let wrong = json!({ "primary": bank.address("core-b"), "epoch": 3 });
    assert_eq!(bank.post("core-a", "/rejoin", &wrong).await.0, StatusCode::CONFLICT);
    let rejoin = json!({ "primary": bank.address("core-b"), "epoch": 2 });
    let (status, said) = bank.post("core-a", "/rejoin", &rejoin).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(said["dropped"], had - kept);
    assert_eq!(said["entries"], kept + 10);
    assert_eq!(bank.log("core-a").await, bank.log("core-b").await);
    let file = |name: &str| fs::read(bank.dir().join(name).join("ledger.jsonl")).unwrap();
    assert_eq!(file("core-a"), file("core-b"));

    // Fail back, with a gateway that has been restarted in between and remembers its route.
    bank.kill("gateway").await;
    bank.start("gateway").await;
    let route = bank.get("gateway", "/route").await.1;
    assert_eq!(route["core"], json!(bank.address("core-b")));
    fence::raise(&bank.dir(), "core-b", 3).await.unwrap();
    bank.until_durable("core-a", kept as u64 + 10).await;
    let promoted = bank.post("core-a", "/promote", &json!({ "epoch": 3 })).await;
    assert_eq!(promoted.0, StatusCode::OK);
    bank.put("gateway", "/route", &json!({ "core": bank.address("core-a") })).await;
    assert_eq!(bank.pay("back", &payment(1)).await.1["epoch"], 3);
    let rejoin = json!({ "primary": bank.address("core-a"), "epoch": 3 });
    let (_, said) = bank.post("core-b", "/rejoin", &rejoin).await;
    assert_eq!(said["dropped"], 0);
    assert_eq!(bank.log("core-a").await, bank.log("core-b").await);
}

#[tokio::test]
async fn a_standby_that_diverged_says_so_instead_of_copying_over() {
    let bank = Bank::up().await;
    bank.pay("common", &payment(1)).await;
    bank.until_durable("core-b", 1).await;
    // Nobody fences core-a here: both take writes, as in a split brain.
    bank.post("core-b", "/promote", &json!({ "epoch": 2 })).await;
    bank.post("core-a", "/entries", &order("a-only", 1)).await;
    bank.post("core-b", "/entries", &order("b-only", 1)).await;
    let ours = bank.log("core-b").await;
    let url = bank.url("core-b", "/log?from=2&follower=core-a&prev=0123");
    let (status, said) = answer(bank.client.get(url)).await;
    assert_eq!(status, StatusCode::CONFLICT, "{said}");
    assert!(said["error"].as_str().unwrap().starts_with("diverged"));
    let rejoin = json!({ "primary": bank.address("core-b"), "epoch": 2 });
    let (_, said) = bank.post("core-a", "/rejoin", &rejoin).await;
    assert_eq!((&said["dropped"], &said["entries"]), (&json!(1), &json!(2)));
    assert_eq!(bank.log("core-a").await, ours);
    poll_until(async || bank.get("core-a", "/healthz").await.0 == StatusCode::OK).await;
}

#[tokio::test]
async fn a_synchronous_primary_needs_its_standby_but_a_promoted_one_begins_alone() {
    let bank = Bank::up_with(|it| it.replication = Replication::Sync).await;
    assert_eq!(bank.pay("with", &payment(1)).await.0, StatusCode::CREATED);
    bank.kill("core-b").await;
    let (status, _) = bank.post("core-a", "/entries", &order("without", 1)).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    bank.start("core-b").await;
    let (status, _) = bank.post("core-a", "/entries", &order("without", 1)).await;
    assert_eq!(status, StatusCode::OK, "a repetition finds the entry, now confirmed");

    bank.kill("core-a").await;
    fence::raise(&bank.dir(), "core-a", 2).await.unwrap();
    bank.post("core-b", "/promote", &json!({ "epoch": 2 })).await;
    let enter = async |id: &str| bank.post("core-b", "/entries", &order(id, 1)).await.0;
    assert_eq!(enter("alone").await, StatusCode::CREATED);
    bank.start("core-a").await;
    let rejoin = json!({ "primary": bank.address("core-b"), "epoch": 2 });
    assert_eq!(bank.post("core-a", "/rejoin", &rejoin).await.0, StatusCode::OK);
    assert_eq!(enter("together").await, StatusCode::CREATED);
    bank.kill("core-a").await;
    assert_eq!(enter("left").await, StatusCode::GATEWAY_TIMEOUT);
}
