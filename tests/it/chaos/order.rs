//! When and in which order things are done: by the file, by the seed, and by the journal again.

use std::collections::BTreeMap;

use holdfast::journal::{
    entry::{Entry, Fact, Intent},
    fold::{
        self, Turn, TurnKind,
        TurnKind::{Applied, Planned, Undone},
    },
};

use crate::ground::Ground;

const TOGETHER: &str = "title: together\nmethod:
  - parallel:
      - process_pause: { target: { cmdline: 'sleep TAG', percent: 50 } }
        name: long
        for: 2s
      - cpu_burn: { percent: 5, cores: 1 }
        name: short
        after: 300ms
        for: 50ms
  - pause: 10ms
  - process_pause: { target: { cmdline: 'sleep TAG', percent: 25 } }
    name: last
    after: 300ms
    for: 50ms
";

fn intents(entries: &[Entry]) -> BTreeMap<u32, (u64, Intent)> {
    let intent = |it: &Entry| match &it.fact {
        Fact::Intent(intent) => Some((intent.act, (it.at_us, (**intent).clone()))),
        _ => None,
    };
    entries.iter().filter_map(intent).collect()
}

fn turn(act: u32, name: &str, what: TurnKind) -> Turn {
    Turn { act, name: name.to_owned(), what }
}

#[test]
fn faults_stand_side_by_side_and_each_has_an_instant_that_is_written_down_before_it_comes() {
    let ground = Ground::new(4);
    let path = ground.file("x.yaml", TOGETHER).display().to_string();
    let done = ground.run(&["chaos", "run", "--seed", "7", &path]);
    assert_eq!(done.code, Some(4), "nothing is judged: {done:?}");
    let (_, lines) = ground.journal();
    let intents = intents(&lines.entries);
    assert_eq!(intents.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    for it in &lines.entries {
        let Fact::Applied { act, from_us, .. } = &it.fact else { continue };
        let (written, intent) = &intents[act];
        let due = intent.due_us.expect("an instant");
        assert!(written < from_us, "{}: written down {written}, done {from_us}", intent.name);
        assert!(*from_us >= due, "{}: due {due}, done {from_us}", intent.name);
    }
    let due = |act: u32| intents[&act].1.due_us.expect("an instant");
    let between = due(2) - due(1);
    assert!((299_000..301_000).contains(&between), "{between} us: the clock is the group's");
    let order = fold::order(&lines.entries);
    let of = |what| order.iter().filter(|it| it.what == what).map(|it| it.act).collect::<Vec<_>>();
    assert_eq!(of(Planned), [1, 2, 3]);
    assert_eq!(of(Applied), [1, 2, 3]);
    assert_eq!(of(Undone), [2, 1, 3], "the short one ends while the long one stands");
    assert_eq!(order.last(), Some(&turn(3, "last", Undone)));
    ground.assert_settled("together");
}

#[test]
fn a_journal_alone_is_enough_to_play_the_same_again() {
    let ground = Ground::new(4);
    let path = ground.file("x.yaml", TOGETHER).display().to_string();
    let first = ground.run(&["chaos", "run", &path]);
    assert_eq!(first.code, Some(4), "{first:?}");
    let (run, lines) = ground.journal();
    let began = fold::began(&lines.entries).expect("a beginning");
    let again = ground.file("again.yaml", &began.manifest).display().to_string();
    let mut args = vec!["chaos".to_owned(), "run".to_owned(), "--seed".to_owned()];
    args.push(began.seed.to_string());
    for (name, value) in &began.vars {
        args.extend(["--set".to_owned(), format!("{name}={value}")]);
    }
    args.push(again);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let second = ground.run(&args);
    assert_eq!(second.code, Some(4), "{second:?}");
    let all = ground.journals();
    let (_, bytes) = all.iter().find(|it| it.0 != run).expect("a second run");
    let replayed = holdfast::journal::chain::read(bytes).expect("a journal").entries;
    // Each is written down ahead of its instant: whether before or after another has begun, is
    // the machine's load. What is done and undone has one order.
    let order = |entries: &[Entry], whats: &[TurnKind]| {
        let mut all = fold::order(entries);
        all.retain(|it| whats.contains(&it.what));
        all
    };
    for whats in [&[Planned][..], &[Applied, Undone]] {
        assert_eq!(order(&replayed, whats), order(&lines.entries, whats));
    }
    let whom = |entries: &[Entry]| {
        intents(entries).into_values().map(|it| (it.1.act, it.1.will)).collect::<Vec<_>>()
    };
    assert_eq!(whom(&replayed), whom(&lines.entries), "the same targets");
}

#[test]
fn one_that_is_refused_takes_back_what_stands_beside_it() {
    let ground = Ground::new(1);
    // The file is right when it is foreseen; by then the victim has been killed.
    let text = "title: x\nmethod:\n  - parallel:
      - cpu_burn: { percent: 5, cores: 1 }
        for: 5m
      - process_kill: { target: { cmdline: 'sleep TAG' } }
        for: 5m
      - process_pause: { target: { cmdline: 'sleep TAG' } }
        after: 2s
        for: 5m\n";
    let path = ground.file("x.yaml", text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert!(done.err.contains("process pause was refused: nothing matches"), "{done:?}");
    let (_, lines) = ground.journal();
    let order = fold::order(&lines.entries);
    assert!(order.contains(&turn(1, "cpu burn", TurnKind::Undone)), "{order:?}");
    assert!(order.contains(&turn(2, "process kill", TurnKind::Kept)), "{order:?}");
    ground.assert_settled("one was refused");
}
