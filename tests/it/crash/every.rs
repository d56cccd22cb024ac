//! Every kind of fault that this machine allows, and every way to end its runner.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    net::TcpListener,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Child,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use holdfast::{
    journal::entry::Fact,
    world::{
        dice::Dice,
        linux::net::LinuxNet,
        net::{Net as _, Wait},
    },
};
use rustix::process::Signal;

use super::{
    Instants, LEASE, PATIENCE,
    cases::{CASES, Case, OF_A_NETWORK, VICTIMS},
    dice,
    docker::Docker,
    instants,
    starved::{Promise, Reference},
    table,
};
use crate::{
    beside::{in_machine, is_machine},
    chaos::web::Echo,
    ground::{Ground, args, processes, send, wait, within},
    net::bench::alone,
};

/// What the kernel holds is gone so soon after the runner's death on an idle machine, and what the
/// guardian holds; a busy one is allowed what a reference was kept waiting meanwhile.
const KERNEL_MAX: Duration = Duration::from_millis(250);
pub(super) const GUARDIAN_MAX: Duration = Duration::from_secs(1);

/// One ground on which one of them is played.
pub(super) struct Scene {
    pub(super) ground: Ground,
    docker: Docker,
    web: Echo,
    /// The port that is to be occupied. Any other may be taken by anybody, any time.
    occupied: Option<u16>,
    file: std::path::PathBuf,
    kind: &'static str,
    before: Seen,
}

/// What others see of a machine: all that a fault here could change.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    files: BTreeMap<String, (u64, u32, i64, Vec<u8>)>,
    sleepers: usize,
    stopped: usize,
    limits: BTreeSet<String>,
    groups: BTreeSet<String>,
    containers: String,
    lever: String,
    port_is_free: bool,
    tables: Vec<String>,
    queues: Vec<String>,
}

impl Scene {
    pub(super) fn new(case: &Case) -> Self {
        // What is started again by a lock that it holds is started once, whoever asks how often.
        let ground = Ground::new(if case.kind == "process_restart" { 1 } else { 2 });
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let docker = Docker::start(&ground.path().join("docker.sock"));
        ground.file("limits.conf", "limit = 7\n");
        ground.file(
            "start",
            "exec 9<GROUND/limits.conf; flock -n 9 || exit 0; sleep TAG >/dev/null 2>&1 </dev/null &\n",
        );
        let web = Echo::start();
        let settings = case.settings.replace("VICTIMS", VICTIMS).replace("PORT", &port.to_string());
        let settings = settings.replace("WEB", &web.address.to_string());
        fs::create_dir_all(ground.state()).expect("a folder");
        fs::write(ground.state().join("host.yml"), "allow: [syscall_fault]\n").expect("a file");
        let text = format!("title: x\nmethod:\n  - {}: {settings}\n    for: 5m\n", case.kind);
        let file = ground.file("every.yaml", &text);
        let occupied = (case.kind == "port_occupy").then_some(port);
        let before = seen(&ground, (&docker, &web), occupied);
        Self { ground, docker, web, occupied, file, kind: case.kind, before }
    }

    /// Why the program would not play it here; none if it would.
    pub(super) fn refused(&self) -> Option<String> {
        let path = self.file.display().to_string();
        let done = self.ground.run(&["chaos", "run", "--dry-run", &path]);
        let said = format!("{}{}", done.out, done.err);
        assert_ne!(done.code, Some(2), "a file of ours is in order: {said}");
        let why = said.lines().rfind(|it| it.contains(self.kind)).unwrap_or(&said).trim();
        (done.code != Some(0)).then(|| why.to_owned())
    }

    /// Something of it stands, for others to see.
    fn stands(&self) -> bool {
        self.holds() || !self.is_as_before()
    }

    fn holds(&self) -> bool {
        self.ground.helpers().into_iter().any(|it| Some(it) != self.ground.guardian())
    }

    fn is_as_before(&self) -> bool {
        self.seen() == self.before
    }

    fn seen(&self) -> Seen {
        seen(&self.ground, (&self.docker, &self.web), self.occupied)
    }

    fn is_healed(&self) -> bool {
        !self.holds() && self.is_as_before()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Those that a restart started are nobody's children.
        for pid in sleepers(&self.ground) {
            if !self.ground.pids().contains(&pid) {
                send(pid, Signal::KILL);
            }
        }
    }
}

fn sleepers(ground: &Ground) -> Vec<u32> {
    let is = |it: &u32| args(*it) == ["sleep", ground.tag()];
    processes().into_iter().filter(is).collect()
}

