//! Collectors that panic or hang cost themselves, and nothing and nobody else.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use holdfast::{
    about::About,
    agent::{
        negotiate::Format,
        scrape::{Entry, Filter, Scrape},
    },
    collector::{Blank, Collector, CollectorKind, Samples, Setup},
    collectors,
    export::Card,
    world::roots::Roots,
};

use super::{page, value};
use crate::beside::{Family, machine, parse, until};

struct Panics(u32);

impl Collector for Panics {
    fn collect(&mut self, _: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.0 += 1;
        samples.gauge("half_written", "Half.").row(&[("calls", &self.0.to_string())], 1.0);
        assert_eq!(self.0, 1, "the second call of each one panics");
        Ok(())
    }
}

static PANICS: CollectorKind = CollectorKind {
    about: &About { name: "panics", summary: "panics", needs: &[], example: "" },
    exports: &[],
    blocks: false,
    health: None,
    make: |_| Box::new(Panics(0)),
};

static LOAD: &CollectorKind = &collectors::loadavg::KIND;

#[test]
fn a_panic_costs_its_collector_one_scrape_and_nothing_else() {
    let machine = machine();
    let roots = Roots::new(machine.path().join("proc"), "/sys", "/");
    let entries = [&PANICS, LOAD].map(|kind| Entry::of(kind, &Setup::default()));
    let mut scrape = Scrape::new(entries.into(), roots, Duration::from_secs(20)).unwrap();
    let at = "{collector=\"panics\"}";
    for expected in [1.0, 0.0, 1.0, 0.0] {
        let page = parse(&page(&mut scrape));
        assert_eq!(value(&page, "node_scrape_collector_success", at), Some(expected));
        assert_eq!(page.contains_key("half_written"), expected > 0.5);
        assert!(page.contains_key("node_load1"));
    }
}

static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

struct Hangs(u32);

impl Collector for Hangs {
    fn collect(&mut self, _: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let open = GATE.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(GATE.1.wait_while(open, |it| !*it).unwrap_or_else(PoisonError::into_inner));
        self.0 += 1;
        samples.gauge("calls", "Calls.").row(&[], f64::from(self.0));
        Ok(())
    }
}

static HANGS: CollectorKind = CollectorKind {
    about: &About { name: "hangs", summary: "hangs", needs: &[], example: "" },
    exports: &[],
    blocks: true,
    health: None,
    make: |_| Box::new(Hangs(0)),
};

#[test]
fn a_call_that_hangs_is_left_out_and_what_it_finds_late_is_not_passed_off_as_new() {
    let machine = machine();
    let roots = Roots::new(machine.path().join("proc"), "/sys", "/");
    let entries = [&HANGS, LOAD].map(|kind| Entry::of(kind, &Setup::default()));
    let mut scrape = Scrape::new(entries.into(), roots, Duration::from_secs(1)).unwrap();
    let at = "{collector=\"hangs\"}";
    for _ in 0..3 {
        let page = parse(&page(&mut scrape));
        assert_eq!(value(&page, "node_scrape_collector_success", at), Some(0.0));
        assert!(page.contains_key("node_load1") && !page.contains_key("calls"));
    }
    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    let calls = until("the thread comes back", || value(&parse(&page(&mut scrape)), "calls", ""));
    assert!(calls >= 2.0, "the hung call's own finding is stale, and is thrown away");
}

/// Who hangs as long as the gate is shut, and says how often it was asked.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opens: Condvar,
}

impl Gate {
    fn wait(&self) {
        let open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opens.wait_while(open, |it| !*it).unwrap_or_else(PoisonError::into_inner));
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opens.notify_all();
    }
}

struct Waits(Arc<Gate>, &'static str, u32);

impl Collector for Waits {
    fn collect(&mut self, _: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        samples.gauge(self.1, "Half.").row(&[], 0.0);
        self.0.wait();
        self.2 += 1;
        samples.row(&[("calls", &self.2.to_string())], 1.0);
        Ok(())
    }
}

fn threads() -> usize {
    let all = fs::read_dir("/proc/self/task").unwrap().flatten();
    let name = |it: fs::DirEntry| fs::read_to_string(it.path().join("comm")).unwrap_or_default();
    all.filter(|it| it.metadata().is_ok()).map(name).filter(|it| it == "collect\n").count()
}

#[test]
fn whoever_hangs_unforeseen_costs_itself_and_one_thread_and_comes_back() {
    let (machine, gate) = (machine(), Arc::new(Gate::default()));
    let roots = Roots::new(machine.path().join("proc"), "/sys", "/");
    let waits = |name: &'static str| {
        let gate = Arc::clone(&gate);
        Entry::own(card(name), move || Waits(Arc::clone(&gate), name, 0))
    };
    let of = |kind| Entry::of(kind, &Setup::default());
    let entries = vec![
        of(LOAD),
        waits("one"),
        of(&collectors::stat::KIND),
        waits("two"),
        of(&collectors::uname::KIND),
    ];
    let mut scrape = Scrape::new(entries, roots, Duration::from_secs(2)).unwrap();
    let success = |page: &BTreeMap<String, Family>| {
        let rows = page["node_scrape_collector_success"].rows.iter();
        rows.map(|(at, it)| format!("{} {it}", at.split('"').nth(1).unwrap())).collect::<Vec<_>>()
    };
    let blocked = ["loadavg 1", "one 0", "stat 1", "two 0", "uname 1"];
    let before = threads();
    for _ in 0..20 {
        let page = parse(&page(&mut scrape));
        assert_eq!(success(&page), blocked);
        assert!(page.contains_key("node_load1") && page.contains_key("node_uname_info"));
        assert!(page.contains_key("node_forks_total"), "who comes after one that hangs");
        assert!(!page.contains_key("one") && !page.contains_key("two"));
    }
    assert!(threads() <= before + 20, "threads pile up: {before}, then {}", threads());
    gate.open();
    until("they come back", || {
        let page = parse(&page(&mut scrape));
        let calls = page.get("one")?.rows.len() + page.get("two")?.rows.len();
        (calls == 4 && success(&page).iter().all(|it| it.ends_with('1'))).then_some(())
    });
}

#[tokio::test]
async fn a_client_that_goes_away_amid_a_scrape_leaves_the_next_one_whole() {
    let (machine, gate) = (machine(), Arc::new(Gate::default()));
    let roots = Roots::new(machine.path().join("proc"), "/sys", "/");
    let inner = Arc::clone(&gate);
    let entries = vec![
        Entry::own(card("slow"), move || Waits(Arc::clone(&inner), "slow", 0)),
        Entry::of(LOAD, &Setup::default()),
    ];
    let mut scrape = Scrape::new(entries, roots, Duration::from_secs(20)).unwrap();
    // Its future is dropped when it was looked at once: the thread has its order by then.
    assert!(scrape.page(&Filter::All, Format::Text).now_or_never().is_none());
    gate.open();
    let page = parse(scrape.page(&Filter::All, Format::Text).await.unwrap());
    assert!(page.contains_key("node_load1") && page.contains_key("slow"));
    let success = &page["node_scrape_collector_success"].rows;
    assert!(success.values().all(|it| *it > 0.5), "{success:?}");
}

fn card(name: &'static str) -> Card {
    let about = About { name, summary: "waits", needs: &[], example: "" };
    Card { about: Box::leak(Box::new(about)), exports: &[] }
}
