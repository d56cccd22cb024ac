//! `holdfast drill`: all that `chaos` can do, and answering, approving and going on.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::{
    cli::{args, consent, exit::Exit, host_file, outside::Around, play, report, show},
    engine::{
        claim::{self, Bound, Claim},
        handed::{Handed, Reply},
        resume::{self, Going},
        run::Order,
    },
    evidence::folder,
    journal::{
        began::Began,
        chain,
        course::{How, Word},
        entry::Entry,
        fold,
        index::RunKind,
    },
    manifest::{render::render, source::Source},
    registry,
    script::{lines::Script, outside::Outside, read},
    world::{
        clock::Clock as _,
        linux::{
            clock::LinuxClock,
            inbox::{self, HANDED_MAX, NotHeard},
            state::StateFolder,
        },
        stop::Stop,
    },
};

/// What `holdfast drill` can do.
#[derive(Debug, Subcommand)]
pub(super) enum Drill {
    #[command(flatten)]
    Play(play::Play),
    /// Answer a question of a drill that is being played, from another terminal.
    Decide(DecideArgs),
    /// Hand in an approver's signature over the plan of a drill that waits for it.
    Approve(ApproveArgs),
    /// Go on with a drill whose runner vanished; nothing that was done is done again.
    Resume(ResumeArgs),
}

/// What `decide` is told.
#[derive(Debug, Args)]
pub(super) struct DecideArgs {
    /// The run; `latest` for the newest
    #[arg(value_name = "RUN")]
    run: String,
    /// The question, by its name or its step
    #[arg(value_name = "STEP")]
    step: String,
    /// `go` or `no-go`; for what is done by hand `done` or `not-done`
    #[arg(value_name = "ANSWER", value_parser = word)]
    word: Word,
    /// Why, or what was done
    #[arg(long, default_value = "")]
    note: String,
    /// Who says so, if you type for somebody else; you are named beside them
    #[arg(long = "for", value_name = "NAME")]
    on_behalf: Option<String>,
    /// Where the question asks when it was: not before this, as so long ago or as a time of day
    #[arg(long, value_name = "WHEN", requires = "to")]
    from: Option<Bound>,
    /// And not after this
    #[arg(long, value_name = "WHEN", requires = "from")]
    to: Option<Bound>,
    /// A file that shows it; it is kept with the evidence
    #[arg(long, value_name = "FILE")]
    attach: Option<PathBuf>,
}

fn word(text: &str) -> Result<Word, String> {
    Word::read(text).ok_or_else(|| "write go, no-go, done or not-done".to_owned())
}

/// What `approve` is told.
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The run; `latest` for the newest
    #[arg(value_name = "RUN")]
    run: String,
    /// The question, by its name or its step
    #[arg(value_name = "STEP", default_value = "approval")]
    step: String,
    /// The signature, as `ssh-keygen -Y sign` writes it; `status` tells what is to be signed
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// In your own words
    #[arg(long, default_value = "")]
    note: String,
}

/// What `resume` is told.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// A step that had been begun was done: you have looked
    #[arg(long, value_name = "STEP")]
    done: Vec<String>,
    /// A step that had been begun is to be done again
    #[arg(long, value_name = "STEP")]
    again: Vec<String>,
    /// The file has changed since: go on with the plan as it was begun
    #[arg(long)]
    as_begun: bool,
    /// Print every line of the journal as it is written, one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Does what the command line says.
pub(super) fn run(it: &Drill, state: &StateFolder) -> Exit {
    match it {
        Drill::Play(it) => play::run(it, RunKind::Drill, state),
        Drill::Decide(it) => decide(it, state),
        Drill::Approve(it) => approve(it, state),
        Drill::Resume(it) => resume(it, state),
    }
}

fn decide(it: &DecideArgs, state: &StateFolder) -> Exit {
    // So long ago is before it was said, and not before it was heard.
    let said_us = LinuxClock.now_us();
    let (mut attached, mut bytes) = (None, Vec::new());
    if let Some(path) = &it.attach {
        match attachment(path) {
            Ok(read) => bytes = read,
            Err(exit) => return exit,
        }
        attached = path.file_name().map(|it| it.to_string_lossy().into_owned());
    }
    let (step, note, on_behalf) = (it.step.clone(), it.note.clone(), it.on_behalf.clone());
    let between = it.from.zip(it.to).map(|(from, to)| Claim { from, to }.attested(said_us));
    let between = match between.transpose() {
        Ok(it) => it,
        Err(why) => {
            show::error(why, claim::HELP);
            return Exit::Usage;
        }
    };
    let word = it.word;
    let handed = Handed { step, word, on_behalf, note, between, attached, signature: None };
    hand_in(&it.run, &handed, &bytes, state)
}

fn attachment(path: &Path) -> Result<Vec<u8>, Exit> {
    let shown = path.display();
    let bytes = args::read(path).map_err(|why| {
        show::error(format!("could not read {shown}: {why}"), "name a file that you may read");
        Exit::Usage
    })?;
    // What is handed in has a head of its own.
    if u64::try_from(bytes.len()).is_ok_and(|it| it < HANDED_MAX - (1 << 20)) {
        return Ok(bytes);
    }
    show::error(format!("{shown} is too long: at most 15 MiB are kept"), "attach an extract");
    Err(Exit::Usage)
}

