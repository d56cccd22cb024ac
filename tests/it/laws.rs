//! The laws of every action on the registry. No kind is named here: a new one is covered by being
//! listed, as long as the machine below has what its example mentions.
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

mod chance;
mod traces;

use std::{collections::BTreeSet, net::SocketAddr};

use holdfast::{
    engine::{
        act::{Doing, Stopped, act},
        back::{Left, back},
    },
    journal::{
        book::Journal,
        chain,
        entry::{Fact, OnVanish, UndoClass},
        fold,
    },
    manifest::source::Source,
    registry,
    script::{
        lines::{Act, Script},
        read,
    },
    world::{
        net::Connection,
        sim::{Cut, Machine, Sim, process},
    },
};

const RUN: &str = "20260101T000000Z-00000001";

/// The example of a kind, read as a user's file is read.
fn example(name: &str, text: &str) -> Script {
    let lines: Vec<_> = text.lines().map(|it| format!("          {it}")).collect();
    let settings = lines.join("\n");
    let file = format!(
        "title: an example\nobjectives: {{ rto: 1s, lost_writes: 0 }}\nwitness:\n  \
         write: {{ url: 'http://x/', body: '{{id}}' }}\n  \
         read: {{ url: 'http://x/{{id}}', contains: x }}\n\
         phases:\n  - phase: all\n    steps:\n      - witness: start\n      \
         - {name}:\n{settings}\n        for: 1s\n      - witness: read_back\n"
    );
    let source = Source::new("example.yaml", &file);
    let mut complaints = Vec::new();
    let script = read::script(&source, &[].into(), &registry::kinds(), &mut complaints);
    script.unwrap_or_else(|| panic!("{name}: {complaints:#?}\n{file}"))
}

/// Every kind, by the script that plays its example.
fn examples() -> Vec<Script> {
    let all = registry::actions();
    all.into_iter().map(|it| example(it.about.name, it.about.example)).collect()
}

fn first(script: &Script) -> &Act {
    script.acts().next().expect("one act")
}

/// Words of all examples that fit.
fn words(fits: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let ends = |c: char| c.is_whitespace() || "{}[],'\"".contains(c);
    let kinds = registry::actions();
    let all = kinds.iter().flat_map(|it| it.about.example.split(ends));
    all.filter(|it| fits(it)).map(str::to_owned).collect()
}

/// A machine with everything that the examples mention: each bare word is the name of two
/// processes, each address a service. Its files are not there.
fn clean() -> Machine {
    let mut machine = Machine::default();
    let bare = |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_lowercase());
    for (n, name) in (0..).zip(words(bare)) {
        for pid in [100 + 2 * n, 101 + 2 * n] {
            let it = process(pid, &name);
            machine.processes.insert(it.id.clone(), it);
        }
    }
    for name in words(bare) {
        machine.containers.insert(name, (true, false));
    }
    // What a fault changes must be there to be changed, and a library to be loaded.
    machine.files.insert("/etc/ledger/limits.conf".to_owned(), b"limit = 7\n".to_vec());
    for peer in words(|it| it.parse::<SocketAddr>().is_ok()) {
        let peer = peer.parse().expect("an address");
        for cookie in [1, 2] {
            let local =
                SocketAddr::from(([10, 0, 0, 1], 40_000 + u16::try_from(cookie).unwrap_or(0)));
            machine.connections.insert(Connection { local, peer, device: 0, cookie, user: 0 });
        }
    }
    for url in words(|it| it.starts_with("http://") || it.starts_with("https://")) {
        machine.web.insert(url, r#"{"role":"primary"}"#.to_owned());
    }
    machine
}

/// Machines on which somebody else has been: what was so must stay so.
fn starts() -> Vec<(&'static str, Machine)> {
    let mut all = starts_without_services();
    for (_, it) in &mut all {
        // A service that is started again has the processes that it had.
        for process in it.processes.values() {
            it.services.entry(process.name.clone()).or_default().push(process.clone());
        }
    }
    all
}

