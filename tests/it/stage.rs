//! A state folder with a bank in it, and the command line to play on it.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use holdfast::{
    journal::{
        chain,
        entry::{Entry, Fact, Outcome},
    },
    sandbox::{bank, book::Book},
};
use serde_json::Value;
use tempfile::TempDir;

/// The executable under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// A state folder. Its bank is taken down whatever becomes of the test.
pub(crate) struct Stage {
    folder: TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let down = self.command(&["sandbox", "down", "--purge"]).output().unwrap();
        assert!(down.status.success() || down.status.code() == Some(3), "{down:?}");
    }
}

/// What a run left.
pub(crate) struct Played {
    pub(crate) output: Output,
    pub(crate) folder: PathBuf,
    pub(crate) entries: Vec<Entry>,
    pub(crate) report: Value,
}

impl Stage {
    /// No bank yet.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With a bank, started with these words.
    pub(crate) fn with_bank(words: &[&str]) -> Self {
        let stage = Self::empty();
        let up = stage.run(&[&["sandbox", "up"], words].concat());
        assert!(up.status.success(), "{}", text(&up.stderr));
        stage
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn book(&self) -> Book {
        Book::read(&self.state().join("sandbox")).unwrap()
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env("NO_COLOR", "1");
        command.arg("--state").arg(self.state()).args(words).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Plays and reads what is there afterwards.
    pub(crate) fn play(&self, words: &[&str]) -> Played {
        let output = self.run(words);
        self.played(output)
    }

    /// How many runs there are.
    pub(crate) fn runs(&self) -> usize {
        std::fs::read_dir(self.state().join("runs")).map_or(0, Iterator::count)
    }

    /// The folder of the newest run.
    pub(crate) fn newest(&self) -> PathBuf {
        let runs = std::fs::read_dir(self.state().join("runs"));
        let newest = runs.ok().and_then(|it| it.flatten().map(|it| it.path()).max());
        newest.unwrap_or_else(|| panic!("no run in {}", self.state().display()))
    }

    /// What the newest run left.
    pub(crate) fn played(&self, output: Output) -> Played {
        assert!(self.state().join("runs").exists(), "no run: {}", text(&output.stderr));
        let folder = self.newest();
        let entries = entries(&folder);
        let report = std::fs::read(folder.join("report.json")).unwrap_or_default();
        let report = serde_json::from_slice(&report).unwrap_or(Value::Null);
        Played { output, folder, entries, report }
    }

    /// How many of the acknowledged payments the gateway does not know, by asking for each of them.
    pub(crate) fn gone(&self, played: &Played) -> usize {
        let gateway = self.book().address("gateway").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = bank::client().unwrap();
            let mut gone = 0;
            for seq in played.acknowledged() {
                let url = format!("http://{gateway}/payments/{}-{seq}", played.id());
                let status = client.get(url).send().await.unwrap().status();
                assert!(status == 200 || status == 404, "{status}");
                gone += usize::from(status == 404);
            }
            gone
        })
    }

    pub(crate) fn assert_verifies(&self, played: &Played) {
        let output = self.run(&["verify", &played.id()]);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

impl Played {
    pub(crate) fn code(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    pub(crate) fn said(&self) -> String {
        text(&self.output.stderr) + &text(&self.output.stdout)
    }

    /// When the first fault was wholly applied: from, to.
    pub(crate) fn fault(&self) -> (u64, u64) {
        let applied = self.entries.iter().find_map(|it| match &it.fact {
            Fact::Applied { act: 1, from_us, to_us } => Some((*from_us, *to_us)),
            _ => None,
        });
        applied.unwrap_or_else(|| panic!("no fault was applied: {}", self.said()))
    }

    /// The numbers of the records that the witness was told were stored.
    pub(crate) fn acknowledged(&self) -> Vec<u64> {
        let rows = self.entries.iter().filter_map(|it| match &it.fact {
            Fact::Writes { rows } => Some(rows),
            _ => None,
        });
        rows.flatten().filter(|it| it.3 == Outcome::Acked).map(|it| it.0).collect()
    }

    /// The run's id.
    pub(crate) fn id(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }
}

pub(crate) fn entries(folder: &Path) -> Vec<Entry> {
    let bytes = std::fs::read(folder.join("journal.jsonl")).unwrap();
    chain::read(&bytes).unwrap().entries
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