fn approve(it: &ApproveArgs, state: &StateFolder) -> Exit {
    let read = args::read(&it.signature).map_err(|why| why.to_string());
    let text = read.and_then(|it| String::from_utf8(it).map_err(|_| "it is no text".to_owned()));
    let signature = match text {
        Ok(it) => Some(it),
        Err(why) => {
            let path = it.signature.display();
            show::error(format!("could not read {path}: {why}"), "name a signature's file");
            return Exit::Usage;
        }
    };
    let (step, note, word) = (it.step.clone(), it.note.clone(), Word::Approved);
    let (on_behalf, between, attached) = (None, None, None);
    let handed = Handed { step, word, on_behalf, note, between, attached, signature };
    hand_in(&it.run, &handed, &[], state)
}

/// Hands an answer in where the run hears it.
fn hand_in(run: &str, handed: &Handed, attached: &[u8], state: &StateFolder) -> Exit {
    // Whoever may answer need not be one who may read the run's folder.
    let newest = || state.newest_run().filter(|_| run == "latest");
    let run = newest().unwrap_or_else(|| run.to_owned());
    if run.contains('/') || run.starts_with('.') {
        show::error(format!("`{run}` is no run"), "`drill list` tells which runs there are");
        return Exit::Usage;
    }
    let mut bytes = serde_json::to_vec(handed).expect("an answer is plain data");
    bytes.push(b'\n');
    bytes.extend_from_slice(attached);
    let said = match inbox::hand_in(state.root(), &run, &bytes) {
        Ok(it) => it,
        Err(NotHeard::Nobody) => {
            let help = "it has ended, waits to be resumed, or asks nothing: see `drill status`";
            show::error(format!("the run `{run}` hears no answers"), help);
            return Exit::Usage;
        }
        Err(NotHeard::Host(why)) => {
            show::error(why, "answer again: an answer that was taken is not taken twice");
            return Exit::Refused;
        }
    };
    match serde_json::from_slice::<Reply>(&said) {
        Ok(Reply { taken: true, said }) => {
            show::line(said);
            Exit::Pass
        }
        Ok(Reply { taken: false, said }) => {
            show::error(said, "`drill status` tells what is asked");
            Exit::Refused
        }
        Err(_) => {
            show::error("the run did not reply", "see `drill status`, and answer again");
            Exit::Refused
        }
    }
}

fn resume(it: &ResumeArgs, state: &StateFolder) -> Exit {
    let (run, entries) = match entries(&it.run, state) {
        Ok(it) => it,
        Err(why) => {
            show::error(why, "`drill list` tells which runs there are");
            return Exit::Usage;
        }
    };
    let no = |why: &str, help: &str| {
        show::error(format!("{run} cannot go on: {why}"), help);
        Exit::Refused
    };
    let Some(began) = fold::began(&entries) else {
        return no("nothing was begun", "type `holdfast recover`");
    };
    if began.kind != RunKind::Drill {
        return no("it is a scenario, and those are not resumed", "play it again");
    }
    if fold::ended(&entries) {
        return no("it has ended", "play the drill again");
    }
    let script = match script(began) {
        Ok(it) => it,
        Err(exit) => return exit,
    };
    let changed = args::read(Path::new(&began.file)).ok();
    if changed.is_some_and(|it| it != began.manifest.as_bytes()) && !it.as_begun {
        let why = format!("{} has changed since it began", began.file);
        return no(&why, "put the file back, or say --as-begun to go on with the plan as it was");
    }
    let rules = match host_file::rules(state) {
        Ok(it) => it,
        Err(exit) => return exit,
    };
    if let Err(why) = consent::stands(began, &rules) {
        return no(&why, "somebody else must resume it");
    }
    let said = it.done.iter().map(|it| (it.clone(), How::Done));
    let said: Vec<_> = said.chain(it.again.iter().map(|it| (it.clone(), How::Again))).collect();
    let order = Order {
        script: &script,
        file: (&began.file, &began.manifest),
        seed: Some(began.seed),
        state,
        program: args::program(),
        approvals: began.approvals.clone(),
        rehearse: began.course.as_ref().is_some_and(|it| it.rehearsed),
        lines: show::answers,
    };
    let audience = if it.json { play::Audience::Machines } else { play::Audience::People };
    let going = Going { run: &run, order, said: &said };
    play::playing(
        (state, &run),
        &rules,
        (&Stop::default(), audience),
        async |world, kit, stop, ears| resume::resume(&going, (world, kit), stop, ears).await,
    )
    .1
}

/// A run's id and its journal.
fn entries(named: &str, state: &StateFolder) -> Result<(String, Vec<Entry>), String> {
    let dir = report::find(named, state.root()).map_err(|why| format!("could not {why}"))?;
    let run = dir.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let journal = folder::journal(&dir).map_err(|why| format!("could not {why}"))?;
    let lines = chain::read(&journal.unwrap_or_default());
    let lines = lines.map_err(|why| format!("the journal cannot be believed: {why}"))?;
    Ok((run, lines.entries))
}

/// The script, as the journal has it.
fn script(began: &Began) -> Result<Script, Exit> {
    let source = Source::new(began.file.clone(), began.manifest.clone().into_bytes());
    let mut complaints = Vec::new();
    // Variables are as they were; secrets are read again from where they are.
    let known = (&began.vars, &Around::All as &dyn Outside);
    let script = read::script_from(&source, known, &registry::kinds(), &mut complaints);
    script.ok_or_else(|| {
        show::talk(render(&source, &complaints, show::coloured()));
        show::error("this version does not read the plan that was begun", "use the one that did");
        Exit::Refused
    })
}
