//! A simulated machine that counts effects and can lose its power at any of them.

mod fabric;
mod groups;
mod peers;
mod wires;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::world::{
    World,
    clock::{Clock, Stamp},
    files::{File, FileState, Opened},
    host::{Finished, HOLD, Host, HostError, Process, ProcessId, Sent, Signal, Told},
    net::Connection,
    rules::Rules,
    secrets::Secrets,
    store::{Care, Store},
    web::{Answer, Ask, Method, Web, WebError},
};

/// The state of a simulated machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Machine {
    /// Processes that are not ours.
    pub processes: BTreeMap<ProcessId, Process>,
    /// Children of ours, and the marks that they bear.
    pub held: BTreeMap<ProcessId, String>,
    /// Who listens on which port.
    pub listening: BTreeMap<u16, ProcessId>,
    /// Control groups of processes.
    pub cgroups: BTreeMap<ProcessId, String>,
    /// Owners of processes; who is not here is root.
    pub users: BTreeMap<ProcessId, u32>,
    /// Files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Permissions of files that have others than usual.
    pub modes: BTreeMap<String, u32>,
    /// Folders that were made.
    pub folders: BTreeSet<String>,
    /// The group of each process that was moved to one, by the kind of group and its number.
    pub members: BTreeMap<(String, u32), String>,
    /// Which group passes which controller on, where control groups are of version 2.
    pub passed: Option<BTreeSet<(String, String)>>,
    /// How many descriptors a process may open, where it is not the usual number.
    pub limits: BTreeMap<ProcessId, u64>,
    /// Services, and their processes as they are when they run: started again, one is as it was.
    pub services: BTreeMap<String, Vec<Process>>,
    /// Containers: whether each runs, and is paused.
    pub containers: BTreeMap<String, (bool, bool)>,
    /// What services say, by address; a request that changes something changes this.
    pub web: BTreeMap<String, String>,
    /// TCP connections.
    pub connections: BTreeSet<Connection>,
    /// Queues in which packets wait, by their class.
    pub waits: BTreeSet<u16>,
    /// Commands that were run.
    pub commands: Vec<Vec<String>>,
    /// The run's journal. Not a part of the world that a run must restore.
    pub journal: Vec<u8>,
}

impl Machine {
    /// The machine after `run`'s process died: what the kernel held for it is gone.
    #[must_use]
    pub fn after_death(&self, run: &str) -> Self {
        let mut it = self.clone();
        it.held.retain(|_, mark| mark.split('/').next() != Some(run));
        it
    }

    /// The machine as others see it.
    #[must_use]
    pub fn without_journal(&self) -> Self {
        Self { journal: Vec::new(), ..self.clone() }
    }
}

/// When the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Never.
    Never,
    /// As effect `n` begins: it does not happen.
    Before(u32),
    /// Within effect `n`: a line is half written, anything else did not happen.
    Within(u32),
    /// As effect `n` ends: it happened, and nobody was told.
    After(u32),
}

/// The machine, shared by everything that looks at it.
#[derive(Debug, Clone)]
pub struct Sim {
    state: Arc<Mutex<(Machine, u32)>>,
    cut: Cut,
}

/// The boot of every simulated machine.
pub const BOOT: &str = "simulated";

/// A process of a simulated machine.
pub fn process(pid: u32, name: &str) -> Process {
    Process {
        id: ProcessId { pid, started: u64::from(pid) * 10, boot: BOOT.to_owned() },
        name: name.to_owned(),
        args: vec![name.to_owned()],
        stopped: false,
    }
}

impl Sim {
    /// A machine that loses power at `cut`.
    pub fn new(machine: Machine, cut: Cut) -> Self {
        Self { state: Arc::new(Mutex::new((machine, 0))), cut }
    }

    /// The machine as it stands.
    pub fn machine(&self) -> Machine {
        self.lock().0.clone()
    }

    /// How many effects were tried.
    pub fn effects(&self) -> u32 {
        self.lock().1
    }

