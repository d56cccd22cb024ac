//! Charts of a run over time.

use maud::{Markup, html};

use super::plot::{LEFT, Time, WIDTH, c, chart};
use crate::{
    evidence::{
        fold::{Evidence, Hypothesis},
        rto::Rto,
        say,
        timeline::{Act, ActState, Moment},
    },
    journal::entry::{Family, Outcome},
    verdict::Verdict,
};

const ROW: f64 = 22.0;
const RIGHT_EDGE: f64 = 985.0;
/// So many Latin characters stand left of a row.
const LABEL_ROOM: i32 = 27;
/// The head room of the timeline: lines of words that name moments.
const MOMENT_LINES: usize = 3;
const MOMENT_LINE: f64 = 14.0;

fn nth(n: usize) -> f64 {
    say::number(say::count(n))
}

/// A name left of a row.
fn label(y: f64, name: &str) -> Markup {
    let (mut short, mut room) = (String::new(), LABEL_ROOM);
    for it in name.chars() {
        // A Chinese character is as wide as two Latin ones.
        room -= if it.is_ascii() { 1 } else { 2 };
        if room < 0 {
            short.push('…');
            break;
        }
        short.push(it);
    }
    html! { text x=(c(LEFT - 10.0)) y=(c(y + 15.0)) text-anchor="end" { (short) } }
}

/// Phases as bars, acts with the stretch that they stood for, moments, and the outage.
pub(super) fn timeline(evidence: &Evidence) -> Markup {
    let time = Time::of(evidence);
    let line = &evidence.timeline;
    let top = 12.0 + MOMENT_LINE * nth(MOMENT_LINES);
    let acts_top = top + ROW * nth(line.phases.len()) + 6.0;
    let outage = evidence.drill.as_ref().map(|it| &it.rto).filter(|it| it.fault.is_some());
    let outage_top = acts_top + ROW * nth(line.acts.len()) + 6.0;
    let bottom = outage_top + if outage.is_some() { ROW } else { 0.0 };
    let inside = html! {
        (time.axis(top, bottom))
        @for (n, phase) in line.phases.iter().enumerate() {
            @let y = top + ROW * nth(n);
            @let (x, width) = time.span(phase.from_us, phase.to_us.unwrap_or(i64::MAX));
            (label(y, &phase.name))
            rect.bar2 x=(c(x)) y=(c(y + 4.0)) width=(c(width)) height="14" rx="2" {}
        }
        @for (n, act) in line.acts.iter().enumerate() {
            (act_row(time, acts_top + ROW * nth(n), act))
        }
        @if let Some(rto) = outage { (outage_row(time, outage_top, rto)) }
        (moments(time, &line.moments, bottom))
    };
    chart(bottom + 22.0, "Timeline of phases, acts, moments and the outage", &inside)
}

/// Moments, each named on a line of its head room where no other name is in the way.
fn moments(time: Time, all: &[Moment], bottom: f64) -> Markup {
    let mut free = [0.0_f64; MOMENT_LINES];
    html! {
        @for it in all {
            @let x = time.x(it.at_us);
            @let word = it.what.word();
            @let wide = 7.0 * nth(word.len()) + 8.0;
            @let turned = x + wide > RIGHT_EDGE;
            @let from = if turned { x - wide } else { x };
            @let n = line_for(&mut free, from, wide);
            @let y = 10.0 + MOMENT_LINE * nth(n);
            line.mark x1=(c(x)) x2=(c(x)) y1=(c(y - 10.0)) y2=(c(bottom)) {}
            text x=(c(if turned { x - 4.0 } else { x + 4.0 })) y=(c(y))
                text-anchor=(if turned { "end" } else { "start" }) { (word) }
        }
    }
}

/// The first line with room from `from` on; the one that is free soonest if there is none.
fn line_for(free: &mut [f64; MOMENT_LINES], from: f64, wide: f64) -> usize {
    let fits = free.iter().position(|it| *it <= from);
    let soonest = || free.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map(|it| it.0);
    let n = fits.or_else(soonest).unwrap_or(0);
    if let Some(it) = free.get_mut(n) {
        *it = from + wide;
    }
    n
}

fn act_row(time: Time, y: f64, act: &Act) -> Markup {
    let Some(applied) = act.applied else {
        return html! { (label(y, &act.name)) text.dim x=(c(time.x(act.intended_us))) y=(c(y + 15.0)) { "not applied" } };
    };
    let end = match act.state {
        ActState::Undone => act.undone.map_or(applied.to_us, |it| it.to_us),
        ActState::Spent => applied.to_us,
        ActState::Kept | ActState::Stuck | ActState::Outstanding => i64::MAX,
    };
    let (x, width) = time.span(applied.from_us, end);
    let class = match act.family {
        Family::Fault => "fault",
        Family::Step => "open",
    };
    let told = format!("{}: {}, {}", act.name, act.will, act.state.word());
    html! {
        (label(y, &act.name))
        rect class=(class) x=(c(x)) y=(c(y + 5.0)) width=(c(width)) height="12" { title { (told) } }
    }
}

