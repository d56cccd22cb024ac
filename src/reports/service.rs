//! How much of the service there was, and how far the standby was behind, as rows of cells.

use crate::evidence::{fold::Drill, say};

/// The heads of [`levels`], in English and Chinese.
pub(super) const LEVELS: [(&str, &str); 5] = [
    ("Phase", "阶段"),
    ("Writes", "写入"),
    ("Acknowledged", "已确认"),
    ("Share", "占比"),
    ("Worst second", "最差一秒"),
];
/// The heads of [`lag`].
pub(super) const LAG: [(&str, &str); 5] = [
    ("Looks", "查询次数"),
    ("Stale", "陈旧读取"),
    ("Behind at most, writes", "最多落后（条）"),
    ("Behind at most, time", "最多落后（时间）"),
    ("Between two looks at most", "最长查询间隔"),
];

/// Phase by phase, what the witness tried and what was acknowledged.
pub(super) fn levels(drill: &Drill) -> Vec<[String; 5]> {
    let row = |it: &crate::evidence::terms::Level| {
        let share = |it: Option<f64>| it.map_or_else(|| "–".to_owned(), say::percent);
        let (whole, worst) = (share(it.ratio), share(it.worst));
        [it.phase.clone(), say::grouped(it.tried), say::grouped(it.good), whole, worst]
    };
    drill.levels.iter().map(row).collect()
}

/// How far the standby was behind before the fault; nothing if nobody asked it.
pub(super) fn lag(drill: &Drill) -> Vec<[String; 5]> {
    let row = |it: &crate::evidence::lag::Lag| {
        [
            say::grouped(it.looks),
            say::grouped(it.stale),
            say::grouped(it.behind_writes_max),
            say::length(it.behind_us_max),
            say::length(it.gap_us_max),
        ]
    };
    drill.rpo.lag.iter().map(row).collect()
}

/// A head in both languages.
pub(super) fn both((en, zh): &(&str, &str)) -> String {
    format!("{en} {zh}")
}

/// Rows below the row of their heads, each as `head` says it; nothing if there are none.
pub(super) fn headed<const N: usize>(
    heads: &[(&str, &str); N],
    head: fn(&(&str, &str)) -> String,
    rows: Vec<[String; N]>,
) -> Vec<Vec<String>> {
    if rows.is_empty() {
        return Vec::new();
    }
    let heads = std::iter::once(heads.iter().map(head).collect());
    heads.chain(rows.into_iter().map(Vec::from)).collect()
}