fn seen(ground: &Ground, (docker, web): (&Docker, &Echo), port: Option<u16>) -> Seen {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(ground.path()).expect("a folder").flatten() {
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        // What has gone since it was listed was there, which is all that is asked.
        let Ok(it) = entry.metadata() else { continue };
        if it.is_file() && name != "every.yaml" {
            let bytes = fs::read(&path).unwrap_or_default();
            files.insert(name, (it.ino(), it.mode(), it.mtime(), bytes));
        }
    }
    let runs: Vec<String> = ground.journals().into_iter().map(|it| it.0).collect();
    let (mut tables, mut queues) = (LinuxNet.tables().unwrap_or_default(), LinuxNet.queues());
    tables.retain(|it| runs.iter().any(|run| it.contains(run)));
    if let Ok(all) = &mut queues {
        let ours = format!(" {:x}:", Wait::MAJOR);
        all.retain(|it| it.contains(&ours) || it.starts_with("hf"));
    }
    let pids = sleepers(ground);
    let lines = |file: &str, part: &str| {
        let of = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let fits = |it: &&str| it.contains(part);
        pids.iter()
            .flat_map(|pid| of(pid).lines().filter(fits).map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    Seen {
        files,
        sleepers: pids.len(),
        stopped: ground.stopped().into_iter().filter(|it| *it).count(),
        limits: lines("limits", "Max open files"),
        groups: lines("cgroup", ":"),
        containers: docker.state(),
        lever: web.lever(),
        port_is_free: port.is_none_or(|it| TcpListener::bind(("127.0.0.1", it)).is_ok()),
        tables,
        queues: queues.unwrap_or_default(),
    }
}

/// No group of a run's is left anywhere.
fn no_groups(root: &Path, run: &str) -> bool {
    let Ok(inside) = fs::read_dir(root) else { return true };
    inside
        .flatten()
        .filter(|it| it.file_type().is_ok_and(|it| it.is_dir()))
        .all(|it| !it.file_name().to_string_lossy().contains(run) && no_groups(&it.path(), run))
}

/// How a runner ends.
struct Death {
    case: &'static Case,
    at: Option<Instants>,
    signal: Signal,
}

impl Death {
    /// Until its instant, or until it stands and is seen from outside.
    fn wait(&self, scene: &Scene, runner: &mut Child) {
        if let Some(at) = self.at {
            return at.wait(&scene.ground, runner);
        }
        let kind = self.case.kind;
        let ready = || scene.ground.has(|it| matches!(it, Fact::Effect { .. }));
        let over = || scene.ground.has(|it| matches!(it, Fact::Failed { .. }));
        assert!(within(PATIENCE, || ready() || over()), "{kind}: it acts");
        // A restart is over at once.
        let seen = || kind == "process_restart" || scene.stands() || over();
        assert!(within(PATIENCE, seen), "{kind} is not seen");
    }

    /// Plays it out; tells how long healing took, if it stood.
    fn die(&self, reference: &Reference) -> Option<Duration> {
        let scene = Scene::new(self.case);
        let mut runner = scene.ground.play(&scene.file);
        self.wait(&scene, &mut runner);
        let story = format!("{} {:?} {:?}", self.case.kind, self.signal, self.at);
        send(runner.id(), self.signal);
        let death = Instant::now();
        let took = self.promise().hold((death, reference), &story, || scene.is_healed());
        let over = || runner.try_wait().expect("a child of ours").is_some();
        if self.signal == Signal::STOP && !within(LEASE * 3, over) {
            // It hangs before it has a guardian to fence it, and so before it has begun anything.
            let begun = scene.ground.has(|it| matches!(it, Fact::Intent(_)));
            assert!(!begun, "{story}: nobody fences it");
            send(runner.id(), Signal::KILL);
        }
        wait(&mut runner, PATIENCE);
        assert!(within(PATIENCE, || scene.ground.helpers().is_empty()), "{story}: somebody lives");
        if scene.ground.open() > 0 {
            let done = scene.ground.run(&["recover"]);
            assert_eq!(done.code, Some(0), "{story}: {done:?}");
        }
        scene.ground.assert_settled(&story);
        let stays = within(PATIENCE, || scene.is_healed());
        assert!(stays, "{story}: {:?}", scene.seen());
        for (run, _) in scene.ground.journals() {
            assert!(no_groups(Path::new("/sys/fs/cgroup"), &run), "{story}: a group is left");
        }
        let failed = scene.ground.has(|it| matches!(it, Fact::Failed { .. }));
        (self.at.is_none() && !failed).then_some(took)
    }

    /// What is promised of it.
    fn promise(&self) -> Promise {
        let (lease, limit) = match (self.signal, self.case.who) {
            // A processor that is emulated keeps no promise of time; that it is healed is held.
            _ if is_machine() => (Duration::ZERO, PATIENCE),
            (Signal::STOP, _) => (LEASE, GUARDIAN_MAX),
            (_, "kernel") => (Duration::ZERO, KERNEL_MAX),
            (_, _) => (Duration::ZERO, GUARDIAN_MAX),
        };
        Promise { lease, limit }
    }
}

/// Any of them, at any instant, by any signal.
fn random(n: u64, of: &[&'static Case], dice: &mut Dice) -> Death {
    const SIGNALS: [Signal; 5] =
        [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::STOP];
    let number = |it: u64| usize::try_from(it).expect("it is small");
    Death {
        case: of.get(number(n) % of.len()).expect("one of them"),
        at: Some(match n % 2 {
            0 => Instants::AfterStart(Duration::from_millis(dice.below(600))),
            _ => Instants::AfterFact(dice.below(5), Duration::from_micros(dice.below(3_000))),
        }),
        signal: *SIGNALS.get(number(dice.below(5))).expect("one of them"),
    }
}

type Told = BTreeMap<&'static str, table::Healing>;

/// Plays so many of these out, so many at a time, and each once when it stands; adds what healing
/// took.
fn all_die(
    (cases, mut told): (&[&'static Case], Told),
    (total, at_a_time): (u64, u32),
    dice: &mut Dice,
) -> Told {
    let rest = total.saturating_sub(u64::try_from(cases.len()).expect("a few"));
    let mut deaths: Vec<Death> = (0..rest).map(|n| random(n, cases, dice)).collect();
    deaths.extend(cases.iter().map(|case| Death { case, at: None, signal: Signal::KILL }));
    let (queue, took) = (Mutex::new(deaths), Mutex::new(Told::new()));
    Reference::beside(|reference| {
        thread::scope(|scope| {
            for _ in 0..at_a_time {
                scope.spawn(|| {
                    while let Some(it) = { queue.lock().expect("no panic").pop() } {
                        let Some(time) = it.die(reference) else { continue };
                        let mut took = took.lock().expect("no panic");
                        took.insert(it.case.kind, table::Healing::Took(time));
                    }
                });
            }
        });
    });
    told.extend(took.into_inner().expect("no panic"));
    told
}

/// Those of these faults that this machine allows, and what is told of the others.
fn allowed(cases: &'static [Case]) -> (Vec<&'static Case>, Told) {
    let (mut allowed, mut told) = (Vec::new(), Told::new());
    for case in cases {
        match Scene::new(case).refused() {
            None => allowed.push(case),
            Some(why) => {
                println!("{} is not allowed here: {why}", case.kind);
                told.insert(case.kind, table::Healing::NotHere);
            }
        }
    }
    assert!(allowed.len() * 3 > cases.len(), "only {} kinds are allowed", allowed.len());
    (allowed, told)
}

/// Prints a table of them, and keeps it if that was asked for.
fn tell(cases: &[Case], told: &Told) {
    let mut text = String::new();
    for line in table::lines(cases, told) {
        writeln!(text, "{line}").expect("a String takes it");
    }
    println!("{text}");
    table::bless(&text);
}

/// How many deaths; a soak has more.
fn deaths(few: u64, many: u64) -> u64 {
    if instants(1) > 1 { many } else { few }
}

#[test]
fn every_fault_that_this_machine_allows_goes_with_its_runner_at_any_instant() {
    let (cases, told) = allowed(CASES);
    tell(CASES, &all_die((&cases, told), (deaths(40, 300), 4), &mut dice("every")));
}

#[test]
fn every_fault_of_a_network_goes_with_its_runner_at_any_instant() {
    const TEST: &str = "crash::every::every_fault_of_a_network_goes_with_its_runner_at_any_instant";
    alone(TEST, || {
        let (cases, told) = allowed(OF_A_NETWORK);
        // One at a time: all of them see the same network.
        let total = deaths(15, 100);
        tell(OF_A_NETWORK, &all_die((&cases, told), (total, 1), &mut dice("network")));
    });
}

/// What the groups that this process lives below pass on to those below them.
fn passed_on() -> Vec<String> {
    let own = fs::read_to_string("/proc/self/cgroup").expect("it is in one");
    let own = own.trim().strip_prefix("0::/").expect("version 2");
    let group = Path::new("/sys/fs/cgroup").join(own);
    let above = group.ancestors().take_while(|it| *it != Path::new("/sys/fs"));
    above.map(|it| fs::read_to_string(it.join("cgroup.subtree_control")).expect("one")).collect()
}

#[test]
fn in_groups_of_version_2_every_fault_goes_with_its_runner() {
    if !in_machine("control groups of version 2, with every controller") {
        return;
    }
    let kinds = ["cpu_throttle", "io_throttle", "memory_limit"];
    let cases: Vec<_> = CASES.iter().filter(|it| kinds.contains(&it.kind)).collect();
    for it in &cases {
        assert_eq!(Scene::new(it).refused(), None);
    }
    let told = all_die((&cases, Told::new()), (15, 4), &mut dice("version 2"));
    for line in table::lines(CASES, &told).iter().filter(|it| kinds.iter().any(|k| it.contains(k)))
    {
        println!("{line}");
    }
    // Tests beside this one have faults in the same groups, now and then.
    let as_before = || passed_on() == ["", "memory pids\n", "cpu io memory pids\n"];
    assert!(within(PATIENCE, as_before), "groups pass on what they passed on: {:?}", passed_on());
}
