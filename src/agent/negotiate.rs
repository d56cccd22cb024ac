//! Which form of the page the client wants, by its `Accept` and `Accept-Encoding` headers.

/// A form of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text 0.0.4, which everything reads.
    Text,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// `OpenMetrics` 0.0.1, which differs in its name alone.
    OpenMetricsDraft,
}

impl Format {
    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::OpenMetricsDraft => "application/openmetrics-text; version=0.0.1; charset=utf-8",
        }
    }

    /// The form with the highest `q`; at a tie, and when nothing fits, the older one.
    pub fn wanted(accept: &str) -> Self {
        let best = |format| best(accept, |range| format_fits(range, format));
        let (mut wanted, mut most) = (Self::Text, best(Self::Text));
        for newer in [Self::OpenMetrics, Self::OpenMetricsDraft] {
            if best(newer) > most {
                (wanted, most) = (newer, best(newer));
            }
        }
        wanted
    }
}

/// Whether the client would rather have the page in gzip than as it is.
pub fn wants_gzip(accept_encoding: &str) -> bool {
    let gzip = best(accept_encoding, |range| match range.name {
        it if it.eq_ignore_ascii_case("gzip") || it.eq_ignore_ascii_case("x-gzip") => Some(1),
        "*" => Some(0),
        _ => None,
    });
    let plain = best(accept_encoding, |range| match range.name {
        it if it.eq_ignore_ascii_case("identity") => Some(1),
        _ => None,
    });
    gzip > 0.0 && gzip >= plain
}

/// An entry of an `Accept` header, such as `text/plain;version=0.0.4;q=0.5`.
struct Range<'a> {
    name: &'a str,
    version: Option<&'a str>,
    quality: f64,
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self { name: parts.next()?, version: None, quality: 1.0 };
        for (name, said) in parts.filter_map(|part| part.split_once('=')) {
            let said = said.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("q") {
                let quality: f64 = said.parse().unwrap_or(0.0);
                range.quality = if (0.0..=1.0).contains(&quality) { quality } else { 0.0 };
            } else if name.trim().eq_ignore_ascii_case("version") {
                range.version = Some(said);
            }
        }
        Some(range)
    }
}

/// The quality of the ranges that fit most closely; zero if none does.
fn best(header: &str, fits: impl Fn(&Range<'_>) -> Option<u8>) -> f64 {
    let mut closest = (0, 0.0_f64);
    for range in header.split(',').filter_map(Range::read) {
        if let Some(closeness) = fits(&range) {
            if closeness > closest.0 {
                closest = (closeness, range.quality);
            } else if closeness == closest.0 {
                closest.1 = closest.1.max(range.quality);
            }
        }
    }
    closest.1
}

/// How closely a range fits; `*/*` is the loosest, and means the text.
fn format_fits(range: &Range<'_>, format: Format) -> Option<u8> {
    let (name, version) = match format {
        Format::Text => ("text/plain", "0.0.4"),
        Format::OpenMetrics => ("application/openmetrics-text", "1.0.0"),
        Format::OpenMetricsDraft => ("application/openmetrics-text", "0.0.1"),
    };
    if range.name.eq_ignore_ascii_case(name) {
        return match range.version {
            None => Some(2),
            Some(said) => (said == version).then_some(3),
        };
    }
    match (format, range.name) {
        (Format::Text, "text/*") => Some(1),
        (Format::Text, "*/*") => Some(0),
        (Format::Text | Format::OpenMetrics | Format::OpenMetricsDraft, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_gets_the_form_it_wants_most() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
                            application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                            application/openmetrics-text;version=0.0.1;q=0.5,\
                            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for accept in [prometheus_2, prometheus_3, "Application/OpenMetrics-text"] {
            assert_eq!(Format::wanted(accept), Format::OpenMetrics, "{accept}");
        }
        let draft = "application/openmetrics-text; version=0.0.1, text/plain;q=0.5";
        assert_eq!(Format::wanted(draft), Format::OpenMetricsDraft);
        for accept in [
            "",
            "*/*",
            "text/html",
            "application/openmetrics-text;version=2.0.0",
            "a;;=,",
            "text/plain, application/openmetrics-text;q=0.9",
            "application/openmetrics-text;q=0.5, text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text;q=nan",
            "application/openmetrics-text;q=0",
        ] {
            assert_eq!(Format::wanted(accept), Format::Text, "{accept}");
        }
    }

    #[test]
    fn the_closest_range_speaks_for_a_form() {
        let accept = "text/plain;q=0.1, */*;q=0.9, application/openmetrics-text;q=0.2";
        assert_eq!(Format::wanted(accept), Format::OpenMetrics);
    }

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        for accept in ["gzip", "deflate, GZIP;q=0.5", "*", "br;q=1.0, *;q=0.1", "x-gzip"] {
            assert!(wants_gzip(accept), "{accept}");
        }
        for accept in ["", "br", "gzip;q=0", "identity, gzip;q=0.5", "*;q=0", "*, gzip;q=0"] {
            assert!(!wants_gzip(accept), "{accept}");
        }
    }
}