    /// A world on this machine, and its journal's store.
    pub fn world(&self) -> World {
        World {
            host: Arc::new(self.clone()),
            net: Arc::new(self.clone()),
            web: Arc::new(self.clone()),
            dial: Arc::new(self.clone()),
            wire: Arc::new(self.clone()),
            clock: Arc::new(SimClock),
            mark: String::new(),
            // Nobody depends on a simulated machine: what must be allowed is.
            rules: Arc::new(Rules { allow: vec!["syscall_fault".to_owned()], ..Rules::default() }),
            act: 0,
            bounds: Arc::default(),
            secrets: Arc::default(),
            run_folder: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Machine, u32)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn effect<T>(&self, act: impl FnOnce(&mut Machine, bool) -> T) -> Result<T, HostError> {
        let mut state = self.lock();
        let n = state.1;
        state.1 += 1;
        let halfway = self.cut == Cut::Within(n);
        match self.cut {
            Cut::Before(k) if n >= k => return Err(HostError::PowerCut),
            Cut::Within(k) | Cut::After(k) if n > k => return Err(HostError::PowerCut),
            Cut::Never | Cut::Before(_) | Cut::Within(_) | Cut::After(_) => {}
        }
        let done = act(&mut state.0, halfway);
        let told = !halfway && self.cut != Cut::After(n);
        if told { Ok(done) } else { Err(HostError::PowerCut) }
    }

    /// Docker's side of a request.
    fn docker(&self, path: &str, method: Method) -> Result<Answer, WebError> {
        let cut = |why: HostError| WebError::NoAnswer(why.to_string());
        let answer = match method {
            Method::Get | Method::Head => fabric::docker(&mut self.machine(), path),
            Method::Post | Method::Put | Method::Delete => {
                self.whole(|machine| fabric::docker(machine, path)).map_err(cut)?
            }
        };
        let (status, body) = answer.unwrap_or((404, String::new()));
        Ok(Answer { status, body: body.into_bytes() })
    }

    /// An effect that happens wholly or not at all.
    fn whole<T: Default>(&self, act: impl FnOnce(&mut Machine) -> T) -> Result<T, HostError> {
        self.effect(|machine, halfway| if halfway { T::default() } else { act(machine) })
    }
}

impl Host for Sim {
    fn boot(&self) -> String {
        BOOT.to_owned()
    }

    fn processes(&self) -> Result<Vec<Process>, HostError> {
        let state = self.lock();
        let ours = state.0.held.iter().map(|(id, mark)| Process {
            id: id.clone(),
            name: HOLD.to_owned(),
            args: vec![HOLD.to_owned(), "--mark".to_owned(), mark.clone()],
            stopped: false,
        });
        Ok(state.0.processes.values().cloned().chain(ours).collect())
    }

    fn process(&self, who: &ProcessId) -> Result<Option<Process>, HostError> {
        Ok(self.processes()?.into_iter().find(|it| it.id == *who))
    }

    fn by_number(&self, pid: u32) -> Result<Option<Process>, HostError> {
        Ok(self.processes()?.into_iter().find(|it| it.id.pid == pid))
    }

    fn protected(&self) -> Vec<u32> {
        vec![1]
    }

    fn listeners(&self, port: u16) -> Result<Vec<u32>, HostError> {
        Ok(self.lock().0.listening.get(&port).map(|it| it.pid).into_iter().collect())
    }

    fn cgroups(&self, pid: u32) -> Result<Vec<String>, HostError> {
        let state = self.lock();
        let of = state.0.cgroups.iter().filter(|it| it.0.pid == pid);
        Ok(of.map(|it| it.1.clone()).collect())
    }

    fn user(&self, pid: u32) -> Result<Option<u32>, HostError> {
        let Some(it) = self.by_number(pid)? else { return Ok(None) };
        Ok(Some(self.lock().0.users.get(&it.id).copied().unwrap_or(0)))
    }

    fn signal(&self, who: &ProcessId, signal: Signal) -> Result<Sent, HostError> {
        let gone = self.process(who)?.is_none();
        self.whole(|machine| match signal {
            Signal::Kill | Signal::Term | Signal::Int => {
                fabric::end(machine, who);
                machine.held.remove(who);
            }
            Signal::Stop | Signal::Cont => {
                if let Some(it) = machine.processes.get_mut(who) {
                    it.stopped = signal == Signal::Stop;
                }
            }
        })?;
        Ok(if gone { Sent::Gone } else { Sent::Delivered })
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        let machine = &self.lock().0;
        let told = || fabric::told(machine, path).map(String::into_bytes);
        Ok(machine.files.get(path).cloned().or_else(told))
    }

    fn open(&self, path: String) -> BoxFuture<'_, Result<Option<File>, HostError>> {
        let found = self.lock().0.files.get(&path).cloned();
        async move { Ok(found.map(|it| -> File { Arc::new(SimFile(it)) })) }.boxed()
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), HostError> {
        self.whole(|machine| {
            machine.files.insert(path.to_owned(), bytes.to_vec());
        })
    }

    fn write_alone(&self, path: &str, bytes: &[u8]) -> Result<(), HostError> {
        self.write(path, bytes)
    }

