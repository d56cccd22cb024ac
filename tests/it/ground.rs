//! Where the real thing is played: a state folder of its own, victims of its own, the real binary.
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use holdfast::journal::{
    chain::{self, Lines},
    entry::Fact,
    fold,
};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// How long a victim sleeps if nobody ends it.
const LONG_S: u32 = 7_200;
static GROUNDS: AtomicU32 = AtomicU32::new(0);

/// A folder and victims that nobody else has; both go when it does.
pub(crate) struct Ground {
    folder: TempDir,
    victims: Vec<Child>,
    tag: String,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl From<Output> for Done {
    fn from(it: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: it.status.code(), out: text(it.stdout), err: text(it.stderr) }
    }
}

impl Ground {
    /// Sets `victims` processes asleep.
    pub(crate) fn new(victims: usize) -> Self {
        let n = GROUNDS.fetch_add(1, Ordering::Relaxed);
        // Seconds with a fraction that no other ground has: its command line is the target.
        let tag = format!("{LONG_S}.{}{n:04}", std::process::id());
        let victim = |_| quiet(Command::new("sleep").arg(&tag)).spawn().expect("sleep starts");
        let victims = (0..victims).map(victim).collect();
        let it = Self { folder: tempfile::tempdir().expect("a folder"), victims, tag };
        // Until it has replaced the image of this process, a victim cannot be found by its name.
        let found =
            || it.pids().iter().all(|pid| args(*pid).first().is_some_and(|it| it == "sleep"));
        assert!(within(Duration::from_secs(10), found), "the victims sleep");
        it
    }

    /// Starts another victim, and tells its number; it goes when the ground does.
    pub(crate) fn victim(&mut self, program: &str, args: &[&str]) -> u32 {
        let it = quiet(Command::new(program).args(args)).spawn().expect("it starts");
        let pid = it.id();
        self.victims.push(it);
        pid
    }

    /// How the newest victim ended.
    pub(crate) fn end_of_victim(&mut self) -> std::process::ExitStatus {
        let mut it = self.victims.pop().expect("a victim");
        it.wait().expect("a child can be waited for")
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The state folder in it.
    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// What only the victims' command lines hold.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// The victims' numbers.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.victims.iter().map(Child::id).collect()
    }

