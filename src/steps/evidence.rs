//! Keeps something that a reviewer will want to see.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    inspection::Inspection,
    journal::{
        chain,
        showing::{Attachment, Showing},
    },
    probe::{Blind, needed},
    steps::sql::ten_seconds,
    units::Span,
    world::{
        World,
        web::{Ask, BODY_MAX, Method},
    },
};

/// Puts one thing into the run's folder under the name `keep`. The journal has its SHA-256, so
/// that `holdfast verify` finds any later change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evidence {
    /// What.
    of: Of,
    /// The file's name in the run's folder: letters, digits, `.`, `-` and `_`.
    keep: Name,
    #[serde(default = "ten_seconds")]
    timeout: Span,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Of {
    /// A file, at most 64 MiB of it.
    File(String),
    /// What an address answers, at most 1 MiB.
    Http(String),
    /// Metrics of an exporter, or of Prometheus's `/federate`, by name.
    Metric(Metric),
    /// What a command prints, the last 8 KiB of it. It must change nothing.
    Command(Vec<String>),
    /// A page as headless Chromium shows it, as PNG.
    Screenshot(String),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Metric {
    url: String,
    name: String,
}

/// A file's name that stays in the folder, and is none of the run's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_');
        let plain = text.chars().all(plain) && !text.starts_with('.') && !text.is_empty();
        let own = ["journal.", "report.", "seal."].iter().any(|it| text.starts_with(it));
        if text != crate::units::HOLE && (!plain || own) {
            return Err(format!(
                "`{text}` is no name for evidence: letters, digits, `.`, `-` and `_`, and neither \
                 journal, report nor seal"
            ));
        }
        Ok(Self(text))
    }
}

/// No file is kept that is larger.
const FILE_MAX: usize = 64 << 20;
/// What Chromium may be called.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

impl Inspection for Evidence {
    const ABOUT: &'static About = &About {
        name: "evidence",
        summary: "keeps a file, an answer, a metric, a command's output or a screenshot",
        needs: &[],
        example: "of:\n  metric: { url: 'http://127.0.0.1:9600/metrics', name: node_load1 }\n\
                  keep: load-at-take-over.txt\n",
    };

    fn will(&self) -> String {
        format!("keep {} as {}", self.of.shown(), self.keep.0)
    }

    async fn inspect(&self, world: &World) -> Result<Showing, Blind> {
        let Some(folder) = world.run_folder.as_deref() else {
            return Err(Blind("there is no run to keep it for".to_owned()));
        };
        let path = format!("{folder}/{}", self.keep.0);
        // What was kept once stays: a step that is done twice needs two names.
        if world.host.read(&path).map_err(|why| Blind(why.to_string()))?.is_some() {
            return Err(Blind(format!("{} is there already: choose another name", self.keep.0)));
        }
        let kept = |bytes: &[u8]| world.host.write(&path, bytes);
        let mut showing = Showing::good(format!("kept as {}", self.keep.0));
        let bytes = match &self.of {
            Of::Screenshot(url) => screenshot(url, &path, (self.timeout, world)).await?,
            Of::Metric(it) => {
                let page = get(&it.url, self.timeout, world).await?;
                let lines = it.lines(&String::from_utf8_lossy(&page));
                if lines.is_empty() {
                    return Err(Blind(format!("{} has no metric {}", it.url, it.name)));
                }
                for line in lines.lines().filter(|it| !it.starts_with('#')).take(5) {
                    let (name, value) = line.rsplit_once(' ').unwrap_or((line, ""));
                    showing = showing.figure(name, value);
                }
                lines.into_bytes()
            }
            Of::File(path) => needed(path, world)?,
            Of::Http(url) => get(url, self.timeout, world).await?,
            Of::Command(argv) => {
                let done = world.host.asked(argv.clone(), self.timeout.duration()).await;
                let done = done.map_err(|why| Blind(why.to_string()))?;
                if done.code != Some(0) {
                    let said = done.said.trim();
                    return Err(Blind(format!("`{}` did not end well: {said}", argv.join(" "))));
                }
                done.output.into_bytes()
            }
        };
        if bytes.len() > FILE_MAX {
            return Err(Blind(format!(
                "it has {} bytes, at most {FILE_MAX} are kept",
                bytes.len()
            )));
        }
        kept(&bytes).map_err(|why| Blind(why.to_string()))?;
        showing.attachments.push(Attachment {
            file: self.keep.0.clone(),
            sha256: chain::hash(&bytes),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            from: self.of.shown(),
        });
        Ok(showing)
    }
}

