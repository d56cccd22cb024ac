//! How busy the machine and the named processes are, twice a second.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::MissedTickBehavior;

use crate::{
    engine::observe::{Row, Rows},
    journal::entry::{ProcessUse, Sample},
    target::ProcessTarget,
    world::{
        World,
        host::ProcessId,
        linux::load::{Load, Usage},
    },
};

/// Between two samples.
const EVERY: Duration = Duration::from_millis(500);

/// Samples until dropped.
pub(super) async fn sample(processes: BTreeMap<String, ProcessTarget>, world: World, rows: Rows) {
    let Ok(mut load) = Load::new().inspect_err(|why| tracing::warn!("no utilisation: {why}"))
    else {
        return;
    };
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before: BTreeMap<ProcessId, (u64, u64)> = BTreeMap::new();
    loop {
        tick.tick().await;
        let at_us = world.clock.now_us();
        let Usage { cpu_ratio, memory_used_bytes } = load.host();
        let mut uses = Vec::new();
        for (name, target) in &processes {
            for it in target.look(&*world.host).unwrap_or_default() {
                let used = world.host.cpu_us(&it.id).ok().flatten().unwrap_or(0);
                let last = before.insert(it.id.clone(), (at_us, used));
                uses.push(ProcessUse {
                    name: name.clone(),
                    pid: it.id.pid,
                    cpus: last.map_or(0.0, |last| share(last, (at_us, used))),
                    rss_bytes: load.rss(it.id.pid),
                });
            }
        }
        rows.put(Row::Sample(Box::new(Sample {
            at_us,
            cpu_ratio,
            memory_used_bytes,
            processes: uses,
            energy: None,
            energy_blind: None,
        })));
    }
}

/// Busy CPUs between two readings of (time, processor time), both in microseconds.
#[expect(clippy::cast_precision_loss, reason = "53 bits of microseconds are 285 years")]
fn share((from, used_from): (u64, u64), (to, used_to): (u64, u64)) -> f64 {
    let passed = to.saturating_sub(from);
    if passed == 0 { 0.0 } else { used_to.saturating_sub(used_from) as f64 / passed as f64 }
}
