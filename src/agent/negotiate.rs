//! Which form of the page the client wants, by its `Accept` header.

/// A form of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text 0.0.4, which everything reads.
    Text,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The form with the highest `q`; at a tie, and when nothing fits, the text.
    pub fn wanted(accept: &str) -> Self {
        let best = |format: Self| {
            let ranges = accept.split(',').filter_map(|range| quality(range, format));
            ranges.fold(0.0_f64, f64::max)
        };
        if best(Self::OpenMetrics) > best(Self::Text) { Self::OpenMetrics } else { Self::Text }
    }
}

/// How much a media range such as `text/plain;version=0.0.4;q=0.5` wants this form.
fn quality(range: &str, format: Format) -> Option<f64> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?;
    let (mut quality, mut version) = (1.0, None);
    for (name, said) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim() {
            "q" => quality = said.trim().parse().unwrap_or(0.0),
            "version" => version = Some(said.trim().trim_matches('"')),
            _ => {}
        }
    }
    let fits = match (format, kind) {
        (Format::OpenMetrics, "application/openmetrics-text") => {
            matches!(version, None | Some("1.0.0" | "0.0.1"))
        }
        (Format::Text, "text/plain") => matches!(version, None | Some("0.0.4")),
        (Format::Text, "*/*" | "text/*") => true,
        (Format::OpenMetrics | Format::Text, _) => false,
    };
    fits.then_some(quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_gets_the_form_it_wants_most() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
                            application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::wanted(prometheus_2), Format::OpenMetrics);
        assert_eq!(Format::wanted("application/openmetrics-text"), Format::OpenMetrics);
        assert_eq!(Format::wanted("text/plain, application/openmetrics-text;q=0.9"), Format::Text);
        for accept in
            ["", "*/*", "text/html", "application/openmetrics-text;version=2.0.0", "a;;=,"]
        {
            assert_eq!(Format::wanted(accept), Format::Text, "{accept}");
        }
    }
}