impl Of {
    fn shown(&self) -> String {
        match self {
            Self::File(it) | Self::Http(it) => it.clone(),
            Self::Metric(it) => format!("{} of {}", it.name, it.url),
            Self::Command(it) => format!("`{}`", it.join(" ")),
            Self::Screenshot(it) => format!("a screenshot of {it}"),
        }
    }
}

impl Metric {
    /// The metric's own lines of an exposition.
    fn lines(&self, page: &str) -> String {
        let is_it = |line: &&str| {
            let line = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
            let end = line.find(['{', ' ']).unwrap_or(line.len());
            line.get(..end) == Some(self.name.as_str())
        };
        page.lines().filter(is_it).fold(String::new(), |text, line| text + line + "\n")
    }
}

async fn get(url: &str, timeout: Span, world: &World) -> Result<Vec<u8>, Blind> {
    let (method, headers, timeout) = (Method::Get, BTreeMap::new(), timeout.duration());
    let ask = Ask { method, url: url.to_owned(), headers, body: None, timeout };
    let answer = world.web.ask(ask).await.map_err(|why| Blind(format!("{url}: {why}")))?;
    if answer.status != 200 {
        return Err(Blind(format!("{url} was answered with {}", answer.status)));
    }
    if answer.body.len() >= BODY_MAX {
        return Err(Blind(format!("{url} answers with more than 1 MiB")));
    }
    Ok(answer.body)
}

/// Has a browser show a page, and takes the picture that it leaves.
async fn screenshot(
    url: &str,
    path: &str,
    (timeout, world): (Span, &World),
) -> Result<Vec<u8>, Blind> {
    let mut why_not = "no browser was found".to_owned();
    for browser in BROWSERS {
        // Its sandbox needs powers that root has no use for, and containers do not give.
        let flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
                     --disable-background-networking --hide-scrollbars --window-size=1280,1024";
        // A profile of its own: the operator's must not be seen, nor changed.
        let own = format!("{path}.profile");
        let (profile, picture) = (format!("--user-data-dir={own}"), format!("--screenshot={path}"));
        let argv = flags.split_ascii_whitespace().chain([&*profile, &picture, url]);
        let argv = std::iter::once(*browser).chain(argv).map(str::to_owned).collect();
        let done = world.host.asked(argv, timeout.duration()).await;
        world.host.remove_tree(&own).map_err(|why| Blind(why.to_string()))?;
        match done {
            Ok(done) if done.code == Some(0) => return needed(path, world),
            Ok(done) => done.said.trim().clone_into(&mut why_not),
            Err(why) => why_not = why.to_string(),
        }
    }
    Err(Blind(format!("{why_not}; screenshots need Chromium: apt-get install chromium")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_of_the_metric_are_kept() {
        let it = Metric { url: String::new(), name: "up".to_owned() };
        let page =
            "# HELP up is it?\n# TYPE up gauge\nup{job=\"a\"} 1\nup_since 2\nup 3\nnot_up 4\n";
        let wanted = "# HELP up is it?\n# TYPE up gauge\nup{job=\"a\"} 1\nup 3\n";
        assert_eq!(it.lines(page), wanted);
    }

    #[test]
    fn a_name_cannot_leave_the_folder_or_hide_the_run_s_own_files() {
        for bad in ["", "../x", "a/b", ".x", "journal.jsonl", "report.html", "seal.json", "a b"] {
            assert!(Name::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(Name::try_from("load-1.txt".to_owned()).is_ok());
    }
}
