//! How much room a standby had when it took over.

use super::{
    Headroom,
    figure::{Basis, Figure, Known},
    gather::{Draft, Place, Scope},
    power::ratio,
};
use crate::{
    evidence::{say, scale::Window},
    journal::site::{PlannedSite, Resource, SiteRow},
};

/// What was left of the standby's machine over the take-over:
///
/// ```text
/// room = 1 − share in use            of processors: time ÷ (processors × length); of memory: most
/// ```
///
/// Of a standby whose processes run here, the machine is this one, with everything else on it.
pub(super) fn headroom(place: &Place<'_>, draft: &Draft<'_>, over: Option<Window>) -> Headroom {
    let Some(window) = over else {
        let why = "no phase called promote or switch came to its end";
        let none = || Figure::none(why);
        return Headroom { cpu: none(), cpu_least: none(), memory: none() };
    };
    if place.planned.local {
        let here = Scope::host(draft.here.iter().map(|(at, it)| (*at, it)).collect());
        let read = "this machine's kernel, everything on it included".to_owned();
        return of(&here, window, &PlannedSite { read, ..place.planned.clone() });
    }
    match place.host() {
        Some(host) => of(host, window, place.planned),
        None => of(&Scope::default(), window, place.planned),
    }
}

fn of(host: &Scope<'_>, window: Window, planned: &PlannedSite) -> Headroom {
    let cpu = host.cpu_ratio(window, planned).map(left);
    Headroom {
        cpu_least: busiest(host, window, planned),
        cpu,
        memory: memory(host, window, planned),
    }
}

/// One less a share; the bounds change places.
fn left(it: Known) -> Known {
    Known { value: 1.0 - it.value, low: 1.0 - it.high, high: 1.0 - it.low, ..it }
}

/// Of the stretches between readings around it, at least a second long, the one with the least
/// left; never more than in the mean.
fn busiest(host: &Scope<'_>, window: Window, planned: &PlannedSite) -> Figure {
    let cpus = host.rows.iter().find_map(|it| it.1.cpus).unwrap_or(0.0);
    let track = host.track(|it| it.cpu_seconds);
    let share = |(over, gained): (Window, f64)| gained / (cpus * say::seconds(over.length_us()));
    let slices = track.slices_around(window);
    let mean = host.cpu_ratio(window, planned).known().map(|it| it.value);
    let Some(most) = slices.into_iter().map(share).chain(mean).reduce(f64::max) else {
        return Figure::none(host.why(Resource::Cpu));
    };
    let least = 1.0 - most.min(1.0);
    Figure::Known(Known {
        value: least,
        low: least,
        high: least,
        basis: Basis::Measured,
        method: planned.read.clone(),
        covered_ratio: ratio(track.covered_us(window), window),
    })
}

fn memory(host: &Scope<'_>, window: Window, planned: &PlannedSite) -> Figure {
    let total = |it: &(i64, &SiteRow)| it.1.memory_total_bytes;
    let Some(total) = host.rows.iter().find_map(total).filter(|it| *it > 0.0) else {
        return Figure::none(host.why(Resource::Memory));
    };
    host.memory(window, planned).times(1.0 / total).map(left)
}
