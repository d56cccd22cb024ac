//! Whom a fault may touch: who fits, how many of them, and who is left alone.

use std::{collections::BTreeSet, net::TcpListener};

use holdfast::{
    manifest::{node::Doc, read, source::Source},
    target::{ProcessTarget, Targets, refuse_port},
    world::{
        World,
        bounds::{Bounds, Deny},
        host::Process,
        linux,
        sim::{Cut, Machine, Sim, process},
    },
};

use super::ground::{Ground, args, within};
use crate::crash::PATIENCE;

const ID: &str = "38c4944759ce7bd0ea1ce67c8834e20638c4944759ce7bd0ea1ce67c8834e206";

/// Ten workers, a database that listens, a service, a container, and those who are protected.
fn machine() -> Machine {
    let mut machine = Machine::default();
    let mut add = |it: Process| machine.processes.insert(it.id.clone(), it);
    for pid in 100..110 {
        add(process(pid, "worker"));
    }
    for (pid, name) in [(200, "postgres"), (201, "nginx"), (202, "web"), (1, "systemd")] {
        add(process(pid, name));
    }
    let says = |pid, name, line: &[&str]| Process {
        args: line.iter().map(|it| (*it).to_owned()).collect(),
        ..process(pid, name)
    };
    add(says(300, "sshd-session", &["sshd: root@pts/0"]));
    add(says(301, "holdfast", &["/usr/bin/holdfast", "--state", "/x", "agent"]));
    add(says(302, "holdfast", &["holdfast", "sandbox-process", "gateway"]));
    add(says(303, "guard", &["holdfast-guard", "worker"]));
    machine.listening.insert(5432, process(200, "").id);
    let mut group = |pid, path: String| machine.cgroups.insert(process(pid, "").id, path);
    group(200, "/system.slice/postgresql@15-main.service".to_owned());
    group(201, "/system.slice/nginx.service/workers".to_owned());
    group(202, format!("/system.slice/docker-{ID}.scope"));
    machine.users.extend((100..105).map(|pid| (process(pid, "").id, 1000)));
    machine
        .files
        .insert("/etc/passwd".to_owned(), b"root:x:0:0::/:\nbank:x:1000:1000::/:\n".into());
    machine
}

fn world(seed: u64, deny: Deny) -> World {
    Sim::new(machine(), Cut::Never).world().bounded(Bounds { seed, deny }).marked("run", 1)
}

fn written(yaml: &str) -> Result<Targets, String> {
    let mut out = Vec::new();
    let doc = Doc::parse(&Source::new("x.yaml", yaml), &mut out).expect("YAML");
    let read = read::read(&doc, doc.root(), doc.head(doc.root()), &mut out);
    match out.first() {
        None => Ok(read.expect("nothing was complained of")),
        Some(it) => Err(it.what.clone()),
    }
}

/// The numbers of those chosen, or why nobody was.
fn chosen_by(seed: u64, deny: &Deny, yaml: &str) -> Result<Vec<u32>, String> {
    let found = written(yaml)?.choose(&world(seed, deny.clone()));
    found.map(|it| it.into_iter().map(|it| it.id.pid).collect()).map_err(|why| why.to_string())
}

fn chosen(yaml: &str) -> Result<Vec<u32>, String> {
    chosen_by(7, &Deny::default(), yaml)
}

#[test]
fn a_target_is_found_by_any_of_its_traits() {
    assert_eq!(chosen("name: postgres"), Ok(vec![200]));
    assert_eq!(chosen("cmdline: sandbox-process"), Ok(vec![302]));
    assert_eq!(chosen("port: 5432"), Ok(vec![200]));
    assert_eq!(chosen("cgroup: /system.slice/nginx.service"), Ok(vec![201]));
    assert_eq!(chosen("unit: nginx"), Ok(vec![201]));
    assert_eq!(chosen("unit: postgresql@15-main.service"), Ok(vec![200]));
    assert_eq!(chosen("container: 38c4944759ce"), Ok(vec![202]));
    assert_eq!(
        chosen("port: 5433"),
        Err("nothing matches process that listens on port 5433".to_owned())
    );
}

