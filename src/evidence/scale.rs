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

/// The machine was restarted: its steady clock began anew, and only the time of day ties what was
/// before to what came after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Restart {
    /// The last that is known of before.
    pub from_us: i64,
    /// The first that is known of afterwards.
    pub to_us: i64,
    /// By how much the time between can have been longer or shorter, in microseconds; none if the
    /// time of day followed no reference, so that nobody knows.
    pub doubt_us: Option<u64>,
}

fn between(restarts: &[Restart], (from_us, to_us): (i64, i64)) -> impl Iterator<Item = &Restart> {
    restarts.iter().filter(move |it| it.from_us < to_us && from_us < it.to_us)
}

/// So long, at least, it was from one place to a later one.
pub(crate) fn shortest_us(restarts: &[Restart], (from_us, to_us): (i64, i64)) -> i64 {
    let unsure = between(restarts, (from_us, to_us)).map(|it| match it.doubt_us {
        Some(doubt) => signed(doubt),
        None => it.to_us.min(to_us).saturating_sub(it.from_us.max(from_us)),
    });
    to_us.saturating_sub(from_us).saturating_sub(unsure.sum()).max(0)
}

/// So long it was at most; none if nobody knows.
pub(crate) fn longest_us(restarts: &[Restart], (from_us, to_us): (i64, i64)) -> Option<i64> {
    let doubts = between(restarts, (from_us, to_us)).map(|it| it.doubt_us.map(signed));
    let doubt = doubts.sum::<Option<i64>>()?;
    Some(to_us.saturating_sub(from_us).saturating_add(doubt))
}

/// Readings of all clocks, and where they are on the scale.
#[derive(Debug, Clone)]
struct Tied {
    at_us: i64,
    anchor: Anchor,
}

/// Puts stamps on the scale, anchor by anchor.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    tied: Vec<Tied>,
    /// The first anchor of the boot that is going on, by its place in `tied`.
    boot: usize,
    shift_us: i64,
    stepped_us: i64,
    slept_us: i64,
    restarts: Vec<Restart>,
    /// The worst bound of all anchors; none once one has none.
    wall_error_us: Option<u64>,
}

impl Scale {
    /// A scale that begins at `begun_us` of the boot that the first anchor will name.
    pub(crate) fn new(begun_us: u64) -> Self {
        Self {
            tied: Vec::new(),
            boot: 0,
            shift_us: signed(begun_us),
            stepped_us: 0,
            slept_us: 0,
            restarts: Vec::new(),
            wall_error_us: None,
        }
    }

    /// Follows the clocks. `reached_us` is the place of what was written last.
    pub(crate) fn meet(&mut self, anchor: &Anchor, reached_us: i64) {
        let worst = (self.tied.is_empty(), self.wall_error_us.zip(anchor.wall_error_us));
        self.wall_error_us = match worst {
            (true, _) => anchor.wall_error_us,
            (false, both) => both.map(|(a, b)| a.max(b)),
        };
        let lead = |it: &Anchor| signed(it.wall_us).saturating_sub(signed(it.mono_us));
        let sleep = |it: &Anchor| signed(it.boot_us).saturating_sub(signed(it.mono_us));
        if self.tied.last().is_some_and(|it| it.anchor.boot_id != anchor.boot_id) {
            self.restarted(anchor, reached_us);
        } else if let Some(Tied { anchor: first, .. }) = self.tied.get(self.boot) {
            let stepped = lead(anchor).saturating_sub(lead(first));
            if stepped.saturating_abs() > self.stepped_us.saturating_abs() {
                self.stepped_us = stepped;
            }
            self.slept_us = self.slept_us.max(sleep(anchor).saturating_sub(sleep(first)));
        }
        let at_us = self.at(anchor.mono_us);
        self.tied.push(Tied { at_us, anchor: anchor.clone() });
    }

    /// Only the time of day tells how long it took. What it was set to in between is not known, and
    /// what came later is not put before what came first.
    fn restarted(&mut self, anchor: &Anchor, reached_us: i64) {
        let Some(before) = self.tied.last() else { return };
        let passed = signed(anchor.wall_us).saturating_sub(signed(before.anchor.wall_us));
        let at_us = before.at_us.saturating_add(passed);
        let errors = before.anchor.wall_error_us.zip(anchor.wall_error_us);
        let doubt_us = errors.map(|(a, b)| a.saturating_add(b)).filter(|_| at_us >= reached_us);
        let at_us = at_us.max(reached_us);
        self.restarts.push(Restart { from_us: reached_us, to_us: at_us, doubt_us });
        self.shift_us = signed(anchor.mono_us).saturating_sub(at_us);
        self.boot = self.tied.len();
    }

    /// Microseconds since the run began.
    pub(crate) fn at(&self, stamp_us: u64) -> i64 {
        signed(stamp_us).saturating_sub(self.shift_us)
    }

    /// A stretch on the scale.
    pub(crate) fn window(&self, from_us: u64, to_us: u64) -> Window {
        Window { from_us: self.at(from_us), to_us: self.at(to_us) }
    }

    /// The time of day at a place of the scale, in microseconds since the Unix epoch, by the last
    /// anchor before it.
    pub(crate) fn wall_us(&self, at_us: i64) -> Option<i64> {
        let after = self.tied.partition_point(|it| it.at_us <= at_us);
        let near = self.tied.get(after.saturating_sub(1))?;
        Some(signed(near.anchor.wall_us).saturating_add(at_us.saturating_sub(near.at_us)))
    }

    /// Where a time of day is on the scale, by the anchors before and after it, and as far apart as
    /// they and their errors allow; and whether these errors are known. None without an anchor.
    pub(crate) fn place(&self, wall_us: u64) -> Option<(Window, bool)> {
        let wall = |it: &&Tied| it.anchor.wall_us <= wall_us;
        let before = self.tied.iter().rfind(wall);
        let after = self.tied.iter().find(|it| !wall(it));
        let by = |it: &Tied| {
            let since = signed(wall_us).saturating_sub(signed(it.anchor.wall_us));
            let (at_us, error) = (it.at_us.saturating_add(since), it.anchor.wall_error_us);
            let off = signed(error.unwrap_or(0));
            (at_us.saturating_sub(off), at_us.saturating_add(off), error.is_some())
        };
        let all = || before.into_iter().chain(after).map(by);
        let window =
            Window { from_us: all().map(|it| it.0).min()?, to_us: all().map(|it| it.1).max()? };
        Some((window, all().all(|it| it.2)))
    }

    /// When the machine was restarted.
    pub(crate) fn restarts(&self) -> &[Restart] {
        &self.restarts
    }

    /// What a reader must know of the clocks. The sentence is empty when there is nothing.
    pub(crate) fn clocks(&self) -> Clocks {
        Clocks {
            anchored: !self.tied.is_empty(),
            wall_stepped_us: if self.stepped_us.saturating_abs() > STEP_US {
                self.stepped_us
            } else {
                0
            },
            slept_us: if self.slept_us > SLEPT_US { self.slept_us } else { 0 },
            reboots: u32::try_from(self.restarts.len()).unwrap_or(u32::MAX),
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