    fn remove(&self, path: &str) -> Result<(), HostError> {
        self.whole(|machine| {
            machine.files.remove(path);
        })
    }

    fn remove_tree(&self, path: &str) -> Result<(), HostError> {
        let inside = format!("{path}/");
        self.whole(|machine| machine.files.retain(|it, _| !it.starts_with(&inside)))
    }

    fn hold(&self, _: &str, mark: &str, _: &[String]) -> Result<ProcessId, HostError> {
        let pid = 10_000 + self.effects();
        let id = process(pid, HOLD).id;
        self.whole(|machine| {
            machine.held.insert(id.clone(), mark.to_owned());
        })?;
        Ok(id)
    }

    fn held(&self, mark: &str) -> Result<Vec<ProcessId>, HostError> {
        let state = self.lock();
        Ok(state.0.held.iter().filter(|it| it.1 == mark).map(|it| it.0.clone()).collect())
    }

    fn told(&self, who: &ProcessId) -> Told {
        let stands = self.lock().0.held.contains_key(who);
        if stands { Told::Stands("simulated".to_owned()) } else { Told::Nothing }
    }

    fn cpu_us(&self, who: &ProcessId) -> Result<Option<u64>, HostError> {
        // A held child of a simulated machine is always busy: a millisecond a look.
        let effects = u64::from(self.effects());
        Ok(self.process(who)?.map(|_| effects.saturating_mul(1_000)))
    }

    fn command(
        &self,
        argv: Vec<String>,
        _: Duration,
    ) -> BoxFuture<'_, Result<Finished, HostError>> {
        async move {
            let code = self.whole(|machine| fabric::run(machine, &argv))?;
            Ok(Finished { code: Some(code), said: String::new(), output: String::new() })
        }
        .boxed()
    }

    fn knowing(&self, _: &Arc<Secrets>) -> Arc<dyn Host> {
        Arc::new(self.clone())
    }

    fn asked(&self, argv: Vec<String>, _: Duration) -> BoxFuture<'_, Result<Finished, HostError>> {
        let unit = argv.last().cloned().unwrap_or_default();
        let active = fabric::is_active(&self.lock().0, &unit);
        let said = if active { "active\n" } else { "inactive\n" };
        let code = Some(if active { 0 } else { 3 });
        std::future::ready(Ok(Finished { code, said: said.to_owned(), output: said.to_owned() }))
            .boxed()
    }
}

impl Web for Sim {
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, WebError>> {
        async move {
            if let Some((_, path)) = ask.url.strip_prefix("unix:").and_then(|it| it.split_once(':'))
            {
                return self.docker(path, ask.method);
            }
            let found = self.lock().0.web.get(&ask.url).cloned();
            let Some(body) = found else {
                return Err(WebError::NotConnected(format!("nobody is at {}", ask.url)));
            };
            if matches!(ask.method, Method::Get | Method::Head) {
                return Ok(Answer { status: 200, body: body.into_bytes() });
            }
            let said = ask.body.unwrap_or_default();
            self.whole(|machine| machine.web.insert(ask.url, said))
                .map_err(|why| WebError::NoAnswer(why.to_string()))?;
            Ok(Answer { status: 200, body: Vec::new() })
        }
        .boxed()
    }
}

/// A file as it was when it was opened.
struct SimFile(Vec<u8>);

impl Opened for SimFile {
    fn state(&self) -> BoxFuture<'_, Result<FileState, HostError>> {
        let size = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        async move { Ok(FileState { which: (0, 0), size, modified_us: 0 }) }.boxed()
    }

    fn piece(&self, from: u64, max: usize) -> BoxFuture<'_, Result<Vec<u8>, HostError>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let piece = self.0.iter().skip(from).take(max).copied().collect();
        async move { Ok(piece) }.boxed()
    }
}

impl Store for Sim {
    fn append(&mut self, bytes: &[u8], _: Care) -> Result<(), HostError> {
        self.effect(|machine, halfway| {
            let written = if halfway { bytes.len() / 2 } else { bytes.len() };
            machine.journal.extend_from_slice(bytes.get(..written).unwrap_or(bytes));
        })
    }
}

/// A clock that stands still: the simulated machine has no use for time.
#[derive(Debug, Clone, Copy)]
pub struct SimClock;

impl Clock for SimClock {
    fn stamp(&self) -> Stamp {
        Stamp { mono_us: 1_000_000, boot_us: 1_000_000, wall_us: 1_700_000_000_000_000 }
    }
}
