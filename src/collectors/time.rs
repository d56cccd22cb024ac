//! The clock, its zone and its source.

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::{self, Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "time",
        summary: "the system's time, time zone and clock source",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Clock::default()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(&["node_time_seconds", "node_time_zone_offset_seconds"], &[], "the clock"),
    Export::of(
        &["node_time_clocksource_available_info", "node_time_clocksource_current_info"],
        &[Origin::Sys("devices/system/clocksource/clocksource0/current_clocksource")],
        "sysfs",
    ),
];

#[derive(Debug, Default)]
struct Clock {
    zone: Option<TimeZone>,
    sources: Option<Vec<Source>>,
}

/// A `clocksource<N>` folder.
#[derive(Debug)]
struct Source {
    device: String,
    available: Kept,
    current: Kept,
}

impl Collector for Clock {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let now = roots::now();
        samples
            .gauge("node_time_seconds", "System time in seconds since epoch (1970).")
            .row(&[], now);
        let zone = self.zone.get_or_insert_with(|| zone(roots));
        let instant = Timestamp::from_second(whole(now)).unwrap_or(Timestamp::UNIX_EPOCH);
        let said = zone.to_offset_info(instant);
        samples
            .gauge("node_time_zone_offset_seconds", "System time zone offset in seconds.")
            .row(&[("time_zone", said.abbreviation())], f64::from(said.offset().seconds()));
        let sources = match &mut self.sources {
            Some(known) => known,
            none @ None => none.insert(sources(roots)?),
        };
        let help = "Available clocksources read from '/sys/devices/system/clocksource'.";
        samples.gauge("node_time_clocksource_available_info", help);
        for source in &mut *sources {
            for name in source.available.read()?.split_ascii_whitespace() {
                samples.row(&[("clocksource", name), ("device", &source.device)], 1.0);
            }
        }
        let help = "Current clocksource read from '/sys/devices/system/clocksource'.";
        samples.gauge("node_time_clocksource_current_info", help);
        for source in sources {
            let name = source.current.read()?.trim_end();
            samples.row(&[("clocksource", name), ("device", &source.device)], 1.0);
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the fraction is what is to go")]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

/// The machine's own time zone. Without one, or with one that makes no sense, it is UTC.
fn zone(roots: &Roots) -> TimeZone {
    let data = roots::read_bytes(&roots.rooted("etc/localtime")).unwrap_or_default();
    TimeZone::tzif("Local", &data).unwrap_or(TimeZone::UTC)
}

fn sources(roots: &Roots) -> Result<Vec<Source>, Blank> {
    let folder = roots.sys("devices/system/clocksource");
    let mut all = Vec::new();
    for name in roots::list(&folder)? {
        let Some(device) = name.strip_prefix("clocksource") else { continue };
        all.push(Source {
            device: device.to_owned(),
            available: Kept::brief(folder.join(&name).join("available_clocksource")),
            current: Kept::brief(folder.join(&name).join("current_clocksource")),
        });
    }
    Ok(all)
}
