//! What has a log said since the run began?

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::{
    about::About,
    pattern::{Pattern, PatternError},
    probe::{Blind, Datum, Probe, Reading},
    units::Span,
    world::{World, files::File, host::HostError},
};

/// What is read at a time.
const PIECE: usize = 256 << 10;
/// So many bytes before a place show whether it still is the same.
const SEAL: usize = 64;
/// So much of a line is looked at; the rest of a longer one is passed over.
const LINE_MAX: usize = 64 << 10;

/// Counts the lines of the log at `path` that fit `pattern`, from where it ended when the run
/// began. A log that is moved away is read to its end before the one that follows it; one that is
/// cut short is read from its beginning.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    path: String,
    pattern: Wanted,
    #[serde(default = "five_seconds")]
    timeout: Span,
    #[serde(skip)]
    at: Mutex<Place>,
}

fn five_seconds() -> Span {
    Span::millis(5_000)
}

/// A pattern as it is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct Wanted(Pattern);

impl TryFrom<String> for Wanted {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse().map(Self)
    }
}

/// How far a log was read, and what was found so far.
#[derive(Default)]
struct Place {
    file: Option<(File, (u64, u64))>,
    read_to: u64,
    /// The last bytes before it.
    seal: Vec<u8>,
    /// The beginning of a line whose end was not there yet.
    begun: Vec<u8>,
    looked: bool,
    lines: u64,
    count: u64,
    last: String,
}

impl Probe for Log {
    const ABOUT: &'static About = &About {
        name: "log",
        summary: "counts lines of a log that fit a pattern, from the run's beginning on",
        needs: &[],
        example: "path: /var/log/payments.log\npattern: 'status=5\\d\\d'\n",
    };
    const READINGS: &'static [&'static str] = &["count", "lines", "last"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let limit = self.timeout.duration();
        let seen = async {
            let mut at = self.at.lock().await;
            self.read_on(&mut at, world).await?;
            let (count, lines) = (Datum::count(at.count), Datum::count(at.lines));
            let last = Datum::Text(at.last.clone());
            Ok(Reading([("count", count), ("lines", lines), ("last", last)].into()))
        };
        match tokio::time::timeout(limit, seen).await {
            Ok(seen) => seen,
            Err(_) => Err(Blind(format!("{} was not read within {}", self.path, self.timeout))),
        }
    }
}

impl Log {
    async fn read_on(&self, at: &mut Place, world: &World) -> Result<(), Blind> {
        let blind = |why: HostError| Blind(why.to_string());
        let named = world.host.open(self.path.clone()).await.map_err(blind)?;
        let first = !std::mem::replace(&mut at.looked, true);
        let Some(named) = named else {
            // Just moved away, and the next one is not there yet: what it said still counts.
            return match at.file.clone() {
                Some((file, _)) => self.to_the_end(at, &file).await.map_err(blind),
                None => Err(Blind(format!("there is no file {}", self.path))),
            };
        };
        let state = named.state().await.map_err(blind)?;
        if let Some((file, which)) = at.file.clone() {
            self.to_the_end(at, &file).await.map_err(blind)?;
            if which == state.which {
                return Ok(());
            }
        }
        // What was there before the run is not the run's.
        at.go_to(if first { state.size } else { 0 });
        at.seal = at.behind(&named).await.map_err(blind)?;
        at.file = Some((File::clone(&named), state.which));
        self.to_the_end(at, &named).await.map_err(blind)
    }

    /// Reads on, in pieces: given up in between, it goes on there at the next look.
    async fn to_the_end(&self, at: &mut Place, file: &File) -> Result<(), HostError> {
        let size = file.state().await?.size;
        // Cut short, and perhaps grown again since: then what was read last is not there any more.
        if size < at.read_to || at.behind(file).await? != at.seal {
            at.go_to(0);
        }
        while at.read_to < size {
            let piece = file.piece(at.read_to, PIECE).await?;
            if piece.is_empty() {
                break;
            }
            at.read_to += u64::try_from(piece.len()).unwrap_or(0);
            at.seal.extend_from_slice(piece.get(piece.len().saturating_sub(SEAL)..).unwrap_or(&[]));
            let over = at.seal.len().saturating_sub(SEAL);
            at.seal.drain(..over);
            at.take(&piece, &self.pattern.0);
        }
        Ok(())
    }
}

impl Place {
    fn go_to(&mut self, offset: u64) {
        self.read_to = offset;
        self.seal.clear();
        self.begun.clear();
    }

    /// What is in the file just before the place up to which it was read.
    async fn behind(&self, file: &File) -> Result<Vec<u8>, HostError> {
        let length = self.read_to.min(u64::try_from(SEAL).unwrap_or(0));
        file.piece(self.read_to - length, usize::try_from(length).unwrap_or(0)).await
    }

    fn take(&mut self, piece: &[u8], pattern: &Pattern) {
        for some in piece.split_inclusive(|it| *it == b'\n') {
            let (text, ends) = match some.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (some, false),
            };
            let room = LINE_MAX.saturating_sub(self.begun.len());
            self.begun.extend(text.iter().take(room));
            if !ends {
                continue;
            }
            let bytes = std::mem::take(&mut self.begun);
            let line = String::from_utf8_lossy(&bytes);
            self.lines += 1;
            if pattern.matches(&line) {
                self.count += 1;
                self.last = line.trim_end().chars().take(1_000).collect();
            }
        }
    }
}
