//! Sites as rows of cells, for every form that shows tables.

use crate::evidence::{
    say,
    sites::{
        ScopeUse, Site, SiteUse, Sites,
        figure::{Figure, Known},
        power::JOULES_PER_KWH,
    },
};

/// The heads of [`uses`], in English and Chinese.
pub(super) const USES: [(&str, &str); 10] = [
    ("Site", "站点"),
    ("Phase", "阶段"),
    ("Of", "对象"),
    ("CPU s", "处理器秒"),
    ("CPU share", "处理器占用"),
    ("Memory peak", "内存峰值"),
    ("Disk read / written", "磁盘读/写"),
    ("Network in / out", "网络收/发"),
    ("Covered", "覆盖率"),
    ("Energy", "能耗"),
];
/// The heads of [`figures`].
pub(super) const FIGURES: [(&str, &str); 6] = [
    ("Site", "站点"),
    ("Figure", "指标"),
    ("Value", "数值"),
    ("Bounds", "上下界"),
    ("Covered", "覆盖率"),
    ("Method", "方法"),
];

/// What each site used: its hosts and processes, phase by phase.
pub(super) fn uses(sites: &Sites) -> Vec<[String; 10]> {
    let mut rows = Vec::new();
    for site in &sites.each {
        for stretch in site.phases.iter().chain([&site.whole]) {
            let scopes = stretch.scopes.iter().enumerate();
            rows.extend(scopes.map(|(n, it)| row((site, stretch), it, n == 0)));
        }
    }
    rows
}

fn row((site, stretch): (&Site, &SiteUse), it: &ScopeUse, first: bool) -> [String; 10] {
    let of = match (it.process.as_str(), it.processes) {
        ("", _) => "host 主机".to_owned(),
        (name, None) => name.to_owned(),
        (name, Some((least, most))) if least == most => format!("{name} × {least}"),
        (name, Some((least, most))) => format!("{name} × {least}–{most}"),
    };
    let pair = |a: &Figure, b: &Figure| match (a, b) {
        (Figure::Unavailable { .. }, Figure::Unavailable { .. }) => brief(a, bytes),
        _ => format!("{} / {}", brief(a, bytes), brief(b, bytes)),
    };
    let known = |of: &str, it: &Known| format!("{of}{}", say::percent(it.covered_ratio));
    let covered = it.cpu_seconds.known().map(|it| known("", it));
    let covered = covered.or(it.memory_bytes.known().map(|it| known("memory ", it)));
    [
        site.planned.name.clone(),
        stretch.name.clone(),
        of,
        brief(&it.cpu_seconds, |it| format!("{it:.2}")),
        brief(&it.cpu_ratio, say::percent),
        brief(&it.memory_bytes, bytes),
        pair(&it.disk_read_bytes, &it.disk_written_bytes),
        pair(&it.network_received_bytes, &it.network_sent_bytes),
        covered.unwrap_or_else(|| "–".to_owned()),
        // Of a site there is one figure of energy, whatever runs there.
        if first { brief(&kwh(stretch), energy) } else { String::new() },
    ]
}