fn outage_row(time: Time, y: f64, rto: &Rto) -> Markup {
    let fault = rto.fault.map_or(0, |it| it.from_us);
    let sure = rto.last_failed_sent_us.unwrap_or(fault);
    let open = rto.first_good.map_or(i64::MAX, |it| it.to_us);
    let (x, width) = time.span(fault, sure);
    let (from, rest) = time.span(sure, open);
    html! {
        @if rto.outage_seen {
            (label(y, "outage"))
            rect.bad x=(c(x)) y=(c(y + 4.0)) width=(c(width)) height="14" {}
            rect.open x=(c(from)) y=(c(y + 4.0)) width=(c(rest)) height="14" {}
        }
    }
}

/// One point of a latency chart.
struct Dot {
    at_us: i64,
    took_us: u64,
    kind: DotKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DotKind {
    Good,
    Bad,
    Blind,
}

/// How long the witness's writes took, and which failed.
pub(super) fn writes(evidence: &Evidence) -> Markup {
    let attempts = evidence.drill.iter().flat_map(|it| &it.attempts);
    let dots: Vec<Dot> = attempts
        .map(|it| Dot {
            at_us: it.sent_us,
            took_us: it.took_us,
            kind: match it.outcome {
                Outcome::Acked => DotKind::Good,
                Outcome::Refused => DotKind::Bad,
                Outcome::Unknown | Outcome::Blind => DotKind::Blind,
            },
        })
        .collect();
    latency(evidence, &dots, ["refused", "no answer"])
}

/// What a hypothesis's probe saw.
pub(super) fn looks(evidence: &Evidence, of: &Hypothesis) -> Markup {
    let dots: Vec<Dot> = of
        .looks
        .iter()
        .map(|it| Dot {
            at_us: it.sent_us,
            took_us: it.took_us,
            kind: match it.grade {
                Verdict::Pass => DotKind::Good,
                Verdict::Fail => DotKind::Bad,
                Verdict::Inconclusive => DotKind::Blind,
            },
        })
        .collect();
    latency(evidence, &dots, ["outside", "blind"])
}

/// Columns of so many units, each drawn once however many points fall into it.
const COLUMN: f64 = 2.5;

fn latency(evidence: &Evidence, dots: &[Dot], [bad, blind]: [&str; 2]) -> Markup {
    let time = Time::of(evidence);
    let (top, bottom) = (62.0, 190.0);
    let good = dots.iter().filter(|it| it.kind == DotKind::Good).map(|it| it.took_us.max(1));
    let (low, high) = good.fold((u64::MAX, 1), |(l, h), it| (l.min(it), h.max(it)));
    let low = say::number(if low == u64::MAX { 100 } else { low }).log10().floor();
    let high = say::number(high).log10().ceil().max(low + 1.0);
    let y = |us: f64| bottom - (us.max(1.0).log10() - low) / (high - low) * (bottom - top);
    let decades = (0..=9).map(|it| 10_i64.pow(it)).filter(|it| {
        let at = say::number(it.unsigned_abs()).log10();
        at >= low && at <= high
    });
    let inside = html! {
        (time.phases(evidence, 14.0, bottom))
        (time.axis(top, bottom))
        @for us in decades {
            @let at = y(say::number(us.unsigned_abs()));
            line.axis x1=(c(LEFT)) x2=(c(RIGHT_EDGE)) y1=(c(at)) y2=(c(at)) {}
            text.dim x=(c(LEFT - 10.0)) y=(c(at + 4.0)) text-anchor="end" { (decade(us)) }
        }
        text.dim x=(c(LEFT - 10.0)) y="31" text-anchor="end" { (bad) }
        text.dim x=(c(LEFT - 10.0)) y="49" text-anchor="end" { (blind) }
        path.good d=(columns(time, dots, y)) {}
        @for at in struck(time, dots, DotKind::Bad) {
            rect.bad x=(c(at)) y="21" width=(c(COLUMN)) height="12" {}
        }
        @for at in struck(time, dots, DotKind::Blind) {
            rect.blind x=(c(at)) y="40" width=(c(COLUMN)) height="10" {}
        }
    };
    chart(bottom + 22.0, "How long each took, and which failed", &inside)
}

fn decade(us: i64) -> String {
    match us {
        1_000_000.. => format!("{} s", us / 1_000_000),
        1_000.. => format!("{} ms", us / 1_000),
        _ => format!("{us} µs"),
    }
}

fn column(time: Time, dot: &Dot) -> f64 {
    (time.x(dot.at_us) / COLUMN).floor() * COLUMN
}

/// For each column, a line from its fastest to its slowest.
fn columns(time: Time, dots: &[Dot], y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut open: Option<(f64, u64, u64)> = None;
    let mut draw = |it: Option<(f64, u64, u64)>| {
        if let Some((x, low, high)) = it {
            let (from, to) = (y(say::number(low)) + 0.6, y(say::number(high)) - 0.6);
            path.extend([format!("M{} {}V{}", c(x), c(from), c(to))]);
        }
    };
    for dot in dots.iter().filter(|it| it.kind == DotKind::Good) {
        let x = column(time, dot);
        open = match open {
            Some((at, low, high)) if (at - x).abs() < COLUMN / 2.0 => {
                Some((at, low.min(dot.took_us), high.max(dot.took_us)))
            }
            before => {
                draw(before);
                Some((x, dot.took_us, dot.took_us))
            }
        };
    }
    draw(open);
    path
}

/// The columns in which there is such a point.
fn struck(time: Time, dots: &[Dot], kind: DotKind) -> Vec<f64> {
    let mut at: Vec<f64> =
        dots.iter().filter(|it| it.kind == kind).map(|it| column(time, it)).collect();
    at.dedup_by(|a, b| (*a - *b).abs() < COLUMN / 2.0);
    at
}

/// How busy the machine was, over the phases.
pub(super) fn utilisation(evidence: &Evidence) -> Markup {
    let time = Time::of(evidence);
    let points = thinned(evidence);
    let cpu: Vec<(i64, f64)> =
        points.iter().map(|it| (it.at_us, it.sample.cpu_ratio.clamp(0.0, 1.0))).collect();
    let total = evidence.run.host.as_ref().map_or(0, |it| it.memory_bytes);
    let peak = points.iter().map(|it| it.sample.memory_used_bytes).max().unwrap_or(0);
    let full = total.max(peak).max(1);
    let memory: Vec<(i64, f64)> = points
        .iter()
        .map(|it| (it.at_us, say::number(it.sample.memory_used_bytes) / say::number(full)))
        .collect();
    let inside = html! {
        (time.phases(evidence, 18.0, 228.0))
        (panel(time, 24.0, "CPU", &["0 %", "50 %", "100 %"].map(str::to_owned), &cpu))
        (panel(time, 136.0, "memory", &[0, full / 2, full].map(say::bytes), &memory))
        (time.axis(24.0, 228.0))
    };
    chart(250.0, "How busy the CPUs were and how much memory was in use", &inside)
}

/// So many points can be told apart.
const POINTS_MAX: usize = 1_200;

fn thinned(evidence: &Evidence) -> Vec<&crate::evidence::energy::Point> {
    let every = evidence.points.len().div_ceil(POINTS_MAX).max(1);
    evidence.points.iter().step_by(every).collect()
}

fn panel(time: Time, top: f64, name: &str, ticks: &[String; 3], points: &[(i64, f64)]) -> Markup {
    let height = 92.0;
    let bottom = top + height;
    let mut from = 0;
    let mut curve = String::new();
    for (at, ratio) in points {
        let y = c(bottom - ratio * height);
        let begin = if curve.is_empty() { "M" } else { "L" };
        curve.extend([format!("{begin}{} {y}H{}", c(time.x(from)), c(time.x(*at)))]);
        from = *at;
    }
    let area = format!("{curve}V{}H{}Z", c(bottom), c(LEFT));
    html! {
        @if !points.is_empty() { path.area d=(area) {} path.curve d=(curve) {} }
        text x="6" y=(c(top + 10.0)) { (name) }
        @for (n, tick) in ticks.iter().enumerate() {
            @let y = bottom - nth(n) * height / 2.0;
            line.axis x1=(c(LEFT)) x2=(c(RIGHT_EDGE)) y1=(c(y)) y2=(c(y)) {}
            text.dim x=(c(LEFT - 10.0)) y=(c(y + 4.0)) text-anchor="end" { (tick) }
        }
    }
}

/// The recovery time against its objective: sure up to the lower bound, open up to the upper.
pub(super) fn recovery(rto: &Rto) -> Markup {
    let (lower, upper) = (rto.lower_us.unwrap_or(0), rto.upper_us);
    let goal = crate::evidence::scale::signed(rto.objective_us);
    let full = say::seconds(goal.max(upper.unwrap_or(lower))) * 1.12 + 1e-9;
    let x = |us: i64| (say::seconds(us.max(0)) / full * WIDTH).min(WIDTH);
    let (from, to) = (x(lower), upper.map_or(WIDTH, x));
    let told = format!("Recovery took {}", say::interval(lower, upper));
    let inside = html! {
        rect.band x="0" y="30" width=(c(WIDTH)) height="56" {}
        rect.bar x="0" y="30" width=(c(from)) height="56" {}
        rect.open x=(c(from)) y="30" width=(c((to - from).max(8.0))) height="56" {}
        line.goal x1=(c(x(goal))) x2=(c(x(goal))) y1="14" y2="102" style="stroke-width:8" {}
    };
    chart(110.0, &told, &inside)
}
