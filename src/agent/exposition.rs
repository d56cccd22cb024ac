//! Samples as the two text forms of Prometheus.
//!
//! prometheus-client is the registry and writes `OpenMetrics` 1.0; text 0.0.4 is translated from
//! it line by line. Help is escaped here, since the library leaves that to the caller.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeLabel as _, EncodeLabelSet, LabelSetEncoder, MetricEncoder,
        NoLabelSet, text,
    },
    metrics::MetricType,
    registry::Registry,
};

use super::negotiate::Format;
use crate::collector::{FamilyView, RowView, Samples, Type};

/// Turns samples into a page, again and again in the same buffers.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
    shown: Arc<Mutex<Samples>>,
    labels: Arc<Mutex<Vec<(String, String)>>>,
    open_metrics: String,
    text: String,
}

impl Default for Exposition {
    fn default() -> Self {
        let shown = Arc::new(Mutex::new(Samples::default()));
        let labels = Arc::default();
        let mut registry = Registry::default();
        let (samples, labelled) = (Arc::clone(&shown), Arc::clone(&labels));
        registry.register_collector(Box::new(Shown { samples, labels: labelled }));
        Self { registry, shown, labels, open_metrics: String::new(), text: String::new() }
    }
}

impl Exposition {
    /// Puts these labels on every series from now on. A series that has such a label keeps its own.
    pub fn label(&mut self, labels: Vec<(String, String)>) {
        *self.labels.lock().unwrap_or_else(PoisonError::into_inner) = labels;
    }

    /// The page. `samples` come back as they were.
    pub fn page(&mut self, samples: &mut Samples, format: Format) -> Result<&str, fmt::Error> {
        let swap = |samples: &mut Samples| {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *shown, samples);
        };
        self.open_metrics.clear();
        swap(samples);
        let outcome = text::encode(&mut self.open_metrics, &self.registry);
        swap(samples);
        outcome?;
        match format {
            Format::OpenMetrics | Format::OpenMetricsDraft => Ok(&self.open_metrics),
            Format::Text => {
                let unusual: Vec<&str> = samples
                    .families()
                    .filter(|it| is_unusual_counter(it.name(), it.kind()))
                    .map(|it| it.name())
                    .collect();
                translate(&self.open_metrics, &unusual, &mut self.text);
                Ok(&self.text)
            }
        }
    }
}

/// What the registry asks when it is encoded.
#[derive(Debug)]
struct Shown {
    samples: Arc<Mutex<Samples>>,
    labels: Arc<Mutex<Vec<(String, String)>>>,
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        samples.families().try_for_each(|family| encode_family(&mut encoder, family, &labels))
    }
}

/// A counter whose name does not end in `_total`, as textfiles have them. `OpenMetrics` has no such
/// thing; it is shown there without a type, under its own name.
fn is_unusual_counter(name: &str, kind: Type) -> bool {
    kind == Type::Counter && !name.ends_with("_total")
}

fn encode_family(
    encoder: &mut DescriptorEncoder<'_>,
    family: FamilyView<'_>,
    common: &[(String, String)],
) -> fmt::Result {
    let shown = match family.kind() {
        it if is_unusual_counter(family.name(), it) => Type::Untyped,
        it => it,
    };
    let (name, kind) = match shown {
        // The library adds `_total` to each row.
        Type::Counter => {
            (family.name().strip_suffix("_total").unwrap_or(family.name()), MetricType::Counter)
        }
        Type::Gauge => (family.name(), MetricType::Gauge),
        Type::Untyped => (family.name(), MetricType::Unknown),
    };
    let mut metric = encoder.encode_descriptor(name, &escape(family.help()), None, kind)?;
    for row in family.rows() {
        if row.labels().len() == 0 && common.is_empty() {
            encode_row(&mut metric, shown, row.value())?;
        } else {
            let labels = Labels { row, common };
            encode_row(&mut metric.encode_family(&labels)?, shown, row.value())?;
        }
    }
    Ok(())
}

