//! What all charts share: a scale of time, ticks, and shading for phases and the disaster.

use maud::{Markup, html};

use crate::evidence::{fold::Evidence, say};

/// Charts are so wide, in units of their own.
pub(super) const WIDTH: f64 = 1000.0;
/// Names stand left of here.
pub(super) const LEFT: f64 = 205.0;
const RIGHT: f64 = 985.0;

/// A coordinate, to a tenth.
pub(super) fn c(at: f64) -> String {
    let text = format!("{at:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// Time along the width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    to_us: i64,
}

impl Time {
    pub(super) fn of(evidence: &Evidence) -> Self {
        Self { to_us: evidence.run.length_us.max(1) }
    }

    /// Where an instant is.
    pub(super) fn x(self, at_us: i64) -> f64 {
        let at = say::seconds(at_us.clamp(0, self.to_us)) / say::seconds(self.to_us);
        LEFT + at * (RIGHT - LEFT)
    }

    /// Left edge and width of a stretch; never too narrow to be seen.
    pub(super) fn span(self, from_us: i64, to_us: i64) -> (f64, f64) {
        let (from, to) = (self.x(from_us), self.x(to_us));
        (from, (to - from).max(1.5))
    }

    fn ticks(self) -> Vec<i64> {
        let steps =
            [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000];
        let longer = [60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400, 604_800];
        let all = steps.into_iter().map(|ms: i64| ms * 1_000);
        let mut all = all.chain(longer.into_iter().map(|s: i64| s * 1_000_000));
        let step = all.find(|it| self.to_us / it <= 10).unwrap_or(self.to_us);
        (0..=10)
            .map_while(|n: i64| n.checked_mul(step))
            .take_while(|it| *it <= self.to_us)
            .collect()
    }

    /// Ticks with their times, and lines up through the chart.
    pub(super) fn axis(self, top: f64, bottom: f64) -> Markup {
        html! {
            @for at in self.ticks() {
                @let x = c(self.x(at));
                line.axis x1=(x) x2=(x) y1=(c(top)) y2=(c(bottom)) {}
                text.dim x=(x) y=(c(bottom + 15.0)) text-anchor="middle" { (tick(at)) }
            }
        }
    }

    /// Phases in alternating tints, with their names where there is room, and the disaster.
    pub(super) fn phases(self, evidence: &Evidence, top: f64, bottom: f64) -> Markup {
        let height = c(bottom - top);
        html! {
            @for (n, phase) in evidence.timeline.phases.iter().enumerate() {
                @let to = phase.to_us.unwrap_or(self.to_us);
                @let (x, width) = self.span(phase.from_us, to);
                @if n % 2 == 0 {
                    rect.band x=(c(x)) y=(c(top)) width=(c(width)) height=(height) {}
                }
                @if say::number(say::count(phase.name.chars().count())) * 7.0 < width {
                    text.dim x=(c(x + width / 2.0)) y=(c(top - 4.0)) text-anchor="middle" {
                        (phase.name)
                    }
                }
            }
            @if let Some(fault) = evidence.timeline.disaster() {
                @let x = c(self.x(fault.from_us));
                line.strike x1=(x) x2=(x) y1=(c(top)) y2=(c(bottom)) {}
            }
        }
    }
}

fn tick(us: i64) -> String {
    match us {
        0 => "0".to_owned(),
        _ if us < 1_000_000 => format!("{} ms", us / 1_000),
        _ if us < 600_000_000 => {
            let seconds = format!("{:.1}", say::seconds(us));
            format!("{} s", seconds.strip_suffix(".0").unwrap_or(&seconds))
        }
        _ => format!("{} min", us / 60_000_000),
    }
}

/// A chart: its size, and what a person who cannot see it is told.
pub(super) fn chart(height: f64, told: &str, inside: &Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 " (c(WIDTH)) " " (c(height)) } role="img" aria-label=(told) {
            title { (told) }
            (inside)
        }
    }
}

/// Patterns that say by their lines what others say by colour. Once a page.
pub(super) fn patterns() -> Markup {
    html! {
        svg width="0" height="0" style="position:absolute" aria-hidden="true" {
            defs {
                pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse"
                    patternTransform="rotate(45)" {
                    line.hatch-line x1="0" x2="0" y1="0" y2="5" {}
                }
                pattern id="cross" width="6" height="6" patternUnits="userSpaceOnUse"
                    patternTransform="rotate(-45)" {
                    line.cross-line x1="0" x2="0" y1="0" y2="6" {}
                }
            }
        }
    }
}
