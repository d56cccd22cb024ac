//! The three programs together: what a run does is seen by the agent, and by a real Prometheus.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{os::unix::process::CommandExt as _, process::Command, time::Instant};

use crate::{
    beside::{self, PATIENCE},
    stage::{PROGRAM, Stage, text},
};

fn page(address: std::net::SocketAddr) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = holdfast::sandbox::bank::client().unwrap();
    let get = async { client.get(format!("http://{address}/metrics")).send().await?.text().await };
    runtime.block_on(get).unwrap()
}

fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find_map(|it| it.strip_prefix(series))?;
    line.trim().parse().ok()
}

fn until(address: std::net::SocketAddr, what: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = page(address);
        if what(&page) {
            return page;
        }
        assert!(Instant::now() < deadline, "it never came: {page}");
        std::thread::yield_now();
    }
}

#[test]
fn the_agent_sees_a_fault_while_it_stands_and_the_verdict_afterwards() {
    let stage = Stage::with_bank(&[]);
    let agent = beside::agent(&stage.state(), &[]);
    assert!(until(agent.address, |_| true).contains("holdfast_runs_index_readable 1"));
    let words = ["chaos", "run", "chaos-scenarios/kyc-frozen.yaml"];
    let mut run = stage.command(&words).spawn().unwrap();
    let stands = |page: &str| {
        page.lines().any(|it| {
            it.starts_with("holdfast_fault_active{")
                && it.contains(r#"fault="process_pause""#)
                && it.rsplit(' ').next().and_then(|it| it.parse().ok()) == Some(1.0)
        })
    };
    let during = until(agent.address, stands);
    assert_eq!(value(&during, r#"holdfast_runs_active{kind="scenario"}"#), Some(1.0));
    assert!(run.wait().unwrap().success());
    let ended = r#"holdfast_runs_total{kind="scenario",verdict="pass"}"#;
    let after = until(agent.address, |page| value(page, ended) == Some(1.0));
    assert!(!stands(&after), "{after}");
    assert_eq!(value(&after, r#"holdfast_faults_applied_total{fault="process_pause"}"#), Some(1.0));
    assert_eq!(value(&after, r#"holdfast_runs_active{kind="scenario"}"#), Some(0.0));
}

#[test]
fn an_agent_that_may_not_read_the_journals_still_tells_of_the_runs() {
    if !rustix::process::geteuid().is_root() {
        // Root's files must be read by somebody else here: without root there is nobody else.
        return;
    }
    let stage = Stage::with_bank(&[]);
    std::fs::set_permissions(stage.state().parent().unwrap(), {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::Permissions::from_mode(0o755)
    })
    .unwrap();
    let played = stage.play(&["chaos", "run", "chaos-scenarios/kyc-frozen.yaml"]);
    assert_eq!(played.code(), 0, "{}", played.said());
    let runs = stage.state().join("runs");
    let mut nobody = Command::new("ls");
    assert!(!nobody.arg(&runs).uid(65534).gid(65534).output().unwrap().status.success());
    // The executable may lie where nobody but root can go.
    let program = stage.state().parent().unwrap().join("holdfast");
    std::fs::copy(PROGRAM, &program).unwrap();
    let mut command = Command::new(&program);
    command.uid(65534).gid(65534);
    let agent = beside::agent_by(command, &stage.state(), &[]);
    let page = page(agent.address);
    let ended = r#"holdfast_runs_total{kind="scenario",verdict="pass"}"#;
    assert_eq!(value(&page, ended), Some(1.0), "{page}");
}

#[test]
fn payments_of_the_bank_become_counters_of_the_agent() {
    let stage = Stage::empty();
    let agent = beside::agent(&stage.state(), &[]);
    let events = format!("http://{}/v1/events", agent.address);
    let up = stage.run(&["sandbox", "up", "--rate", "50", "--events-url", &events]);
    assert!(up.status.success(), "{}", text(&up.stderr));
    let counted = |page: &str| {
        let lines = page.lines().filter(|it| it.starts_with("holdfast_payment_attempts_total{"));
        lines.filter_map(|it| it.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    // Which outcome becomes which event is the sandbox's own test; on a busy machine a client may
    // give a payment up that the gateway has counted, so no sum of the two need be equal.
    let told = until(agent.address, |page| counted(page) >= 50.0);
    assert!(told.contains("holdfast_payment_failures_total{"), "{told}");
}
