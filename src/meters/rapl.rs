//! The processor's own energy counters (RAPL), from `/sys/class/powercap`.
//!
//! Packages and their memory (`dram`) are counted. The zones `core` and `uncore` lie within their
//! package and `psys` around it: adding them would count twice, so they are left out.

use std::time::Duration;

use crate::{
    about::{About, Need},
    meter::{Blind, Domain, Energy, Meter, MeterKind},
    world::roots::{self, Kept, Roots, Unread},
};

/// Its entry in the list.
pub const KIND: MeterKind = MeterKind {
    about: &About {
        name: "rapl",
        summary: "the processor's energy counters: packages and memory",
        needs: &[Need::ReadAll],
        example: "",
    },
    open: |roots| Ok(Box::new(Rapl::open(roots)?)),
};

#[derive(Debug)]
struct Rapl {
    zones: Vec<Zone>,
}

#[derive(Debug)]
struct Zone {
    domain: String,
    counter: Kept,
    /// Where the counter starts over, in microjoules.
    range: u64,
    last: Option<u64>,
}

impl Rapl {
    fn open(roots: &Roots) -> Result<Self, Blind> {
        let folder = roots.sys("class/powercap");
        let names = roots::list(&folder).unwrap_or_default();
        let mut zones = Vec::new();
        // `intel-rapl:0` and `intel-rapl:0:1`, also on AMD; `intel-rapl-mmio:` repeats them.
        for name in names.iter().filter(|name| name.starts_with("intel-rapl:")) {
            let zone = folder.join(name);
            let Ok(said) = roots::read(&zone.join("name")) else { continue };
            let socket = name.split(':').nth(1).unwrap_or("0");
            let domain = match said.trim_end() {
                package if package.starts_with("package-") => package.to_owned(),
                "dram" => format!("dram-{socket}"),
                _ => continue,
            };
            let range =
                roots::read(&zone.join("max_energy_range_uj")).map_err(|why| blind(&why))?;
            let range = whole(&range)?;
            let mut zone =
                Zone { domain, counter: Kept::new(zone.join("energy_uj")), range, last: None };
            zone.last = Some(zone.read()?);
            zones.push(zone);
        }
        if zones.is_empty() {
            let what = format!("energy counters in `{}`", folder.display());
            return Err(Blind::Nothing(what));
        }
        Ok(Self { zones })
    }
}

impl Meter for Rapl {
    fn joules(&mut self, _roots: &Roots, _elapsed: Duration) -> Result<Energy, Blind> {
        // All counters before any is taken for read: one that fails must not make the others lose.
        let now: Vec<u64> = self.zones.iter_mut().map(Zone::read).collect::<Result<_, _>>()?;
        let domains = self.zones.iter_mut().zip(now).map(|(zone, now)| zone.advance(now));
        Ok(Energy::of(KIND.about.name, domains.collect()))
    }
}

impl Zone {
    fn read(&mut self) -> Result<u64, Blind> {
        whole(self.counter.read().map_err(|why| blind(&why))?)
    }

    fn advance(&mut self, now: u64) -> Domain {
        let used = self.last.map_or(0, |last| since(last, now, self.range));
        self.last = Some(now);
        #[expect(clippy::cast_precision_loss, reason = "a round of the counter is some 1e11")]
        let joules = used as f64 / 1e6;
        Domain { name: self.domain.clone(), joules, low: joules, high: joules }
    }
}

/// Microjoules since the last look at a counter that starts over after `range`.
fn since(last: u64, now: u64, range: u64) -> u64 {
    match now.checked_sub(last) {
        Some(used) => used,
        // It started over. Beyond its range the counter never was: then nothing is known.
        None => range.checked_sub(last).map_or(0, |rest| rest + now),
    }
}

fn whole(text: &str) -> Result<u64, Blind> {
    let text = text.trim_end();
    text.parse().map_err(|_| Blind::Odd("understand an energy counter".to_owned()))
}

fn blind(why: &Unread) -> Blind {
    if why.is_denied() {
        Blind::Denied { file: why.path.display().to_string(), remedy: Need::ReadAll.remedy() }
    } else {
        Blind::Odd(why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_starts_over_goes_on() {
        assert_eq!(since(100, 150, 1000), 50);
        assert_eq!(since(990, 15, 1000), 25);
        assert_eq!(since(1000, 0, 1000), 0);
        assert_eq!(since(2000, 5, 1000), 0);
    }
}
