//! Whoever was let go runs, and is seen to run, as soon as the way back says that it is done.
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use holdfast::{
    manifest::source::Source,
    registry,
    script::{
        lines::{Act, Script},
        read,
    },
    world::{World, linux},
};
use rustix::{
    process::{Pid, Signal, kill_process, setpriority_process},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    crash::PATIENCE,
    ground::{Ground, args, processes, send, state, within},
};

const RUN: &str = "20260102T000000Z-0e1ea5ed";
const ROUNDS: u32 = 80;

/// A pause of the victims.
fn pause(ground: &Ground, by: &str) -> Script {
    let text = format!(
        "title: x\nmethod:\n  - process_pause: {{ target: {{ cmdline: 'sleep {}', max_targets: 2 }}, \
         by: {by} }}\n    for: 1s\n",
        ground.tag()
    );
    let source = Source::new("pause.yaml", &text);
    let mut complaints = Vec::new();
    let script = read::script(&source, &[].into(), &registry::kinds(), &mut complaints);
    script.unwrap_or_else(|| panic!("{complaints:#?}"))
}

fn world() -> World {
    linux::world(env!("CARGO_BIN_EXE_holdfast").into()).expect("this machine")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn pid(it: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(it).expect("a number"))
}

/// The first processor that we may use, and a thread that leaves nothing of it to others.
fn beside_a_busy_processor<T>(what: impl FnOnce(&CpuSet) -> T) -> T {
    let may = sched_getaffinity(None).expect("processors");
    let first = (0..CpuSet::MAX_CPU).find(|it| may.is_set(*it)).expect("a processor");
    let mut one = CpuSet::new();
    one.set(first);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            sched_setaffinity(None, &one).expect("a processor of ours");
            while !over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| what(&one)));
        over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|why| std::panic::resume_unwind(why))
    })
}

/// The children that hold the victims.
fn children() -> Vec<Pid> {
    let mark = format!("{RUN}/");
    let ours = |it: &u32| args(*it).iter().any(|it| it.starts_with(&mark));
    processes().into_iter().filter(ours).filter_map(pid).collect()
}

/// One round: whether a victim is seen stopped when all is said to be undone. Who holds it gets
/// what others leave of a processor, and they leave nothing; `orphaned` is killed before anybody
/// goes back, as the kernel does when a runner dies.
async fn round(
    (it, orphaned): (&Act, bool),
    world: &World,
    ground: &Ground,
    processor: &CpuSet,
) -> bool {
    let plan = it.action.plan(world).await.unwrap_or_else(|why| panic!("{why}"));
    it.action.perform(&plan.undo, world).await.expect("they are paused");
    for it in children() {
        sched_setaffinity(Some(it), processor).expect("a child of ours");
        setpriority_process(Some(it), 19).expect("a child of ours");
        if orphaned {
            kill_process(it, Signal::KILL).expect("a child of ours");
        }
    }
    it.kind.undo(&plan.undo, world).await.expect("they are let go");
    ground.pids().into_iter().any(|it| matches!(state(it), Some('T' | 't')))
}

#[test]
fn nobody_is_still_seen_stopped_when_the_way_back_is_done() {
    for (by, orphaned) in [("signal", false), ("trace", false), ("trace", true)] {
        let ground = Ground::new(2);
        let script = pause(&ground, by);
        let it = script.acts().next().expect("one act");
        let world = world();
        let runtime = runtime();
        let late = beside_a_busy_processor(|processor| {
            let late = |n: &u32| {
                let world = world.marked(RUN, *n);
                runtime.block_on(round((it, orphaned), &world, &ground, processor))
            };
            (0..ROUNDS).filter(late).count()
        });
        assert_eq!(late, 0, "of {ROUNDS} rounds, by {by}, orphaned: {orphaned}");
    }
}

#[test]
fn who_is_just_being_let_go_by_another_is_paused_and_who_is_not_is_refused() {
    let ground = Ground::new(1);
    let script = pause(&ground, "trace");
    let it = script.acts().next().expect("one act");
    let world = world().marked(RUN, 1);
    let victim = ground.pids()[0];
    send(victim, Signal::STOP);
    assert!(within(PATIENCE, || state(victim) == Some('T')), "it stands");
    let refused = runtime().block_on(it.action.plan(&world));
    assert!(refused.is_err_and(|it| it.to_string().contains("is paused already")));
    // It is let go after the first look.
    let plan = runtime().block_on(async {
        let looks = it.action.plan(&world);
        tokio::join!(biased; looks, async { send(victim, Signal::CONT) }).0
    });
    assert!(plan.is_ok_and(|it| it.will.contains(&victim.to_string())));
}