#[test]
fn what_is_no_target_is_told() {
    let why = |yaml: &str| written(yaml).expect_err(yaml);
    assert!(why("{}").contains("a target must be named"));
    assert!(why("{ name: a, port: 1 }").contains("named once"));
    assert!(why("{ name: a, max_targets: 0 }").contains("touches nobody"));
    assert!(why("{ name: a, percent: 0 }").contains("0 percent"));
    assert!(why("{ port: 0 }").contains("port 0"));
    assert!(why("{ cgroup: nginx }").contains("path below the root"));
    assert!(why("{ cgroup: / }").contains("path below the root"));
    assert!(why("{ unit: a/b }").contains("one word"));
    assert!(why("{ container: 38c4 }").contains("at least 12 letters"));
}

#[test]
fn no_more_are_touched_than_the_file_allows() {
    let too_many =
        Err("10 processes match process `worker`, and `max_targets` allows 1".to_owned());
    assert_eq!(chosen("name: worker"), too_many);
    assert_eq!(chosen("{ name: worker, max_targets: 10 }").map(|it| it.len()), Ok(10));
    assert_eq!(chosen("{ name: worker, percent: 25 }").map(|it| it.len()), Ok(3), "rounded up");
    assert_eq!(chosen("{ name: worker, percent: 1 }").map(|it| it.len()), Ok(1));
    assert_eq!(chosen("{ name: worker, percent: 100 }").map(|it| it.len()), Ok(10));
    let why = chosen("{ name: worker, percent: 50, max_targets: 4 }").expect_err("5 are too many");
    assert!(why.contains("`max_targets` allows 4"), "{why}");
}

#[test]
fn the_same_seed_chooses_the_same_targets_and_another_seed_others() {
    let by = |seed| chosen_by(seed, &Deny::default(), "{ name: worker, percent: 30 }");
    for seed in 0..20 {
        assert_eq!(by(seed), by(seed));
    }
    let all: BTreeSet<_> = (0..20).map(by).collect();
    assert!(all.len() > 5, "the dice choose: {all:?}");
    let targets = written("{ name: worker, percent: 30 }").expect("a target");
    let act = |n| {
        let found = targets.choose(&world(7, Deny::default()).marked("another run", n));
        found.expect("targets").into_iter().map(|it| it.id.pid).collect::<Vec<_>>()
    };
    assert_eq!(act(1), by(7).expect("targets"), "the run's id has no say");
    assert!((2..9).any(|n| act(n) != act(1)), "every act rolls for itself");
}

#[test]
fn whoever_is_protected_is_named_with_the_reason() {
    for (yaml, who, why) in [
        ("name: sshd-session", "process 300 (sshd-session)", "it is how people log in to help"),
        ("{ cmdline: /usr/bin/holdfast }", "process 301 (holdfast)", "it is Holdfast's agent"),
    ] {
        let told = chosen(yaml).expect_err(yaml);
        assert!(told.starts_with(who) && told.contains(why), "{yaml}: {told}");
    }
    // Who works for a run is not even seen.
    assert!(chosen("{ cmdline: worker, max_targets: 10 }").is_ok());
    let mut machine = machine();
    machine.files.insert("/1.pid".to_owned(), b"1\n".to_vec());
    let world = Sim::new(machine, Cut::Never).world();
    let told = written("pid_file: /1.pid").expect("a target").choose(&world);
    let told = told.expect_err("process 1").to_string();
    assert_eq!(told, "process 1 (systemd) is protected: it is process 1");
}

