//! The laws of what faults say that they may leave behind.

use std::collections::BTreeSet;

use holdfast::{
    engine::residue::watch,
    journal::{census::Trace, entry::Family},
    world::sim::{Cut, Sim},
};

use super::{RUN, examples, first, starts};

/// Those whose changes only their own undo can see: reports name them as not looked at.
const OUT_OF_SIGHT: [&str; 6] = [
    "container_pause",
    "container_stop",
    "exec",
    "process_restart",
    "service_lever",
    "service_stop",
];

#[tokio::test(start_paused = true)]
async fn what_a_fault_says_that_it_may_leave_is_there_while_it_stands_and_gone_afterwards() {
    let (mut silent, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for script in examples() {
        let it = first(&script);
        let name = it.kind.about.name;
        if it.kind.family != Family::Fault {
            continue;
        }
        for (what, start) in starts() {
            let world = Sim::new(start, Cut::Never).world().marked(RUN, 1);
            let undo = it.action.plan(&world).await.expect("a plan").undo;
            let Some(traces) = it.action.traces(&undo) else {
                silent.insert(name);
                continue;
            };
            let before = watch(traces.clone(), &world);
            let left = || {
                let now = watch(traces.clone(), &world);
                let mut both = before.iter().zip(now);
                both.any(|(was, now)| was.trace.is_left(&was.was, &now.was))
            };
            assert!(!left(), "{name} ({what}): nothing was done yet");
            it.action.perform(&undo, &world).await.expect("it is done");
            // A simulated machine has no children that hold processes still or make files.
            let held = |it: &Trace| matches!(it, Trace::Folder(_));
            if !traces.iter().all(held) && name != "syscall_fault" {
                assert!(left(), "{name} ({what}): {before:?}");
                seen.insert(name);
            }
            it.kind.undo(&undo, &world).await.expect("it is undone");
            assert!(!left(), "{name} ({what}): it was undone");
        }
    }
    assert_eq!(silent, BTreeSet::from(OUT_OF_SIGHT));
    assert!(seen.len() >= 6, "{seen:?}");
}
