//! The page's forms on the wire, and file systems that never answer.

use std::{
    io::Read as _,
    path::Path,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use holdfast::{
    agent::scrape::{Entry, Scrape},
    collector::Setup,
    collectors,
    world::roots::{self, Roots, Unread, Volume},
};

use super::{page, value};
use crate::beside::{agent, ask_bytes, machine, parse, until};

#[test]
fn a_page_in_gzip_says_what_the_page_says() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent(state.path(), &[]);
    let path = "/metrics?collect[]=meminfo";
    let headers = [("Accept-Encoding", "gzip")];
    let packed = ask_bytes(agent.address, "GET", path, &headers);
    let said = packed.headers.to_lowercase();
    assert!(said.contains("content-encoding: gzip") && said.contains("vary: accept"), "{said}");
    let mut page = String::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_string(&mut page).unwrap();
    assert!(parse(&page).contains_key("node_memory_MemTotal_bytes"));
    assert!(packed.body.len() * 3 < page.len(), "{} of {}", packed.body.len(), page.len());
    let head = ask_bytes(agent.address, "HEAD", path, &headers);
    assert!(head.body.is_empty() && head.headers.to_lowercase().contains("encoding: gzip"));
    let plain = ask_bytes(agent.address, "GET", path, &[("Accept-Encoding", "br, gzip;q=0")]);
    assert!(!plain.headers.to_lowercase().contains("content-encoding"));
    assert!(plain.body.starts_with(b"# HELP "));
}

#[test]
fn openmetrics_is_served_in_the_version_that_was_asked_for() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent(state.path(), &[]);
    for version in ["1.0.0", "0.0.1"] {
        let accept = format!("application/openmetrics-text;version={version}");
        let headers = [("Accept", accept.as_str())];
        let answer = ask_bytes(agent.address, "GET", "/metrics?collect[]=loadavg", &headers);
        assert!(answer.headers.contains(&format!("version={version}")), "{}", answer.headers);
        assert!(answer.body.ends_with(b"# EOF\n"));
    }
}

static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// `statfs`, as it is where the server of `/srv` is gone.
fn volume(path: &Path) -> Result<Volume, Unread> {
    if path.to_string_lossy().contains("/srv") {
        let open = GATE.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(GATE.1.wait_while(open, |it| !*it).unwrap_or_else(PoisonError::into_inner));
    }
    roots::volume(path)
}

/// Threads that ask what may hang, by their name: tests beside this one have others.
fn threads() -> usize {
    let all = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let name = all.map(|it| std::fs::read_to_string(it.path().join("comm")).unwrap_or_default());
    name.filter(|it| it == "ask\n").count()
}

#[test]
fn a_hung_mount_costs_that_mount_alone_and_comes_back() {
    let machine = machine();
    let setup = Setup { volume, ..Setup::default() };
    let entries = vec![Entry::of(&collectors::filesystem::KIND, &setup)];
    let roots = Roots::new(machine.path().join("proc"), "/sys", machine.path().join("root"));
    let mut scrape = Scrape::new(entries, roots, Duration::from_secs(20)).unwrap();
    let errors = |page: &str| -> Vec<(String, f64)> {
        let rows = &parse(page)["node_filesystem_device_error"].rows;
        rows.iter().map(|(labels, value)| (labels.clone(), *value)).collect()
    };
    let hung = |(labels, _): &&(String, f64)| labels.contains("mountpoint=\"/srv");
    let first = page(&mut scrape);
    let at = "{collector=\"filesystem\"}";
    assert_eq!(value(&parse(&first), "node_scrape_collector_success", at), Some(1.0));
    let all = errors(&first);
    assert!(all.iter().any(|it| hung(&it)), "{all:?}");
    assert!(all.iter().filter(hung).all(|it| it.1 > 0.0), "{all:?}");
    assert!(all.iter().any(|it| !hung(&it) && it.1 == 0.0), "{all:?}");
    assert!(!first.contains("node_filesystem_size_bytes{device=\"/dev/sdb1\""), "{first}");
    let before = threads();
    for _ in 0..20 {
        assert_eq!(errors(&page(&mut scrape)), all);
    }
    assert!(threads() < before + 15, "threads pile up: {before}, then {}", threads());
    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    until("the mount answers again", || {
        // The fixture's other mount below `/srv` is gone in truth, and stays an error.
        let all = errors(&page(&mut scrape));
        all.iter().any(|it| hung(&it) && it.1 == 0.0).then_some(())
    });
}

/// `statfs`, where nobody ever answers for what lies below `/srv`.
fn never(path: &Path) -> Result<Volume, Unread> {
    if path.to_string_lossy().contains("/srv") {
        std::thread::park_timeout(Duration::from_mins(10));
    }
    roots::volume(path)
}

#[test]
fn a_server_that_takes_many_mounts_with_it_does_not_take_the_others() {
    let machine = machine();
    let mut mounts = "/dev/root / ext4 rw 0 0\n".to_owned();
    for at in 0..20 {
        mounts +=
            &["server:/", &at.to_string(), " /srv/", &at.to_string(), " nfs rw 0 0\n"].concat();
    }
    mounts += "/dev/last /last ext4 rw 0 0\n";
    std::fs::create_dir_all(machine.path().join("root/last")).unwrap();
    std::fs::write(machine.path().join("proc/1/mounts"), mounts).unwrap();
    let setup = Setup { volume: never, ..Setup::default() };
    let entries = vec![Entry::of(&collectors::filesystem::KIND, &setup)];
    let roots = Roots::new(machine.path().join("proc"), "/sys", machine.path().join("root"));
    // As the agent has it: whatever hangs must fit into it.
    let mut scrape = Scrape::new(entries, roots, holdfast::agent::config::DEADLINE).unwrap();
    let page = until("those that answer are shown", || {
        let page = parse(&page(&mut scrape));
        (page.get("node_filesystem_size_bytes")?.rows.len() == 2).then_some(page)
    });
    let errors = &page["node_filesystem_device_error"].rows;
    assert_eq!((errors.len(), errors.values().sum::<f64>().to_string().as_str()), (22, "20"));
}
