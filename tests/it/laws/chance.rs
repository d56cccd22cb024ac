//! What holds for any acts in any order, any journal and any looks.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use holdfast::{
    journal::{
        chain,
        entry::{Entry, Fact, Look, OnVanish, UndoClass, VERSION, When},
    },
    probe::{AnyProbe, Blind, Reading},
    script::{
        expect::Expect,
        hypothesis::{Hypothesis, Sense},
    },
    units::Span,
    verdict::Verdict,
    world::{World, sim::Cut},
};
use proptest::prelude::*;

use super::{Left, begin, clean, examples, first, outstanding, play, recover, starts};

/// Runs what waits, with a clock that does not.
fn at_once<T>(what: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(what)
}

fn cut() -> impl Strategy<Value = Cut> {
    (0..4, 0..60_u32).prop_map(|(how, n)| match how {
        0 => Cut::Never,
        1 => Cut::Before(n),
        2 => Cut::Within(n),
        _ => Cut::After(n),
    })
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_acts_in_any_order_are_taken_down_after_a_cut_anywhere(
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..7),
        (start, cut, dead) in (any::<prop::sample::Index>(), cut(), any::<bool>()),
    ) {
        let (all, starts) = (examples(), starts());
        let (_, start) = start.get(&starts);
        at_once(async {
            let (sim, mut journal) = begin(start.clone(), cut);
            let mut lasting = false;
            for (number, it) in (1..).zip(&order) {
                let it = first(it.get(&all));
                lasting |= it.kind.class == UndoClass::OneShot;
                // Two acts may be in each other's way: then the later one is refused.
                if play(number, (it, OnVanish::Heal), (&sim, &mut journal)).await.is_err() {
                    break;
                }
            }
            let found = if dead { sim.machine().after_death(super::RUN) } else { sim.machine() };
            let (healed, left) = recover(found, Cut::Never).await;
            assert_eq!((left, outstanding(&healed)), (Left::default(), 0));
            assert_eq!(&healed.held, &start.held, "children of ours are left");
            if !lasting {
                assert_eq!(&healed.without_journal(), start);
            }
            let (again, _) = recover(healed.clone(), Cut::Never).await;
            assert_eq!(again, healed);
        });
    }

    #[test]
    fn a_journal_cut_anywhere_never_tells_more_than_was_written(
        names in prop::collection::vec(".{0,12}", 1..12),
        at in any::<prop::sample::Index>(),
    ) {
        let (bytes, entries) = journal(&names);
        let cut = at.index(bytes.len() + 1);
        let lines = chain::read(&bytes[..cut]).expect("a torn tail is tolerated");
        prop_assert_eq!(lines.whole + lines.torn, cut);
        prop_assert_eq!(&lines.entries[..], &entries[..lines.entries.len()]);
        prop_assert_eq!(lines.torn == 0, cut == 0 || bytes[cut - 1] == b'\n');
    }

    #[test]
    fn a_journal_with_other_bytes_in_it_tells_a_prefix_or_is_refused(
        names in prop::collection::vec(".{0,12}", 2..12),
        (at, bytes) in (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..9)),
    ) {
        let (mut text, entries) = journal(&names);
        let at = at.index(text.len());
        let end = (at + bytes.len()).min(text.len());
        text.splice(at..end, bytes);
        if let Ok(lines) = chain::read(&text) {
            let changed = |(a, b): (&Entry, &Entry)| a != b;
            let differs = lines.entries.iter().zip(&entries).position(changed);
            // The last line has no later one to vouch for it; that is what the seal is for.
            let last = lines.entries.len().saturating_sub(1);
            prop_assert!(differs.is_none_or(|it| it == last), "{:?}", differs);
        }
    }

    #[test]
    fn a_threshold_counts_within_its_window(
        grades in prop::collection::vec(0..3_usize, 0..40),
        (failures, of) in (1..6_usize, 1..8_usize).prop_filter("it can be", |it| it.0 <= it.1),
    ) {
        let looks: Vec<Look> = (0..).zip(&grades)
            .map(|(n, grade)| Look(n, 1, Verdict::ALL[*grade], String::new(), Vec::new()))
            .collect();
        let counted = |bad: &dyn Fn(usize) -> bool| (0..grades.len()).any(|from| {
            grades[from..].iter().take(of).filter(|it| bad(**it)).count() >= failures
        });
        let wanted = if grades.is_empty() { Verdict::Inconclusive }
            else if counted(&|it| it == 2) { Verdict::Fail }
            else if counted(&|it| it > 0) || !grades.contains(&0) { Verdict::Inconclusive }
            else { Verdict::Pass };
        let (verdict, why) = hypothesis(failures, of).judge(&looks);
        prop_assert_eq!(verdict, wanted, "{}", why);
        let row = of.max(3);
        let settled = grades.len() >= row && grades.iter().rev().take(row).all(|it| *it == 0);
        prop_assert_eq!(hypothesis(failures, of).settled(&looks), settled);
    }
}

#[test]
fn the_machine_of_the_laws_is_not_empty() {
    assert!(clean().processes.len() > 1 && clean().web.len() > 2);
}

fn journal(names: &[String]) -> (Vec<u8>, Vec<Entry>) {
    let (mut bytes, mut entries, mut prev) = (Vec::new(), Vec::new(), chain::GENESIS.to_owned());
    for (n, name) in (0..).zip(names) {
        let fact = Fact::PhaseBegan { phase: name.clone() };
        let entry = Entry { v: VERSION, n, epoch: 1, at_us: n, prev, fact };
        let (line, head) = chain::line(&entry);
        bytes.extend_from_slice(line.as_bytes());
        entries.push(entry);
        prev = head;
    }
    (bytes, entries)
}

struct Nothing;

impl AnyProbe for Nothing {
    fn look<'a>(&'a self, _: &'a World) -> BoxFuture<'a, Result<Reading, Blind>> {
        std::future::ready(Err(Blind("there is nothing".to_owned()))).boxed()
    }
}

fn hypothesis(failures: usize, of: usize) -> Hypothesis {
    let threshold = serde_json::json!({ "failures": failures, "of": of });
    Hypothesis {
        name: "it".to_owned(),
        kind: "nothing",
        probe: Arc::new(Nothing),
        expect: Expect([].into()),
        sense: Sense::Always,
        every: Span::millis(1),
        when: vec![When::During],
        threshold: serde_json::from_value(threshold).expect("a threshold"),
    }
}