fn starts_without_services() -> Vec<(&'static str, Machine)> {
    let mut stopped = clean();
    for it in stopped.processes.values_mut().filter(|it| it.id.pid % 2 == 0) {
        it.stopped = true;
    }
    let mut held = clean();
    held.held.insert(process(9_000, "holdfast-hold").id, format!("{RUN}0/1"));
    held.held.insert(process(9_001, "holdfast-hold").id, "another/1".to_owned());
    let mut files = clean();
    for path in words(|it| it.starts_with('/')) {
        files.files.insert(path, b"1\n".to_vec());
    }
    let mut second = clean();
    second.passed = Some([("/sys/fs/cgroup/unified".to_owned(), "memory".to_owned())].into());
    let mut all = stopped.clone();
    all.held.clone_from(&held.held);
    all.files.clone_from(&files.files);
    vec![
        ("clean", clean()),
        ("somebody's process is stopped", stopped),
        ("another run's children live", held),
        ("files are there", files),
        ("control groups are of version 2", second),
        ("all of it", all),
    ]
}

/// A process of ours: a machine, and a journal on it.
fn begin(machine: Machine, cut: Cut) -> (Sim, Journal) {
    let sim = Sim::new(machine, cut);
    let clock = sim.world().clock;
    (sim.clone(), Journal::new(Box::new(sim), clock))
}

async fn play(
    number: u32,
    (it, on_vanish): (&Act, OnVanish),
    (sim, journal): (&Sim, &mut Journal),
) -> Result<(), Stopped> {
    let doing = Doing {
        number,
        name: &it.name,
        kind: it.kind,
        action: &*it.action,
        on_vanish,
        due_us: None,
    };
    let world = sim.world().marked(RUN, number);
    act(&doing, &world, &mut |fact: Fact| journal.append(fact).map(drop)).await
}

/// Another process finds `machine` and takes over from the journal's bytes, and nothing else.
async fn recover(mut machine: Machine, cut: Cut) -> (Machine, Left) {
    let lines = chain::read(&machine.journal).expect("a torn tail is no broken journal");
    machine.journal.truncate(lines.whole);
    let sim = Sim::new(machine, cut);
    let world = sim.world();
    let open = fold::outstanding(&lines.entries);
    let mut journal =
        Journal::take_over(Box::new(sim.clone()), std::sync::Arc::clone(&world.clock), lines);
    let mut write = |fact: Fact| journal.append(fact).map(drop);
    let left = back(open, (RUN, &registry::actions()), &world, &mut write).await;
    (sim.machine(), left)
}

fn outstanding(machine: &Machine) -> usize {
    let lines = chain::read(&machine.journal).expect("a journal");
    fold::outstanding(&lines.entries).len()
}

/// All that can go wrong with `effects` effects.
fn cuts(effects: u32) -> impl Iterator<Item = Cut> {
    (0..effects).flat_map(|n| [Cut::Before(n), Cut::Within(n), Cut::After(n)])
}

/// How many effects playing `it` uncut has, and the machine that it leaves.
async fn uncut(it: &Act, start: &Machine) -> (u32, Machine) {
    let (sim, mut journal) = begin(start.clone(), Cut::Never);
    let played = play(1, (it, OnVanish::Heal), (&sim, &mut journal)).await;
    played.unwrap_or_else(|why| panic!("{}: {why}", it.name));
    (sim.effects(), sim.machine())
}