    /// Writes a file; `TAG` in it stands for the victims' tag, `GROUND` for the folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        let folder = self.path().display().to_string();
        fs::write(&path, text.replace("TAG", &self.tag).replace("GROUND", &folder))
            .expect("a file");
        path
    }

    /// The binary, on this state folder, with nothing of the tests' own environment that matters.
    /// Nobody is here to be asked whether a run may be played: yes.
    pub(crate) fn holdfast(&self, args: &[&str]) -> Command {
        let mut it = self.unasked(args);
        if let ["chaos" | "drill", "run", ..] = args {
            it.arg("--yes");
        }
        it
    }

    /// The same, and nothing is said to what is asked.
    pub(crate) fn unasked(&self, args: &[&str]) -> Command {
        let mut it = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        it.arg("--state").arg(self.state()).args(args).current_dir(self.path());
        it.env_remove("HOLDFAST_STATE").env_remove("RUST_LOG").env_remove("NO_COLOR");
        it.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        it
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.holdfast(args).output().expect("it starts").into()
    }

    /// Plays a scenario file, and leaves it playing.
    pub(crate) fn play(&self, file: &Path) -> Child {
        let file = file.display().to_string();
        quiet(&mut self.holdfast(&["chaos", "run", &file])).spawn().expect("it starts")
    }

    /// Which victims are stopped, by a signal or by tracing.
    pub(crate) fn stopped(&self) -> Vec<bool> {
        self.pids().into_iter().map(|it| matches!(state(it), Some('T' | 't'))).collect()
    }

    /// No victim is stopped.
    pub(crate) fn is_healed(&self) -> bool {
        self.stopped().iter().all(|it| !it)
    }

    /// Every run's journal.
    pub(crate) fn journals(&self) -> Vec<(String, Vec<u8>)> {
        let Ok(runs) = fs::read_dir(self.state().join("runs")) else { return Vec::new() };
        runs.flatten()
            .filter_map(|it| {
                let bytes = fs::read(it.path().join("journal.jsonl")).ok()?;
                Some((it.file_name().to_string_lossy().into_owned(), bytes))
            })
            .collect()
    }

    /// The only run and its journal.
    pub(crate) fn journal(&self) -> (String, Lines) {
        let all = self.journals();
        let [(run, bytes)] = &all[..] else { panic!("{} runs", all.len()) };
        (run.clone(), chain::read(bytes).expect("a journal that can be believed"))
    }

    /// A fact of the only run, and it is so by now.
    pub(crate) fn has(&self, is: impl Fn(&Fact) -> bool) -> bool {
        let all = self.journals();
        let lines = all.first().and_then(|it| chain::read(&it.1).ok());
        lines.is_some_and(|it| it.entries.iter().any(|it| is(&it.fact)))
    }

    /// Runs that have not ended.
    pub(crate) fn open(&self) -> usize {
        fs::read_dir(self.state().join("open")).map_or(0, Iterator::count)
    }

    /// Processes that work for this folder's runs: guardians, and held children.
    pub(crate) fn helpers(&self) -> Vec<u32> {
        let runs: Vec<String> = self.journals().into_iter().map(|it| it.0).collect();
        let state = self.state().display().to_string();
        let helps = |args: &[String]| match args.first().map(String::as_str) {
            Some("holdfast-guard") => args.contains(&state),
            Some("holdfast-hold") => {
                args.iter().any(|it| runs.iter().any(|run| it.starts_with(run)))
            }
            _ => false,
        };
        processes().into_iter().filter(|it| helps(&args(*it))).collect()
    }

    /// The guardian's number.
    pub(crate) fn guardian(&self) -> Option<u32> {
        self.helpers()
            .into_iter()
            .find(|it| args(*it).first().is_some_and(|it| it == "holdfast-guard"))
    }

    /// Holds what every story must come to against what is there.
    pub(crate) fn assert_settled(&self, story: &str) {
        assert!(self.is_healed(), "{story}: victims are stopped: {:?}", self.stopped());
        assert_eq!(self.helpers(), Vec::<u32>::new(), "{story}: somebody of ours lives");
        assert_eq!(self.open(), 0, "{story}: a run is open");
        for (run, bytes) in self.journals() {
            let lines = chain::read(&bytes).unwrap_or_else(|why| panic!("{story}: {why}"));
            if fold::began(&lines.entries).is_none() {
                assert!(fold::outstanding(&lines.entries).is_empty(), "{story}");
                continue;
            }
            assert!(fold::ended(&lines.entries), "{story}: {run} has no last word");
            assert_eq!(fold::outstanding(&lines.entries), [], "{story}: {run}");
            let done = self.run(&["verify", &run]);
            assert_eq!(done.code, Some(0), "{story}: {run} is sealed: {done:?}");
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for it in &mut self.victims {
            if it.try_wait().is_ok_and(|it| it.is_none()) {
                it.kill().expect("a victim of ours can be ended");
                it.wait().expect("a child can be waited for");
            }
        }
    }
}

/// A command that says nothing, so that no pipe fills.
pub(crate) fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Waits until it is so, at most `limit`.
pub(crate) fn within(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if so() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal; a process that is gone is no error.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a number")).expect("not 0");
    match rustix::process::kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(why) => panic!("{why}"),
    }
}

/// The state letter of a process; none if it is gone.
pub(crate) fn state(pid: u32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// The command line of a process; empty if it is gone or dead.
pub(crate) fn args(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Every process.
pub(crate) fn processes() -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect()
}

/// Processor time of a process in clock ticks.
pub(crate) fn ticks(pid: u32) -> u64 {
    ticks_of(Path::new(&format!("/proc/{pid}")))
}

/// The same, of a process or a thread by its folder in `/proc`.
pub(crate) fn ticks_of(task: &Path) -> u64 {
    let text = fs::read_to_string(task.join("stat")).unwrap_or_default();
    let fields: Vec<&str> = text.rsplit_once(") ").map_or("", |it| it.1).split(' ').collect();
    [11, 12].iter().filter_map(|it| fields.get(*it)?.parse::<u64>().ok()).sum()
}

/// Waits for a child at most `limit`, and kills it then: a test must end.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Option<i32> {
    let ended = within(limit, || child.try_wait().expect("a child of ours").is_some());
    if !ended {
        child.kill().expect("a child of ours");
    }
    let status = child.wait().expect("a child of ours");
    assert!(ended, "it did not end within {limit:?}");
    status.code()
}

/// What is run and how it went, for golden files: names of this ground only are taken out.
pub(crate) fn told(ground: &Ground, command: &str, done: &Done) -> String {
    let mut text = String::new();
    let plain = |it: &str| {
        let it = it.replace(&ground.path().display().to_string(), "GROUND");
        it.replace(ground.tag(), "TAG")
    };
    writeln!(text, "$ holdfast {}", plain(command)).expect("a String takes it");
    write!(text, "{}{}", plain(&done.out), plain(&done.err)).expect("a String takes it");
    writeln!(text, "exit {:?}\n", done.code).expect("a String takes it");
    text
}
