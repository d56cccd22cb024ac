//! Samples as the two text forms of Prometheus.
//!
//! prometheus-client is the registry and writes `OpenMetrics` 1.0; text 0.0.4 is translated from
//! it, a family at a time: where rows begin is noted while they are written, so that nobody looks
//! for it. Help is escaped here, since the library leaves that to the caller.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
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
    places: Arc<Places>,
    open_metrics: String,
    text: String,
}

impl Default for Exposition {
    fn default() -> Self {
        let shown = Arc::new(Mutex::new(Samples::default()));
        let (labels, places) = (Arc::default(), Arc::<Places>::default());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Shown {
            samples: Arc::clone(&shown),
            labels: Arc::clone(&labels),
            places: Arc::clone(&places),
        }));
        let (open_metrics, text) = (String::new(), String::new());
        Self { registry, shown, labels, places, open_metrics, text }
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
        self.places.families().clear();
        swap(samples);
        let mut out = Counted { out: &mut self.open_metrics, written: &self.places.written };
        let outcome = text::encode(&mut out, &self.registry);
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
                let places = self.places.families();
                translate(&self.open_metrics, &places, &unusual, &mut self.text);
                Ok(&self.text)
            }
        }
    }
}

/// Where things are on the page.
#[derive(Debug, Default)]
struct Places {
    /// Bytes that are written so far.
    written: AtomicUsize,
    families: Mutex<Vec<Place>>,
}

/// Where a family begins, where its rows begin, and where they end.
#[derive(Debug, Clone, Copy)]
struct Place {
    from: usize,
    rows: usize,
    to: usize,
}

impl Places {
    fn now(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }

    fn families(&self) -> std::sync::MutexGuard<'_, Vec<Place>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page that tells how long it is while it is written.
struct Counted<'a> {
    out: &'a mut String,
    written: &'a AtomicUsize,
}

impl fmt::Write for Counted<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.out.push_str(piece);
        self.written.store(self.out.len(), Ordering::Relaxed);
        Ok(())
    }
}

/// What the registry asks when it is encoded.
#[derive(Debug)]
struct Shown {
    samples: Arc<Mutex<Samples>>,
    labels: Arc<Mutex<Vec<(String, String)>>>,
    places: Arc<Places>,
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = self.places.families();
        // Nothing is before the first family.
        let mut from = 0;
        samples.families().try_for_each(|family| {
            let rows = encode_family(&mut encoder, family, &labels, &self.places)?;
            let to = self.places.now();
            places.push(Place { from, rows, to });
            from = to;
            Ok(())
        })
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
    places: &Places,
) -> Result<usize, fmt::Error> {
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
    let rows_from = places.now();
    for row in family.rows() {
        if row.labels().len() == 0 && common.is_empty() {
            encode_row(&mut metric, shown, row.value())?;
        } else {
            let labels = Labels { row, common };
            encode_row(&mut metric.encode_family(&labels)?, shown, row.value())?;
        }
    }
    Ok(rows_from)
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
fn translate(open_metrics: &str, places: &[Place], unusual: &[&str], out: &mut String) {
    out.clear();
    for place in places {
        let head = open_metrics.get(place.from..place.rows).unwrap_or_default();
        translate_head(head, unusual, out);
        out.push_str(open_metrics.get(place.rows..place.to).unwrap_or_default());
    }
}

fn translate_head(head: &str, unusual: &[&str], out: &mut String) {
    let mut help: Option<(&str, &str)> = None;
    for comment in head.lines().filter_map(|it| it.strip_prefix("# ")) {
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
