//! Machines and units that do nothing: who used how little processor time, and since when.
//!
//! Work is more than a share of one processor over a window; of all processors, for the machine.
//! The kernel's counters go on while the agent is down, so that a restart of the agent hides no
//! work. While the machine boots everything is busy: that counts for nobody.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// So long is work measured, in seconds.
pub const WINDOW: f64 = 300.0;
/// After its start a machine is given so long to come to rest, in seconds.
const BOOTING: f64 = 600.0;
/// The machine itself, among its groups.
pub const HOST: &str = "";

/// Since when everybody is idle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Since when it is kept, in seconds since the epoch.
    began: Option<f64>,
    boot: String,
    members: BTreeMap<String, Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Member {
    /// When it was seen at work, or seen at all.
    busy: f64,
    /// Its processor time when it was read last, in microseconds, and when that was.
    used: u64,
    at: f64,
}

/// A look at everybody's processor time.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Seconds since the epoch.
    pub now: f64,
    /// Seconds since the machine was started.
    pub uptime: f64,
    /// Which start of the machine this is.
    pub boot: String,
    /// Processors.
    pub processors: f64,
    /// Microseconds of each group since it began, and of the machine.
    pub used: Vec<(String, u64)>,
}

impl Ledger {
    /// Since when it is kept.
    pub fn began(&self) -> Option<f64> {
        self.began
    }

    /// Takes a look in. `share` of a processor is work.
    pub fn note(&mut self, look: &Look, share: f64) {
        self.began.get_or_insert(look.now);
        let is_same_boot = self.boot == look.boot;
        let mut before = std::mem::take(&mut self.members);
        for (name, used) in &look.used {
            let fresh = Member { busy: look.now, used: *used, at: look.now };
            let Some(last) = before.remove(name) else {
                self.members.insert(name.clone(), fresh);
                continue;
            };
            let took = look.now - last.at;
            // One that began anew has used all that it counts since then.
            let more = used.checked_sub(last.used).unwrap_or(*used);
            let processors = if name == HOST { look.processors.max(1.0) } else { 1.0 };
            let is_at_work = micro(more) > share * took * processors;
            let is_known = is_same_boot && look.uptime >= BOOTING && took > 0.0;
            let busy = if is_known && is_at_work { look.now } else { last.busy };
            self.members.insert(name.clone(), Member { busy, ..fresh });
        }
        self.boot.clone_from(&look.boot);
    }

    /// Who is idle for so many seconds at least, and since when.
    pub fn idle(&self, now: f64, seconds: f64) -> impl Iterator<Item = (&str, f64)> {
        let is_idle = move |it: &(&String, &Member)| now - it.1.busy >= seconds;
        self.members.iter().filter(is_idle).map(|(name, it)| (name.as_str(), it.busy))
    }
}

/// Seconds of so many microseconds.
fn micro(count: u64) -> f64 {
    crate::collector::wide(count) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: f64 = 86_400.0;

    fn look(now: f64, boot: &str, used: &[(&str, u64)]) -> Look {
        let used = used.iter().map(|(name, used)| ((*name).to_owned(), *used)).collect();
        Look { now, uptime: 1e6, boot: boot.to_owned(), processors: 2.0, used }
    }

    fn idle(ledger: &Ledger, now: f64) -> Vec<(String, f64)> {
        ledger.idle(now, DAY).map(|(name, since)| (name.to_owned(), since)).collect()
    }

    #[test]
    fn who_does_little_for_long_is_idle_and_who_works_is_not() {
        let mut ledger = Ledger::default();
        // A hundredth of a processor is 3 s of 300 s.
        for at in 0..=288 {
            let now = f64::from(at) * WINDOW;
            let at = u64::try_from(at).unwrap();
            let used = [(HOST, at * 5_000_000), ("/a", at * 100_000), ("/b", at * 4_000_000)];
            ledger.note(&look(now, "one", &used), 0.01);
        }
        assert_eq!(idle(&ledger, DAY), [(HOST.to_owned(), 0.0), ("/a".to_owned(), 0.0)]);
        assert_eq!(idle(&ledger, DAY - 1.0), []);
        let used = [(HOST, 2_000_000_000), ("/a", 28_900_000), ("/b", 0)];
        ledger.note(&look(DAY + WINDOW, "one", &used), 0.01);
        assert_eq!(idle(&ledger, DAY + WINDOW), [("/a".to_owned(), 0.0)], "the host works again");
    }

    #[test]
    fn a_restart_of_the_agent_hides_no_work_and_one_of_the_machine_counts_for_nobody() {
        let mut ledger = Ledger::default();
        ledger.note(&look(0.0, "one", &[("/a", 0), ("/b", 0)]), 0.01);
        let kept = serde_json::to_vec(&ledger).unwrap();
        let mut ledger: Ledger = serde_json::from_slice(&kept).unwrap();
        // Half a day later: /b has worked meanwhile.
        let used = [("/a", 1_000_000), ("/b", 4_000_000_000)];
        ledger.note(&look(DAY / 2.0, "one", &used), 0.01);
        let mut booting = look(DAY * 0.75, "two", &[("/a", 90_000_000), ("/b", 90_000_000)]);
        booting.uptime = 90.0;
        ledger.note(&booting, 0.01);
        booting.now += 300.0;
        booting.used = vec![("/a".to_owned(), 180_000_000), ("/b".to_owned(), 90_000_000)];
        ledger.note(&booting, 0.01);
        assert_eq!(idle(&ledger, DAY), [("/a".to_owned(), 0.0)]);
        assert_eq!(idle(&ledger, DAY * 1.5).len(), 2);
    }

    #[test]
    fn who_is_gone_is_forgotten_and_comes_back_as_new() {
        let mut ledger = Ledger::default();
        ledger.note(&look(0.0, "one", &[("/a", 0)]), 0.01);
        ledger.note(&look(DAY, "one", &[]), 0.01);
        ledger.note(&look(DAY * 2.0, "one", &[("/a", 0)]), 0.01);
        assert_eq!(idle(&ledger, DAY * 2.0), []);
        assert_eq!(ledger.began(), Some(0.0));
    }
}
