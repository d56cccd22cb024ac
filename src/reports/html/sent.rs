//! A load over time: what was sent, and what became of it.

use maud::{Markup, html};

use super::plot::{LEFT, Time, c, chart};
use crate::evidence::{
    fold::Evidence,
    load::{HEADS, Load, windows},
    say,
};

const TOP: f64 = 24.0;
const BOTTOM: f64 = 150.0;
const RIGHT_EDGE: f64 = 985.0;
/// The narrowest column, in microseconds: what is counted is counted by quarters of a second.
const COLUMN_US: i64 = 250_000;
/// No more columns than this, however long the run was.
const COLUMNS_MAX: i64 = 390;

/// What stands in one column, from below: good, late, failed or unsent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Column([u64; 3]);

impl Column {
    fn all(self) -> u64 {
        self.0.iter().sum()
    }
}

/// All loads: a chart of each, and its figures.
pub(super) fn loads(evidence: &Evidence) -> Markup {
    html! {
        @for it in &evidence.loads {
            h2 { "Load: " (it.planned.name) " " span lang="zh" { "负载" } }
            p.muted {
                code { (it.planned.target) } ", " (it.planned.rate)
                ". Times count from the instant planned for each request, so that what a slow \
                 system kept waiting is in them."
            }
            figure {
                (sent(evidence, it))
                figcaption {
                    "Requests by the instant planned for each: good, late (hatched) and failed or \
                     unsent (on top). Hatched below: while faults stood."
                }
            }
            div.scroll { table {
                tr { th { "Stretch" } @for head in HEADS { th.n { (head) } } }
                @for stretch in &it.stretches {
                    tr {
                        td { (stretch.name) " " span lang="zh" { (stretch.name_zh) } }
                        @for cell in stretch.cells() { td.n { (cell) } }
                    }
                }
            } }
        }
    }
}

/// Columns of requests by the instants that were planned for them, with the faults behind.
fn sent(evidence: &Evidence, load: &Load) -> Markup {
    let time = Time::of(evidence);
    let width_us = COLUMN_US.max(evidence.run.length_us / COLUMNS_MAX + 1);
    let columns = columns(load, width_us);
    let most = columns.iter().map(|it| it.1.all()).max().unwrap_or(0).max(1);
    let rate = say::number(most) / say::seconds(width_us);
    let inside = html! {
        (time.phases(evidence, 14.0, BOTTOM))
        @for (from, to) in windows(&evidence.timeline.acts) {
            @let (x, width) = time.span(from, to);
            rect.fault x=(c(x)) y=(c(BOTTOM)) width=(c(width)) height="6" {}
        }
        (time.axis(TOP, BOTTOM))
        line.axis x1=(c(LEFT)) x2=(c(RIGHT_EDGE)) y1=(c(TOP)) y2=(c(TOP)) {}
        text.dim x=(c(LEFT - 10.0)) y=(c(TOP + 4.0)) text-anchor="end" { (format!("{rate:.0}/s")) }
        text.dim x=(c(LEFT - 10.0)) y=(c(BOTTOM)) text-anchor="end" { "0" }
        @for (at, it) in &columns {
            (column(time, (*at, width_us), *it, most))
        }
    };
    chart(BOTTOM + 28.0, "How many requests were planned, and what became of them", &inside)
}

fn column(time: Time, (at, width_us): (i64, i64), it: Column, most: u64) -> Markup {
    let (x, width) = time.span(at, at.saturating_add(width_us));
    let high = |count: u64| say::number(count) / say::number(most) * (BOTTOM - TOP);
    let [good, late, bad] = it.0.map(high);
    let width = c(width.max(0.6));
    html! {
        @if good > 0.0 {
            rect.bar x=(c(x)) y=(c(BOTTOM - good)) width=(width) height=(c(good)) {}
        }
        @if late > 0.0 {
            rect.open x=(c(x)) y=(c(BOTTOM - good - late)) width=(width) height=(c(late)) {}
        }
        @if bad > 0.0 {
            rect.bad x=(c(x)) y=(c(BOTTOM - good - late - bad)) width=(width) height=(c(bad)) {}
        }
    }
}

/// Rows summed up by columns of this width, each with where it begins.
fn columns(load: &Load, width_us: i64) -> Vec<(i64, Column)> {
    let mut all: Vec<(i64, Column)> = Vec::new();
    for (at, _, good, late, failed, unsent) in &load.rows {
        let from = at.div_euclid(width_us) * width_us;
        match all.last_mut() {
            Some((last, Column(it))) if *last == from => {
                let more = [*good, *late, failed + unsent];
                it.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
            _ => all.push((from, Column([*good, *late, failed + unsent]))),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::load::PlannedLoad;

    #[test]
    fn every_request_stands_in_one_column() {
        let planned = PlannedLoad {
            name: "customers".to_owned(),
            target: String::new(),
            rate: String::new(),
            in_time_us: 0,
        };
        let row = |at| (at, 10, 5, 3, 1, 2);
        let rows = vec![row(-100), row(100), row(250_100), row(500_100)];
        let load = Load { planned, stretches: Vec::new(), rows };
        assert_eq!(
            columns(&load, 500_000),
            [(-500_000, Column([5, 3, 3])), (0, Column([10, 6, 6])), (500_000, Column([5, 3, 3]))]
        );
    }
}
