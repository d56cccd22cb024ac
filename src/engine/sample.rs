//! How busy the machine and the named processes are, and what energy is used, four times a second.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{
    engine::{
        kit::FindMeter,
        rows::{Row, Rows},
        sites::LocalSites,
    },
    journal::{
        index::EnergyFigures,
        sample::{ProcessUse, Sample},
    },
    meter::Meter,
    target::ProcessTarget,
    world::{
        World,
        host::ProcessId,
        linux::load::{Load, Usage},
        roots::Roots,
    },
};

/// Between two samples.
const EVERY: Duration = Duration::from_millis(250);

/// Samples, and keeps what differences are taken from.
pub(super) struct Sampler {
    processes: BTreeMap<String, ProcessTarget>,
    sites: LocalSites,
    world: World,
    roots: Roots,
    /// Or why there is none.
    meter: Result<Box<dyn Meter>, String>,
    /// Joules since the run began.
    energy: Option<EnergyFigures>,
    measured_us: Option<u64>,
    /// When a process was looked at last, and the processor time that it had used by then.
    before: BTreeMap<ProcessId, (u64, u64)>,
}

impl Sampler {
    /// Nothing is looked at yet.
    pub(super) fn new(
        (processes, sites): (BTreeMap<String, ProcessTarget>, LocalSites),
        meter: FindMeter,
        world: World,
    ) -> Self {
        let at = |path| PathBuf::from(path);
        let roots = Roots::new(at("/proc"), at("/sys"), at("/"));
        let meter = meter(&roots);
        let (energy, measured_us, before) = (None, None, BTreeMap::new());
        Self { processes, sites, world, roots, meter, energy, measured_us, before }
    }

    /// Samples until `end` says so, and then once more: the last stretch counts, too.
    pub(super) async fn run(mut self, rows: Rows, mut end: watch::Receiver<bool>) {
        let Ok(mut load) = Load::new().inspect_err(|why| tracing::warn!("no utilisation: {why}"))
        else {
            return;
        };
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut ended = false;
        while !ended {
            ended = tokio::select! {
                _ = tick.tick() => false,
                _ = end.wait_for(|it| *it) => true,
            };
            let at_us = self.world.clock.now_us();
            let Usage { cpu_ratio, memory_used_bytes } = load.host();
            let energy_blind = self.measure(at_us).err();
            let processes = self.uses(&mut load, at_us);
            self.sites.read(&self.world, &rows, ended);
            rows.put(Row::Sample(Box::new(Sample {
                at_us,
                cpu_ratio,
                memory_used_bytes,
                processes,
                energy: self.energy.clone().filter(|_| energy_blind.is_none()),
                energy_blind,
            })));
        }
    }

    /// Adds the energy since the last time; an interval that cannot be seen ends the account,
    /// because a sum with a hole in it would be too small without saying so.
    fn measure(&mut self, at_us: u64) -> Result<(), String> {
        let meter = self.meter.as_mut().map_err(|why| why.clone())?;
        let elapsed = at_us.saturating_sub(self.measured_us.replace(at_us).unwrap_or(at_us));
        match meter.joules(&self.roots, Duration::from_micros(elapsed)) {
            Ok(more) => {
                let sum = self.energy.get_or_insert_with(|| EnergyFigures {
                    joules: 0.0,
                    low: 0.0,
                    high: 0.0,
                    method: more.method.to_owned(),
                });
                sum.joules += more.joules;
                sum.low += more.low;
                sum.high += more.high;
                Ok(())
            }
            Err(why) => {
                let why = format!("could not {why}");
                self.meter = Err(why.clone());
                Err(why)
            }
        }
    }

    fn uses(&mut self, load: &mut Load, at_us: u64) -> Vec<ProcessUse> {
        let (mut uses, mut now) = (Vec::new(), BTreeMap::new());
        for (name, target) in &self.processes {
            // A process that is gone for a while is a part of what is watched, not a mistake.
            for it in target.look(&*self.world.host).unwrap_or_default() {
                let used = self.world.host.cpu_us(&it.id).ok().flatten().unwrap_or(0);
                let last = self.before.get(&it.id).copied();
                now.insert(it.id.clone(), (at_us, used));
                uses.push(ProcessUse {
                    name: name.clone(),
                    pid: it.id.pid,
                    cpus: last.map_or(0.0, |last| share(last, (at_us, used))),
                    rss_bytes: load.rss(it.id.pid),
                });
            }
        }
        // Those that have ended are forgotten.
        self.before = now;
        uses
    }
}

/// Busy CPUs between two readings of (time, processor time), both in microseconds.
#[expect(clippy::cast_precision_loss, reason = "53 bits of microseconds are 285 years")]
fn share((from, used_from): (u64, u64), (to, used_to): (u64, u64)) -> f64 {
    let passed = to.saturating_sub(from);
    if passed == 0 { 0.0 } else { used_to.saturating_sub(used_from) as f64 / passed as f64 }
}
