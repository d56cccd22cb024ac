//! Is a file there, and what is in it?

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading},
    units::Span,
    world::{World, files::File, host::HostError},
};

/// The most of a file that is told as its text, in bytes.
const TEXT_MAX: usize = 1 << 20;
const PIECE: usize = 256 << 10;

/// Looks at the file at `path`; only if asked into it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookAtFile {
    path: String,
    /// Tell its first MiB as `text`.
    #[serde(default)]
    text: bool,
    /// Read all of it for its `sha256`.
    #[serde(default)]
    sha256: bool,
    #[serde(default = "five_seconds")]
    timeout: Span,
}

fn five_seconds() -> Span {
    Span::millis(5_000)
}

impl Probe for LookAtFile {
    const ABOUT: &'static About = &About {
        name: "file",
        summary: "looks at a file: whether it is there, its size, age, text and digest",
        needs: &[],
        example: "path: /var/lib/sanctions/list.csv\ntext: true\nsha256: true\n",
    };
    const READINGS: &'static [&'static str] = &["exists", "size", "age_s", "text", "sha256"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let limit = self.timeout.duration();
        match tokio::time::timeout(limit, self.see(world)).await {
            Ok(seen) => seen.map(Reading).map_err(|why| Blind(why.to_string())),
            Err(_) => Err(Blind(format!("{} was not read within {}", self.path, self.timeout))),
        }
    }
}

impl LookAtFile {
    async fn see(&self, world: &World) -> Result<BTreeMap<&'static str, Datum>, HostError> {
        let Some(file) = world.host.open(self.path.clone()).await? else {
            return Ok([("exists", Datum::Number(0.0))].into());
        };
        let state = file.state().await?;
        let age = world.clock.stamp().wall_us.saturating_sub(state.modified_us);
        let age = Duration::from_micros(age).as_secs_f64();
        let mut reading = BTreeMap::from([
            ("exists", Datum::Number(1.0)),
            ("size", Datum::count(state.size)),
            ("age_s", Datum::Number(age)),
        ]);
        if self.text {
            let bytes = file.piece(0, TEXT_MAX).await?;
            reading.insert("text", Datum::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        if self.sha256 {
            reading.insert("sha256", Datum::Text(digest(&file).await?));
        }
        Ok(reading)
    }
}

async fn digest(file: &File) -> Result<String, HostError> {
    let (mut sum, mut at) = (Sha256::new(), 0);
    loop {
        let piece = file.piece(at, PIECE).await?;
        sum.update(&piece);
        at += u64::try_from(piece.len()).unwrap_or(0);
        if piece.len() < PIECE {
            break;
        }
    }
    Ok(sum.finalize().iter().fold(String::new(), |mut out, it| {
        write!(out, "{it:02x}").expect("a string takes any text");
        out
    }))
}
