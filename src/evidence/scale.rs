//! Stamps of one or more boots on one scale: microseconds since the run began.

use serde::Serialize;

use crate::journal::entry::Anchor;

/// The wall clock may be off by so much against the steady one before a report says so.
const STEP_US: i64 = 500_000;
/// The machine may have slept for so long before a report says so.
const SLEPT_US: i64 = 100_000;

/// A stretch of time between two stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Its beginning, in microseconds since the run began.
    pub from_us: i64,
    /// Its end, in microseconds since the run began.
    pub to_us: i64,
}

impl Window {
    /// How long it is, in microseconds; never below zero.
    pub fn length_us(self) -> i64 {
        self.to_us.saturating_sub(self.from_us).max(0)
    }
}

/// Puts stamps on the scale, anchor by anchor.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    first: Option<Anchor>,
    latest: Option<Anchor>,
    begun_us: i64,
    shift_us: i64,
    stepped_us: i64,
    slept_us: i64,
    reboots: u32,
    /// The worst bound of all anchors; none once one has none.
    wall_error_us: Option<u64>,
}

impl Scale {
    /// A scale that begins at `begun_us` of the boot that `first` names.
    pub(crate) fn new(begun_us: u64, first: Option<&Anchor>) -> Self {
        Self {
            first: first.cloned(),
            latest: first.cloned(),
            begun_us: signed(begun_us),
            shift_us: signed(begun_us),
            stepped_us: 0,
            slept_us: 0,
            reboots: 0,
            wall_error_us: first.and_then(|it| it.wall_error_us),
        }
    }

    /// Follows the clocks. After a reboot the steady clock began anew, and only the time of day
    /// ties it to what was before.
    pub(crate) fn meet(&mut self, anchor: &Anchor) {
        self.wall_error_us = match (&self.first, self.wall_error_us) {
            (None, _) => anchor.wall_error_us,
            (Some(_), worst) => worst.zip(anchor.wall_error_us).map(|(a, b)| a.max(b)),
        };
        let Some(first) = &self.first else {
            self.first = Some(anchor.clone());
            self.latest = Some(anchor.clone());
            return;
        };
        let lead = |it: &Anchor| signed(it.wall_us).saturating_sub(signed(it.mono_us));
        let sleep = |it: &Anchor| signed(it.boot_us).saturating_sub(signed(it.mono_us));
        if anchor.boot_id == first.boot_id {
            let stepped = lead(anchor).saturating_sub(lead(first));
            if stepped.saturating_abs() > self.stepped_us.saturating_abs() {
                self.stepped_us = stepped;
            }
            self.slept_us = self.slept_us.max(sleep(anchor).saturating_sub(sleep(first)));
            self.shift_us = self.begun_us;
        } else {
            let since = signed(anchor.wall_us).saturating_sub(self.wall_us(0).unwrap_or(0));
            self.shift_us = signed(anchor.mono_us).saturating_sub(since);
        }
        if self.latest.as_ref().is_some_and(|it| it.boot_id != anchor.boot_id) {
            self.reboots = self.reboots.saturating_add(1);
        }
        self.latest = Some(anchor.clone());
    }

    /// Microseconds since the run began.
    pub(crate) fn at(&self, stamp_us: u64) -> i64 {
        signed(stamp_us).saturating_sub(self.shift_us)
    }

    /// A stretch on the scale.
    pub(crate) fn window(&self, from_us: u64, to_us: u64) -> Window {
        Window { from_us: self.at(from_us), to_us: self.at(to_us) }
    }

    /// The time of day at a place of the scale, in microseconds since the Unix epoch.
    pub(crate) fn wall_us(&self, at_us: i64) -> Option<i64> {
        let first = self.first.as_ref()?;
        let lead = signed(first.wall_us).saturating_sub(signed(first.mono_us));
        Some(lead.saturating_add(self.begun_us).saturating_add(at_us))
    }

    /// What a reader must know of the clocks. The sentence is empty when there is nothing.
    pub(crate) fn clocks(&self) -> Clocks {
        Clocks {
            anchored: self.first.is_some(),
            wall_stepped_us: if self.stepped_us.saturating_abs() > STEP_US {
                self.stepped_us
            } else {
                0
            },
            slept_us: if self.slept_us > SLEPT_US { self.slept_us } else { 0 },
            reboots: self.reboots,
            wall_error_us: self.wall_error_us,
        }
    }
}

/// How the clocks behaved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clocks {
    /// Whether the steady clock was ever tied to the time of day.
    pub anchored: bool,
    /// By how much the time of day was moved during the run, in microseconds; 0 below half a
    /// second.
    pub wall_stepped_us: i64,
    /// How long the machine slept during the run, in microseconds; 0 below a tenth of a second.
    pub slept_us: i64,
    /// How often the machine was restarted during the run.
    pub reboots: u32,
    /// By how much the time of day can have been wrong, in microseconds; none if the clock did not
    /// follow a reference all the while.
    pub wall_error_us: Option<u64>,
}

/// Unsigned to signed; what does not fit is as large as can be.
pub(crate) fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}
