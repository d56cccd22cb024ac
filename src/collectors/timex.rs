//! How the clock is disciplined, from `adjtimex(2)`.

use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type},
    export::Export,
    world::{
        discipline::{self, Discipline},
        roots::Roots,
    },
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "timex",
        summary: "how far the clock is off, and whether it follows a reference",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Timex),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_timex_*"],
    &[],
    "adjtimex(2), which a sandbox may forbid: allow it to read (`modes` 0)",
)];

#[derive(Debug)]
struct Timex;

/// The kernel's status bit: offset and jitter are nanoseconds, not microseconds.
const STA_NANO: i32 = 0x2000;
/// Frequencies are parts per million with 16 bits after the point.
const FREQUENCY: f64 = 1e6 * 65536.0;
const MICROSECONDS: f64 = 1e6;

/// Metric, help, type, value.
type Row = (&'static str, &'static str, Type, f64);

impl Collector for Timex {
    fn collect(&mut self, _roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let it = discipline::discipline().map_err(|why| Blank::odd("adjtimex", why.to_string()))?;
        for (name, help, kind, value) in clock(it).into_iter().chain(pulse(it)) {
            samples.family(name, help, kind).row(&[], value);
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
fn clock(Discipline { is_synchronised, said }: Discipline) -> [Row; 9] {
    let is_synchronised = f64::from(u8::from(is_synchronised));
    [
        (
            "node_timex_sync_status",
            "Is clock synchronized to a reliable server (1 = yes, 0 = no).",
            Type::Gauge,
            is_synchronised,
        ),
        (
            "node_timex_offset_seconds",
            "Time offset in between local system and reference clock.",
            Type::Gauge,
            said.offset as f64 / second(said.status),
        ),
        (
            "node_timex_frequency_adjustment_ratio",
            "Local clock frequency adjustment.",
            Type::Gauge,
            1.0 + said.freq as f64 / FREQUENCY,
        ),
        (
            "node_timex_maxerror_seconds",
            "Maximum error in seconds.",
            Type::Gauge,
            said.maxerror as f64 / MICROSECONDS,
        ),
        (
            "node_timex_estimated_error_seconds",
            "Estimated error in seconds.",
            Type::Gauge,
            said.esterror as f64 / MICROSECONDS,
        ),
        (
            "node_timex_status",
            "Value of the status array bits.",
            Type::Gauge,
            f64::from(said.status),
        ),
        (
            "node_timex_loop_time_constant",
            "Phase-locked loop time constant.",
            Type::Gauge,
            said.constant as f64,
        ),
        (
            "node_timex_tick_seconds",
            "Seconds between clock ticks.",
            Type::Gauge,
            said.tick as f64 / MICROSECONDS,
        ),
        (
            "node_timex_tai_offset_seconds",
            "International Atomic Time (TAI) offset.",
            Type::Gauge,
            f64::from(said.tai),
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
fn pulse(Discipline { said, .. }: Discipline) -> [Row; 8] {
    [
        (
            "node_timex_pps_frequency_hertz",
            "Pulse per second frequency.",
            Type::Gauge,
            said.ppsfreq as f64 / FREQUENCY,
        ),
        (
            "node_timex_pps_jitter_seconds",
            "Pulse per second jitter.",
            Type::Gauge,
            said.jitter as f64 / second(said.status),
        ),
        (
            "node_timex_pps_shift_seconds",
            "Pulse per second interval duration.",
            Type::Gauge,
            f64::from(said.shift),
        ),
        (
            "node_timex_pps_stability_hertz",
            "Pulse per second stability, average of recent frequency changes.",
            Type::Gauge,
            said.stabil as f64 / FREQUENCY,
        ),
        (
            "node_timex_pps_jitter_total",
            "Pulse per second count of jitter limit exceeded events.",
            Type::Counter,
            said.jitcnt as f64,
        ),
        (
            "node_timex_pps_calibration_total",
            "Pulse per second count of calibration intervals.",
            Type::Counter,
            said.calcnt as f64,
        ),
        (
            "node_timex_pps_error_total",
            "Pulse per second count of calibration errors.",
            Type::Counter,
            said.errcnt as f64,
        ),
        (
            "node_timex_pps_stability_exceeded_total",
            "Pulse per second count of stability limit exceeded events.",
            Type::Counter,
            said.stbcnt as f64,
        ),
    ]
}

/// How many of the kernel's units are a second.
fn second(status: i32) -> f64 {
    if status & STA_NANO == 0 { MICROSECONDS } else { 1e9 }
}