/// In a cell: the value with its bounds where they are apart.
fn brief(it: &Figure, word: impl Fn(f64) -> String) -> String {
    match it {
        Figure::Known(it) => {
            let [value, low, high] = [it.value, it.low, it.high].map(&word);
            if low == high { value } else { format!("{value} [{low}, {high}]") }
        }
        Figure::Unavailable { .. } => "unavailable".to_owned(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of a machine, to the whole one"
)]
fn bytes(it: f64) -> String {
    say::bytes(it.max(0.0) as u64)
}

/// What is unavailable in [`uses`], and why, one sentence each.
pub(super) fn unavailable(sites: &Sites) -> Vec<String> {
    let mut all = Vec::new();
    for site in &sites.each {
        for it in &site.whole.scopes {
            let of = if it.process.is_empty() { "host" } else { &it.process };
            let figures = [
                ("processor time", &it.cpu_seconds),
                ("memory", &it.memory_bytes),
                ("disk", &it.disk_read_bytes),
                ("network", &it.network_received_bytes),
            ];
            for (name, figure) in figures {
                if let Figure::Unavailable { why } = figure {
                    let site = &site.planned.name;
                    all.push(format!("{site}, {of}: {name} is unavailable 不可用: {why}"));
                }
            }
        }
    }
    all
}

/// Energy, its cost and the standby's room: one figure a row, each with all that belongs to it.
pub(super) fn figures(sites: &Sites) -> Vec<[String; 6]> {
    let mut rows = Vec::new();
    for site in &sites.each {
        let name = format!(
            "{} ({} {})",
            site.planned.name,
            site.planned.role.word(),
            site.planned.role.word_zh()
        );
        let mut put = |what: &str, figure: &Figure, word: &dyn Fn(f64) -> String| {
            rows.push(full(&name, what, figure, word));
        };
        put("energy of the run 本次演练能耗", &kwh(&site.whole), &energy);
        let on_top = "on top of the baseline 较基线增量";
        let what = match site.indistinguishable {
            Some(true) => {
                format!("{on_top}: indistinguishable from the baseline 与基线无法区分")
            }
            Some(false) | None => on_top.to_owned(),
        };
        put(&what, &site.incremental_kwh, &energy);
        put("emissions of the run 本次演练排放", &site.grams, &co2e);
        put("emissions on top 排放增量", &site.incremental_grams, &co2e);
        if let Some(it) = &site.idle_year_kwh {
            put("a year of waiting (the price of the RTO) 备站点年待机能耗", it, &energy);
        }
        if let Some(it) = &site.idle_year_grams {
            put("emissions of a year of waiting 年待机排放", it, &co2e);
        }
        if let Some(it) = &site.headroom {
            put("processors left at take-over 接管时处理器余量", &it.cpu, &say::percent);
            put("… at the busiest moment 最忙时", &it.cpu_least, &say::percent);
            put("memory left at take-over 接管时内存余量", &it.memory, &say::percent);
        }
    }
    let watts = |it: f64| format!("{it:.1} W");
    let peak = "peak while both ran 双站并行峰值功率";
    rows.push(full("all 全部", peak, &sites.peak_dual_watts, &watts));
    rows
}

fn full(site: &str, what: &str, it: &Figure, word: &dyn Fn(f64) -> String) -> [String; 6] {
    let (site, what) = (site.to_owned(), what.to_owned());
    match it {
        Figure::Known(Known { value, low, high, basis, method, covered_ratio }) => {
            let bounds = format!("{} to {}", word(*low), word(*high));
            let method = format!("{} {}: {method}", basis.word(), basis.word_zh());
            [site, what, word(*value), bounds, say::percent(*covered_ratio), method]
        }
        Figure::Unavailable { why } => {
            let dash = || "–".to_owned();
            [site, what, "unavailable 不可用".to_owned(), dash(), dash(), why.clone()]
        }
    }
}

fn kwh(it: &SiteUse) -> Figure {
    it.joules.clone().times(1.0 / JOULES_PER_KWH)
}

/// Of kWh, three digits that count.
fn energy(kwh: f64) -> String {
    scaled(kwh, &[(1.0, "kWh"), (1e3, "Wh"), (1e6, "mWh")])
}

fn co2e(grams: f64) -> String {
    scaled(grams, &[(1e-3, "kg CO2e"), (1.0, "g CO2e"), (1e3, "mg CO2e")])
}

/// In the first unit of which there is at least one, or in the last.
fn scaled(it: f64, units: &[(f64, &str)]) -> String {
    let fits = units.iter().find(|unit| (it * unit.0).abs() >= 1.0).or(units.last());
    fits.map_or_else(String::new, |(by, unit)| format!("{} {unit}", digits(it * by)))
}

fn digits(it: f64) -> String {
    say::watt_hours(it * 3_600.0)
}

/// Of which stretches this tells, one sentence.
pub(super) fn stretches(sites: &Sites) -> String {
    let said = |it: Option<crate::evidence::scale::Window>| {
        it.map_or_else(
            || "none".to_owned(),
            |it| format!("{} to {}", say::bound(it.from_us), say::bound(it.to_us)),
        )
    };
    format!(
        "Baseline 基线: {}. Take-over 接管: {}. Bounds hold the readings around the ends of a \
         stretch; covered is the share of it that readings enclose.",
        said(sites.baseline),
        said(sites.take_over)
    )
}