fn encode_row(metric: &mut MetricEncoder<'_>, kind: Type, value: f64) -> fmt::Result {
    match kind {
        Type::Counter => metric.encode_counter::<NoLabelSet, _, u64>(&value, None),
        Type::Gauge | Type::Untyped => metric.encode_gauge(&value),
    }
}

#[derive(Debug)]
struct Labels<'a> {
    row: RowView<'a>,
    common: &'a [(String, String)],
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.row.labels().try_for_each(|pair| pair.encode(encoder.encode_label()))?;
        let is_new = |name: &str| self.row.labels().all(|(own, _)| own != name);
        self.common.iter().filter(|(name, _)| is_new(name)).try_for_each(|(name, said)| {
            (name.as_str(), said.as_str()).encode(encoder.encode_label())
        })
    }
}

/// Help for `OpenMetrics`.
fn escape(help: &str) -> Cow<'_, str> {
    if help.contains(['\\', '\n', '"']) {
        help.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"").into()
    } else {
        help.into()
    }
}

/// Help for text 0.0.4, in which quotes stand for themselves, from that of `OpenMetrics`.
fn push_help(help: &str, out: &mut String) {
    let mut rest = help;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (escaped, further) = after.split_at_checked(1).unwrap_or((after, ""));
        if escaped != "\"" {
            out.push('\\');
        }
        out.push_str(escaped);
        rest = further;
    }
    out.push_str(rest);
}

