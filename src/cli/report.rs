//! `holdfast report`: a run's evidence in a form for readers.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use crate::{
    evidence::{
        fold,
        folder::{self, FolderError},
        seal::JOURNAL,
    },
    journal::chain,
    report::ReportKind,
    reports,
    world::linux::state::StateFolder,
};

/// What `holdfast report` is told.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run: its id in the state folder, or the path of its folder; `latest` is the newest.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The form of the report.
    #[arg(long, default_value = "html", value_parser = form)]
    pub format: &'static ReportKind,
    /// Where to write it; standard output if not given.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

fn form(name: &str) -> Result<&'static ReportKind, String> {
    let known = || reports::ALL.iter().map(|it| it.about.name).collect::<Vec<_>>().join(", ");
    let kind = reports::ALL.iter().find(|it| it.about.name == name).copied();
    kind.ok_or_else(|| format!("write one of {}", known()))
}

/// Why there is no report, and the exit code for it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoRun {
    /// There is no such run.
    #[error("find the run `{run}`: neither {} nor {run} is a folder with a {JOURNAL}", state.display())]
    Unknown {
        /// As the user gave it.
        run: String,
        /// Where it was looked for.
        state: PathBuf,
    },
    /// There is no run at all.
    #[error("find a run: there is none in {}", state.display())]
    None {
        /// The state folder.
        state: PathBuf,
    },
    /// The disk said no.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Nothing can be told from such a journal.
    #[error("read the run's {JOURNAL}: {0}")]
    Broken(#[from] chain::Broken),
    /// Standard output is gone.
    #[error("write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

impl NoRun {
    /// Says it, and gives the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        let code = match self {
            Self::Unknown { .. } | Self::None { .. } => 2,
            Self::Folder(_) | Self::Broken(_) | Self::Output(_) => 3,
        };
        // Nobody is left to tell if standard error is gone, too.
        writeln!(std::io::stderr(), "error: could not {self}").unwrap_or_default();
        ExitCode::from(code)
    }
}

/// The folder of a run: an id in the state folder, or a path.
pub(crate) fn find(run: &str, state: &Path) -> Result<PathBuf, NoRun> {
    if run == "latest" {
        let folder = StateFolder::at(state);
        let newest = folder.newest_run().map(|it| folder.run(&it));
        return newest.ok_or_else(|| NoRun::None { state: state.to_owned() });
    }
    let by_id = state.join("runs").join(run);
    let is_id = !run.is_empty() && !run.contains('/') && run != "." && run != "..";
    if is_id && folder::is_folder(&by_id) {
        return Ok(by_id);
    }
    if !run.is_empty() && folder::is_folder(Path::new(run)) {
        return Ok(PathBuf::from(run));
    }
    Err(NoRun::Unknown { run: run.to_owned(), state: by_id })
}

/// Renders the report.
pub fn run(args: &ReportArgs, state: &Path) -> ExitCode {
    match render(args, state) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => why.tell(),
    }
}

fn render(args: &ReportArgs, state: &Path) -> Result<(), NoRun> {
    let dir = find(&args.run, state)?;
    let unknown = || NoRun::Unknown { run: args.run.clone(), state: state.join("runs") };
    let journal = folder::journal(&dir)?.ok_or_else(unknown)?;
    let evidence = fold::fold(&chain::read(&journal)?.entries);
    let bytes = (args.format.render)(&evidence);
    match &args.output {
        Some(path) => folder::write_out(path, &bytes)?,
        None => std::io::stdout().write_all(&bytes)?,
    }
    Ok(())
}
