//! The processor's own energy counters (RAPL), from `/sys/class/powercap`.
//!
//! Zones overlap: `core` and `uncore` lie within their package, and `psys` around everything. So
//! packages and their memory (`dram`) are the domains, and what `psys` counts beyond them is a
//! domain of its own, `rest-of-platform`. The sum is then `psys` where it is wired, and packages
//! and memory where it is not (or counts less than they do). Every zone is shown besides.
//!
//! On AMD the zones have the same names. `intel-rapl-mmio` shows the same packages another way,
//! and is read only where the first way is not there.

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
        summary: "the processor's energy counters: packages, memory, and the platform around them",
        needs: &[Need::ReadAll],
        example: "",
    },
    open: |roots| Ok(Box::new(Rapl::open(roots)?)),
};

/// What `psys` counts beyond packages and memory.
pub const REST: &str = "rest-of-platform";
/// No socket draws as much. A counter that seems to was set back, as by a driver that was loaded
/// anew, and did not start over at its maximum.
const WATTS_MAX: f64 = 10_000.0;

#[derive(Debug)]
struct Rapl {
    zones: Vec<Zone>,
}

#[derive(Debug)]
struct Zone {
    /// `package-0`, `package-0/core`, `dram-0`, `psys`.
    name: String,
    part: Part,
    counter: Kept,
    /// Where the counter starts over, in microjoules.
    range: u64,
    last: u64,
}

/// What a zone is to the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It is added up.
    Domain,
    /// It lies within one that is.
    Within,
    /// It lies around all of them.
    Around,
}

impl Rapl {
    fn open(roots: &Roots) -> Result<Self, Blind> {
        let folder = roots.sys("class/powercap");
        let names = roots::list(&folder).unwrap_or_default();
        for prefix in ["intel-rapl:", "intel-rapl-mmio:"] {
            let mut zones = Vec::new();
            for name in names.iter().filter(|name| name.starts_with(prefix)) {
                zones.extend(Zone::open(&folder, name)?);
            }
            if zones.iter().any(|it| it.part != Part::Within) {
                return Ok(Self { zones });
            }
        }
        Err(Blind::Nothing(format!("energy counters in `{}`", folder.display())))
    }
}

impl Meter for Rapl {
    fn joules(&mut self, _roots: &Roots, elapsed: Duration) -> Result<Energy, Blind> {
        // All counters before any is taken for read: one that fails must not make the others lose.
        let now: Vec<u64> = self.zones.iter_mut().map(Zone::read).collect::<Result<_, _>>()?;
        let used: Vec<f64> =
            self.zones.iter_mut().zip(now).map(|(zone, now)| zone.advance(now, elapsed)).collect();
        let of = |part: Part| {
            let all = self.zones.iter().zip(&used);
            all.filter(move |(zone, _)| zone.part == part).map(|(zone, used)| (&zone.name, *used))
        };
        let mut domains: Vec<Domain> =
            of(Part::Domain).map(|(name, used)| Domain::counted(name.clone(), used)).collect();
        if of(Part::Around).next().is_some() {
            let around: f64 = of(Part::Around).map(|it| it.1).sum();
            let within: f64 = of(Part::Domain).map(|it| it.1).sum();
            domains.push(Domain::counted(REST.to_owned(), (around - within).max(0.0)));
        }
        let mut energy = Energy::of(KIND.about.name, domains);
        let zones = self.zones.iter().zip(&used);
        energy.zones = zones.map(|(it, used)| Domain::counted(it.name.clone(), *used)).collect();
        Ok(energy)
    }
}

impl Zone {
    /// A zone of the folder; none when it has no name or is of no known kind.
    fn open(folder: &std::path::Path, folder_name: &str) -> Result<Option<Self>, Blind> {
        let say = |zone: &str| {
            let said = roots::read(&folder.join(zone).join("name")).ok()?;
            Some(said.trim_end().to_owned())
        };
        let Some(said) = say(folder_name) else { return Ok(None) };
        // `intel-rapl:0:1` lies within `intel-rapl:0`, whose name is the package's.
        let parent = folder_name.rsplit_once(':').map(|it| it.0).filter(|it| it.contains(':'));
        let socket = folder_name.split(':').nth(1).unwrap_or("0");
        let within = parent.and_then(say).unwrap_or_else(|| format!("package-{socket}"));
        let (name, part) = match said.as_str() {
            package if package.starts_with("package-") => (said, Part::Domain),
            "psys" if parent.is_none() => (said, Part::Around),
            "psys" => (format!("{within}/psys"), Part::Around),
            "dram" => {
                let socket = within.strip_prefix("package-").unwrap_or(socket);
                (format!("dram-{socket}"), Part::Domain)
            }
            "core" | "uncore" => (format!("{within}/{said}"), Part::Within),
            _ => return Ok(None),
        };
        let zone = folder.join(folder_name);
        let range = roots::read(&zone.join("max_energy_range_uj")).map_err(|why| blind(&why))?;
        let counter = Kept::new(zone.join("energy_uj"));
        let mut zone = Self { name, part, counter, range: whole(&range)?, last: 0 };
        zone.last = zone.read()?;
        Ok(Some(zone))
    }

    fn read(&mut self) -> Result<u64, Blind> {
        whole(self.counter.read().map_err(|why| blind(&why))?)
    }

    /// Joules since the last look.
    fn advance(&mut self, now: u64, elapsed: Duration) -> f64 {
        let used = since(self.last, now, self.range, elapsed);
        self.last = now;
        #[expect(clippy::cast_precision_loss, reason = "a round of the counter is some 1e11")]
        let joules = used as f64 / 1e6;
        joules
    }
}

/// Microjoules since the last look at a counter that starts over after `range`.
fn since(last: u64, now: u64, range: u64, elapsed: Duration) -> u64 {
    if let Some(used) = now.checked_sub(last) {
        return used;
    }
    // It started over, or was set back to zero: then at least `now` was used. Beyond its range the
    // counter never was, and nothing else is known either.
    let round = range.checked_sub(last).and_then(|rest| rest.checked_add(now));
    #[expect(clippy::cast_precision_loss, reason = "a bound need not be exact")]
    let is_possible = |used: &u64| *used as f64 <= elapsed.as_secs_f64() * WATTS_MAX * 1e6;
    round.filter(is_possible).unwrap_or(if last <= range { now } else { 0 })
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

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_counter_that_starts_over_goes_on() {
        assert_eq!(since(100, 150, 1000, SECOND), 50);
        assert_eq!(since(990, 15, 1000, SECOND), 25);
        assert_eq!(since(1000, 0, 1000, SECOND), 0);
        assert_eq!(since(2000, 5, 1000, SECOND), 0);
    }

    #[test]
    fn a_counter_that_was_set_back_is_not_taken_for_one_that_went_round() {
        let range = 262_143_328_850;
        assert_eq!(since(1_000_000, 5_000, range, SECOND), 5_000);
        assert_eq!(since(range - 1_000, 5_000, range, SECOND), 6_000);
    }

    proptest::proptest! {
        #[test]
        fn no_counter_yields_less_than_nothing_or_more_than_a_round(
            last: u64, now: u64, range: u64, millis in 0_u64..100_000,
        ) {
            let used = since(last, now, range, Duration::from_millis(millis));
            proptest::prop_assert!(now >= last || used <= range.max(now));
        }
    }
}