/// `OpenMetrics` as prometheus-client writes it for [`Shown`] → text 0.0.4.
///
/// Rows are the same in both. A family's name differs: the old form has a counter's `_total` in
/// `HELP` and `TYPE`, too.
fn translate(open_metrics: &str, unusual: &[&str], out: &mut String) {
    out.clear();
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        if let Some(said) = comment.strip_prefix("HELP ") {
            help = said.split_once(' ');
        } else if let Some((name, kind)) =
            comment.strip_prefix("TYPE ").and_then(|it| it.split_once(' '))
        {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, said)) = help.take() {
                out.extend(["# HELP ", name, suffix, " "]);
                push_help(said, out);
                out.push('\n');
            }
            let kind = match kind {
                "unknown" if unusual.contains(&name) => "counter",
                "unknown" => "untyped",
                other => other,
            };
            out.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Samples {
        let mut samples = Samples::default();
        samples
            .counter("odd_total", "Says \"so\",\nwith \\ and # EOF.")
            .row(&[("path", "a\"b\\c\nd # {x=\"y\"}")], 1.5)
            .row(&[("path", "ü")], 0.0);
        samples.gauge("plain", "Plain.").row(&[], -3.0);
        samples.family("unknown", "Unknown.", Type::Untyped).row(&[("a", "1"), ("b", "")], 1e300);
        samples.gauge("empty", "Empty.");
        samples
    }

    #[test]
    fn both_forms_say_the_same_in_their_own_grammar() {
        let mut exposition = Exposition::default();
        let mut samples = samples();
        let open_metrics = exposition.page(&mut samples, Format::OpenMetrics).unwrap().to_owned();
        assert_eq!(
            open_metrics,
            "# HELP odd Says \\\"so\\\",\\nwith \\\\ and # EOF.\n\
             # TYPE odd counter\n\
             odd_total{path=\"a\\\"b\\\\c\\nd # {x=\\\"y\\\"}\"} 1.5\n\
             odd_total{path=\"ü\"} 0.0\n\
             # HELP plain Plain.\n\
             # TYPE plain gauge\n\
             plain -3.0\n\
             # HELP unknown Unknown.\n\
             # TYPE unknown unknown\n\
             unknown{a=\"1\",b=\"\"} 1e300\n\
             # EOF\n"
        );
        let text = exposition.page(&mut samples, Format::Text).unwrap();
        assert_eq!(
            text,
            "# HELP odd_total Says \"so\",\\nwith \\\\ and # EOF.\n\
             # TYPE odd_total counter\n\
             odd_total{path=\"a\\\"b\\\\c\\nd # {x=\\\"y\\\"}\"} 1.5\n\
             odd_total{path=\"ü\"} 0.0\n\
             # HELP plain Plain.\n\
             # TYPE plain gauge\n\
             plain -3.0\n\
             # HELP unknown Unknown.\n\
             # TYPE unknown untyped\n\
             unknown{a=\"1\",b=\"\"} 1e300\n"
        );
    }

    #[test]
    fn a_counter_keeps_its_name_even_an_unusual_one() {
        let mut samples = Samples::default();
        samples.counter("jobs", "Jobs.").row(&[], 2.0);
        let mut exposition = Exposition::default();
        let text = exposition.page(&mut samples, Format::Text).unwrap();
        assert_eq!(text, "# HELP jobs Jobs.\n# TYPE jobs counter\njobs 2.0\n");
        let open = exposition.page(&mut samples, Format::OpenMetrics).unwrap();
        assert_eq!(open, "# HELP jobs Jobs.\n# TYPE jobs unknown\njobs 2.0\n# EOF\n");
    }

    #[test]
    fn common_labels_are_on_every_series_and_yield_to_its_own() {
        let mut samples = Samples::default();
        samples.gauge("a", "A.").row(&[], 1.0).row(&[("site", "own")], 2.0);
        let mut exposition = Exposition::default();
        exposition.label(vec![("site".to_owned(), "x\"y".to_owned())]);
        let text = exposition.page(&mut samples, Format::Text).unwrap();
        assert!(text.ends_with("a{site=\"x\\\"y\"} 1.0\na{site=\"own\"} 2.0\n"), "{text}");
    }

    #[test]
    fn samples_come_back() {
        let mut samples = samples();
        let before = samples.series();
        let mut exposition = Exposition::default();
        exposition.page(&mut samples, Format::Text).unwrap();
        assert_eq!(samples.series(), before);
    }

    /// What a reader of either form makes of an escaped text.
    fn unescape(text: &str) -> String {
        let mut plain = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            plain.push(match (letter, letter == '\\') {
                (_, true) => match letters.next() {
                    Some('n') => '\n',
                    Some(other) => other,
                    None => panic!("a lone backslash at the end of {text:?}"),
                },
                (letter, false) => letter,
            });
        }
        plain
    }

    proptest::proptest! {
        #[test]
        fn whatever_help_and_labels_say_a_reader_gets_it_back(
            help in "[^\r]{0,40}", value in ".{0,40}", odd in "[\\\\\"\n# {}=,]{0,12}",
        ) {
            let (help, value) = (format!("{help}{odd}."), format!("{value}{odd}"));
            let mut samples = Samples::default();
            samples.counter("a_total", &help).row(&[("x", &value), ("y", &odd)], 1.0);
            samples.gauge("b", "B.").row(&[], 2.0);
            let mut exposition = Exposition::default();
            for format in [Format::OpenMetrics, Format::Text] {
                let page = exposition.page(&mut samples, format).unwrap();
                let lines: Vec<&str> = page.split('\n').collect();
                let rows = if format == Format::OpenMetrics { 8 } else { 7 };
                proptest::prop_assert_eq!(lines.len(), rows, "{}", page);
                let said = lines[0].splitn(4, ' ').nth(3).unwrap();
                proptest::prop_assert_eq!(unescape(said), help.clone());
                let row = lines[2].strip_prefix("a_total{x=\"").unwrap();
                let (labels, _) = row.rsplit_once("\"} 1.0").unwrap();
                let (first, second) = labels.split_at(labels.len() - escape(&odd).len());
                let first = first.strip_suffix("\",y=\"").unwrap();
                proptest::prop_assert_eq!(unescape(first), value.clone());
                proptest::prop_assert_eq!(unescape(second), odd.clone());
            }
        }
    }
}