#[test]
fn whom_the_file_denies_is_left_out_and_told_when_nobody_is_left() {
    let deny = |yaml: &str| -> Deny {
        let mut out = Vec::new();
        let doc = Doc::parse(&Source::new("x.yaml", yaml), &mut out).expect("YAML");
        let read = read::read(&doc, doc.root(), doc.head(doc.root()), &mut out);
        read.filter(|_| out.is_empty()).unwrap_or_else(|| panic!("{out:?}"))
    };
    let workers = "{ name: worker, percent: 100 }";
    let by = |yaml: &str, target: &str| chosen_by(7, &deny(yaml), target);
    assert_eq!(by("users: [bank]", workers), Ok((105..110).collect()));
    assert_eq!(by("users: [1000]", workers), Ok((105..110).collect()));
    for (yaml, target, why) in [
        ("names: [worker]", workers, "process 100 (worker) is protected: `deny` names `worker`"),
        ("cmdlines: [nginx]", "name: nginx", "`deny` names command lines with `nginx`"),
        ("ports: [5432]", "name: postgres", "it listens on port 5432, which `deny` names"),
        ("users: [root]", "name: nginx", "it is of user `root`, whom `deny` names"),
        ("users: [nobody]", "name: nginx", "there is none on this machine"),
    ] {
        let told = by(yaml, target).expect_err(yaml);
        assert!(told.contains(why), "{yaml}: {told}");
    }
    assert!(refuse_port(5432, &world(7, deny("ports: [5432]"))).is_err());
    assert!(refuse_port(5433, &world(7, deny("ports: [5432]"))).is_ok());
}

#[test]
fn a_listener_of_the_real_machine_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let world = linux::world(env!("CARGO_BIN_EXE_holdfast").into()).expect("a world");
    let found = ProcessTarget::Port(port).look(&*world.host).expect("a look");
    let pids: Vec<u32> = found.iter().map(|it| it.id.pid).collect();
    // A child that another test forks at this instant has the socket, too, until it runs its own.
    assert!(pids.contains(&std::process::id()), "{pids:?}");
    assert_eq!(world.host.user(std::process::id()).expect("a look"), {
        Some(rustix::process::geteuid().as_raw())
    });
    assert!(!world.host.cgroups(std::process::id()).expect("a look").is_empty());
}

#[test]
fn what_a_scenario_denies_is_not_touched_on_the_real_machine() {
    let mut ground = Ground::new(0);
    let tag = ground.tag().to_owned();
    let victim = ground.victim("sleep", &[&tag]);
    assert!(within(PATIENCE, || args(victim).first().is_some_and(|it| it == "sleep")));
    let text = "title: x\ndeny: { cmdlines: ['sleep TAG'] }\nmethod:\n  \
        - process_kill: { target: { cmdline: 'sleep TAG' } }\n    for: 50ms\n";
    let path = ground.file("x.yaml", text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("is protected: `deny` names"), "{done:?}");
    assert!(args(victim).first().is_some_and(|it| it == "sleep"), "it lives");
}

#[test]
fn a_dry_run_with_a_seed_names_those_that_the_run_touches() {
    let ground = Ground::new(6);
    let text = "title: x\nmethod:\n  \
        - process_pause: { target: { cmdline: 'sleep TAG', percent: 50 }, by: signal }\n    for: 50ms\n";
    let path = ground.file("x.yaml", text).display().to_string();
    let dry = ground.run(&["chaos", "run", "--dry-run", "--seed", "3", &path]);
    let planned = |pid: &u32| dry.out.contains(&format!("kill -CONT {pid}\n"));
    assert_eq!(ground.pids().iter().filter(|it| planned(it)).count(), 3, "{dry:?}");
    let done = ground.run(&["chaos", "run", "--seed", "3", &path]);
    let intended = ground.journal().1.entries.iter().find_map(|it| match &it.fact {
        holdfast::journal::entry::Fact::Intent(it) => Some(it.will.clone()),
        _ => None,
    });
    let intended = intended.unwrap_or_else(|| panic!("{done:?}"));
    for pid in ground.pids() {
        assert_eq!(intended.contains(&format!("{pid} (")), planned(&pid), "{intended}");
    }
}