#[test]
fn every_example_is_read_by_the_reader_that_users_meet() {
    assert!(examples().len() >= 8);
    for kind in registry::probes() {
        let doc = Source::new("example.yaml", kind.about.example);
        let mut out = Vec::new();
        let doc = holdfast::manifest::node::Doc::parse(&doc, &mut out).expect("YAML");
        let read = kind.read(&doc, doc.root(), doc.head(doc.root()), &mut out);
        assert!(read.is_some() && out.is_empty(), "{}: {out:?}", kind.about.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_touches_nothing_and_an_act_something() {
    for script in examples() {
        let it = first(&script);
        for (what, start) in starts() {
            let sim = Sim::new(start.clone(), Cut::Never);
            let plan = it.action.plan(&sim.world().marked(RUN, 1)).await;
            let plan = plan.unwrap_or_else(|why| panic!("{} ({what}): {why}", it.name));
            assert_eq!((sim.effects(), sim.machine()), (0, start.clone()), "{}", it.name);
            assert!(!plan.will.is_empty(), "{}", it.name);
            let way_back = it.kind.class != UndoClass::OneShot;
            assert!(!way_back || !plan.by_hand.is_empty(), "{}: a person goes how?", it.name);
            let (effects, after) = uncut(it, &start).await;
            // Three are the journal's. A restart is over at once, and the machine as it was.
            let acted = effects > 3;
            // What only looks tells what it saw, and changes nothing.
            if it.kind.looks {
                assert_eq!((effects, after.without_journal()), (3, start), "{}", it.name);
                continue;
            }
            let changed =
                after.without_journal() != start || it.kind.about.name.ends_with("restart");
            assert!(acted && changed, "{}: it changes nothing", it.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_anywhere_is_recovered_from_the_journal_alone() {
    let mut cases = 0;
    for script in examples() {
        let it = first(&script);
        for (what, start) in starts() {
            let (effects, _) = uncut(it, &start).await;
            for cut in cuts(effects).chain([Cut::Never]) {
                let (sim, mut journal) = begin(start.clone(), cut);
                let told = play(1, (it, OnVanish::Heal), (&sim, &mut journal)).await;
                assert_eq!(told.is_ok(), cut == Cut::Never, "{}: {cut:?} was not told", it.name);
                // The runner is dead, or it hangs and its children live on.
                for found in [sim.machine().after_death(RUN), sim.machine()] {
                    let case = format!("{} ({what}), cut {cut:?}", it.name);
                    restored(&case, it.kind.class, (&start, found)).await;
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 500, "only {cases} cases");
}

/// Recovery restores the machine; when it is cut itself, the next one does.
async fn restored(case: &str, class: UndoClass, (start, found): (&Machine, Machine)) {
    let wanted = match class {
        UndoClass::Kernel | UndoClass::Guardian => start.clone(),
        UndoClass::OneShot => found.without_journal(),
    };
    if class == UndoClass::Kernel {
        assert_eq!(found.after_death(RUN).without_journal(), wanted, "{case}: the kernel");
    }
    let (healed, left) = recover(found.clone(), Cut::Never).await;
    assert_eq!((left, outstanding(&healed)), (Left::default(), 0), "{case}");
    assert_eq!(healed.without_journal(), wanted, "{case}: the machine is not as it was");
    let (again, left) = recover(healed.clone(), Cut::Never).await;
    assert_eq!((again, left), (healed, Left::default()), "{case}: nothing is left to do");
    for cut in cuts(6) {
        let (halfway, _) = recover(found.clone(), cut).await;
        let (healed, left) = recover(halfway.after_death(RUN), Cut::Never).await;
        assert_eq!((left, outstanding(&healed)), (Left::default(), 0), "{case}, then {cut:?}");
        assert_eq!(healed.without_journal(), wanted, "{case}, then {cut:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn undo_twice_is_once_and_undo_without_apply_is_harmless() {
    for script in examples() {
        let it = first(&script);
        for (what, start) in starts() {
            let case = format!("{} ({what})", it.name);
            let sim = Sim::new(start.clone(), Cut::Never);
            let world = sim.world().marked(RUN, 1);
            let plan = it.action.plan(&world).await.expect(&case);
            it.kind.undo(&plan.undo, &world).await.expect(&case);
            assert_eq!(sim.machine(), start, "{case}: undo without apply");
            it.action.perform(&plan.undo, &world).await.expect(&case);
            it.kind.undo(&plan.undo, &world).await.expect(&case);
            let once = sim.machine();
            it.kind.undo(&plan.undo, &world).await.expect(&case);
            assert_eq!(sim.machine(), once, "{case}: undo twice");
            if it.kind.class != UndoClass::OneShot {
                assert_eq!(once, start, "{case}: undo");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_act_never_hits_another_process_with_the_number_of_its_target() {
    for script in examples() {
        let it = first(&script);
        let sim = Sim::new(starts().remove(0).1, Cut::Never);
        let world = sim.world().marked(RUN, 1);
        let plan = it.action.plan(&world).await.expect("a plan");
        // Between plan and act, every process ends, and another one gets its number.
        let mut later = clean();
        later.processes = clean()
            .processes
            .into_values()
            .map(|mut it| {
                it.id.started += 1;
                (it.id.clone(), it)
            })
            .collect();
        let sim = Sim::new(later.clone(), Cut::Never);
        let world = sim.world().marked(RUN, 1);
        // Whether it says that it went through is its own business.
        drop(it.action.perform(&plan.undo, &world).await);
        assert_eq!(sim.machine().processes, later.processes, "{}: apply", it.name);
        drop(it.kind.undo(&plan.undo, &world).await);
        assert_eq!(sim.machine().processes, later.processes, "{}: undo", it.name);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_to_stay_is_kept_and_nobody_s_to_undo_any_more() {
    for script in examples() {
        let it = first(&script);
        let (sim, mut journal) = begin(starts().remove(0).1, Cut::Never);
        play(1, (it, OnVanish::Keep), (&sim, &mut journal)).await.expect("it goes through");
        let stands = sim.machine();
        let (after, left) = recover(stands.clone(), Cut::Never).await;
        assert_eq!((left, outstanding(&after)), (Left::default(), 0), "{}", it.name);
        assert_eq!(after.without_journal(), stands.without_journal(), "{}", it.name);
        let lines = chain::read(&after.journal).expect("a journal");
        assert_eq!(lines.entries.last().map(|it| &it.fact), Some(&Fact::Kept { act: 1 }));
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_meanwhile_stays() {
    for script in examples() {
        let it = first(&script);
        let (sim, mut journal) = begin(starts().remove(0).1, Cut::Never);
        play(1, (it, OnVanish::Heal), (&sim, &mut journal)).await.expect("it goes through");
        let mut theirs = sim.machine();
        // What lies in a folder of ours goes with it.
        let inside = |path: &str| theirs.folders.iter().any(|it| path.starts_with(it.as_str()));
        let ours: Vec<String> = theirs.files.keys().filter(|it| inside(it)).cloned().collect();
        theirs.files.iter_mut().filter(|it| !ours.contains(it.0)).for_each(|it| {
            *it.1 = b"999".to_vec();
        });
        theirs.web.values_mut().for_each(|it| "theirs".clone_into(it));
        let (after, _) = recover(theirs.clone(), Cut::Never).await;
        theirs.files.retain(|it, _| !ours.contains(it));
        assert_eq!((&after.files, &after.web), (&theirs.files, &theirs.web), "{}", it.name);
    }
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_this_version_cannot_read_is_stuck_and_not_guessed() {
    for script in examples() {
        let it = first(&script);
        // What has no way back has none that could be misread.
        if it.kind.class == UndoClass::OneShot {
            continue;
        }
        let (sim, mut journal) = begin(starts().remove(0).1, Cut::Never);
        play(1, (it, OnVanish::Heal), (&sim, &mut journal)).await.expect("it goes through");
        let mut open = fold::outstanding(journal.entries());
        for it in &mut open {
            it.undo = serde_json::json!("from another time");
        }
        let stands = sim.machine();
        let mut write = |fact: Fact| journal.append(fact).map(drop);
        let left = back(open, (RUN, &registry::actions()), &sim.world(), &mut write).await;
        assert_eq!(left, Left { stuck: 1, unwritten: 0 }, "{}", it.name);
        assert_eq!(sim.machine().without_journal(), stands.without_journal(), "{}", it.name);
        assert_eq!(outstanding(&sim.machine()), 1, "{}: it is still outstanding", it.name);
    }
}
