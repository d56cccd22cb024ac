//! The residue check: what a run could have touched, before its first act and after its last undo.
//!
//! What bears the run's name is its own, and what an act says of itself is looked at as the act
//! found it. Whatever else changed meanwhile is told of, and left alone.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    evidence::say,
    group::lent::is_passed_on_for_nobody,
    journal::{
        census::{Census, Leftover, Listed, Residue, State, Trace, Watched},
        chain,
        entry::{Entry, Fact, Family, Intent},
    },
    world::{
        World,
        host::{HostError, ProcessId},
        linux::{proc::soft_limit, state::StateFolder},
    },
};

/// Of a longer file not the content is compared, but which file it is, its size and its time.
const READ_MAX: u64 = 4 << 20;
/// How often it is looked again before something counts as left, and how long between two looks:
/// the kernel takes its time to let go of what a dead process held.
const LOOKS: (u32, Duration) = (25, Duration::from_millis(20));
/// So many changes of others are told; of the rest, how many.
const OTHERS_MAX: usize = 20;
/// `20261122T150405Z-0badcafe`.
const RUN_LENGTH: usize = 25;
const OUT_OF_SIGHT: &str = "it cannot be looked at";

/// What is there of the machine as a whole.
pub fn census(world: &World) -> Census {
    Census {
        tables: listed(world.net.tables()),
        queues: listed(world.net.queues()),
        mounts: listed(mounts(world)),
    }
}

fn listed(found: Result<Vec<String>, HostError>) -> Listed {
    match found {
        Ok(all) => Listed::Seen(all),
        Err(HostError::Os { why, .. }) => Listed::Unseen(why),
        Err(why) => Listed::Unseen(why.to_string()),
    }
}

/// `/var type ext4 of /dev/sda1`, and all others (proc(5), `mountinfo`).
fn mounts(world: &World) -> Result<Vec<String>, HostError> {
    let bytes = world.host.read("/proc/self/mountinfo")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let one = |line: &str| {
        let (head, tail) = line.split_once(" - ")?;
        let mut tail = tail.split(' ');
        let (kind, source) = (tail.next()?, tail.next()?);
        Some(format!("{} type {kind} of {source}", head.split(' ').nth(4)?))
    };
    let mut all: Vec<String> = text.lines().filter_map(one).collect();
    all.sort();
    Ok(all)
}

/// What bears the name of a run of this state folder. Its open runs have been healed by now; what
/// bears another folder's name is told when this run ends, if it has changed, and left alone.
pub(super) fn of_earlier_runs(
    there: &Census,
    state: &StateFolder,
    world: &World,
) -> Option<Vec<String>> {
    let seen = |it: &Listed| match it {
        Listed::Seen(all) => all.clone(),
        Listed::Unseen(_) => Vec::new(),
    };
    let mut all: Vec<String> = [&there.tables, &there.mounts].into_iter().flat_map(seen).collect();
    all.extend(world.host.groups().unwrap_or_default());
    all.retain(|it| run_of(it).is_some_and(|run| world_has(state, run, world)));
    (!all.is_empty()).then_some(all)
}

fn world_has(state: &StateFolder, run: &str, world: &World) -> bool {
    let path = state.run(run).display().to_string();
    world.host.names(&path).is_ok_and(|it| it.is_some())
}

/// The run whose name something bears: `holdfast-`, its 16 and 8 letters and digits.
fn run_of(name: &str) -> Option<&str> {
    let (_, tail) = name.split_once("holdfast-")?;
    let run = tail.get(..RUN_LENGTH)?;
    run.chars().all(|it| it.is_ascii_alphanumeric() || it == '-').then_some(run)
}

/// How what an act may leave behind is before it is begun.
pub fn watch(traces: Vec<Trace>, world: &World) -> Vec<Watched> {
    let watched = |trace| Watched { was: look(&trace, world), trace };
    traces.into_iter().map(watched).collect()
}

/// How it is now.
fn look(trace: &Trace, world: &World) -> State {
    let found = match trace {
        Trace::Stopped(who) => process(who, world),
        Trace::Descriptors { who, .. } => limit(who, world),
        Trace::Group(path) => {
            world.host.names(path).map(|it| it.map_or(State::Absent, |_| State::There))
        }
        Trace::Passed { group, controller } => is_passed_on_for_nobody(group, controller, world)
            .map(|it| if it { State::There } else { State::Absent }),
        Trace::File { path, .. } => file(path, world),
        Trace::Wait(it) => {
            world.net.waited(it).map(|it| it.map_or(State::Absent, |_| State::There))
        }
        Trace::Folder(path) => {
            world.host.names(path).map(|it| it.map_or(State::Absent, |all| State::Names(ours(all))))
        }
    };
    found.unwrap_or_else(|why| State::Unseen(why.to_string()))
}

/// The names that bear a mark of ours.
fn ours(mut all: Vec<String>) -> Vec<String> {
    all.retain(|it| it.starts_with(".holdfast-"));
    all.sort();
    all
}

fn process(who: &ProcessId, world: &World) -> Result<State, HostError> {
    Ok(match world.host.process(who)? {
        None => State::Absent,
        Some(it) if it.stopped => State::Stopped,
        Some(_) => State::Runs,
    })
}

fn limit(who: &ProcessId, world: &World) -> Result<State, HostError> {
    if world.host.process(who)?.is_none() {
        return Ok(State::Absent);
    }
    let text = world.host.read(&format!("/proc/{}/limits", who.pid))?.unwrap_or_default();
    Ok(soft_limit(&String::from_utf8_lossy(&text))
        .map_or_else(|| State::Unseen(OUT_OF_SIGHT.to_owned()), State::Limit))
}

fn file(path: &str, world: &World) -> Result<State, HostError> {
    let Some(facts) = world.host.facts(path)? else { return Ok(State::Absent) };
    let content = if facts.plain && facts.size <= READ_MAX {
        world.host.read(path)?.map_or_else(|| facts.stamp.clone(), |it| chain::hash(&it))
    } else {
        facts.stamp
    };
    Ok(State::File { size: facts.size, mode: facts.mode, content })
}

/// Looks what of a run still stands. What seems to be left is looked at again for a while.
pub(super) async fn check(run: &str, entries: &[Entry], world: &World) -> Option<Residue> {
    let acts: Vec<&Intent> = entries.iter().filter_map(intent).collect();
    if acts.is_empty() {
        return None;
    }
    let mut looks = 0;
    loop {
        let found = Look { run, entries, acts: &acts, world, said: Residue::default() }.all();
        if found.left.is_empty() || looks == LOOKS.0 {
            return Some(found);
        }
        looks += 1;
        tokio::time::sleep(LOOKS.1).await;
    }
}

/// The facts that say what a check found: what is left of an act makes it stuck.
pub(super) fn facts(found: Residue) -> Vec<Fact> {
    let stuck = found.left.iter().filter_map(|it| {
        let why = format!("its undo went through, and this was found afterwards: {}", it.what);
        it.act.map(|act| Fact::Stuck { act, why })
    });
    let mut all: Vec<Fact> = stuck.collect();
    all.insert(0, Fact::Residue(Box::new(found)));
    all
}

fn intent(entry: &Entry) -> Option<&Intent> {
    if let Fact::Intent(it) = &entry.fact { Some(it) } else { None }
}

/// One look at everything.
struct Look<'a> {
    run: &'a str,
    entries: &'a [Entry],
    acts: &'a [&'a Intent],
    world: &'a World,
    said: Residue,
}

impl Look<'_> {
    fn all(mut self) -> Residue {
        self.machine();
        self.groups();
        self.children();
        self.traces();
        let more = self.said.others.len().saturating_sub(OTHERS_MAX);
        self.said.others.truncate(OTHERS_MAX);
        if more > 0 {
            self.said.others.push(format!("and {more} more"));
        }
        self.said
    }

    /// Tables, queues and mounts, against those that there were.
    fn machine(&mut self) {
        let was = self
            .entries
            .iter()
            .find_map(|it| if let Fact::Census(it) = &it.fact { Some(&**it) } else { None });
        let Some(was) = was else {
            let why = "tables, queues and mounts: nobody looked before the first act";
            self.said.unseen.push(why.to_owned());
            return;
        };
        let now = census(self.world);
        let by_hand = |it: &str| vec![format!("nft delete table {it}")];
        self.lists(("packet table", "packet tables"), (&was.tables, now.tables), by_hand);
        let by_hand = |it: &str| vec![format!("tc qdisc show # {it}")];
        self.lists(("queue", "queues of network devices"), (&was.queues, now.queues), by_hand);
        let by_hand =
            |it: &str| vec![format!("umount {}", it.split(' ').next().unwrap_or_default())];
        self.lists(("mount", "mounts"), (&was.mounts, now.mounts), by_hand);
    }

    fn lists(
        &mut self,
        (one, many): (&str, &str),
        (was, now): (&Listed, Listed),
        by_hand: impl Fn(&str) -> Vec<String>,
    ) {
        let now = match now {
            Listed::Seen(it) => it,
            Listed::Unseen(why) => return self.said.unseen.push(format!("{many}: {why}")),
        };
        self.said.checked.push(format!("{} {many}", now.len()));
        let run = self.run;
        for it in now.iter().filter(|it| it.contains(run)) {
            self.left(format!("{one} {it}"), by_hand(it), act_of(it, run));
        }
        let Listed::Seen(was) = was else { return };
        let (was, now): (BTreeSet<_>, BTreeSet<_>) = (was.iter().collect(), now.iter().collect());
        let others = |it: &&&String| !it.contains(run);
        let new = now.difference(&was).filter(others).map(|it| format!("{one} {it}: new"));
        let gone = was.difference(&now).map(|it| format!("{one} {it}: gone"));
        let all: Vec<String> = new.chain(gone).collect();
        self.said.others.extend(all);
    }

    fn groups(&mut self) {
        let all = match self.world.host.groups() {
            Ok(it) => it,
            Err(why) => return self.said.unseen.push(format!("control groups: {why}")),
        };
        self.said.checked.push(format!("{} control groups", all.len()));
        let run = self.run;
        for it in all.iter().filter(|it| it.contains(run)) {
            let by_hand = vec![format!("rmdir {}", crate::action::quoted(it))];
            self.left(format!("control group {it}"), by_hand, act_of(it, run));
        }
    }

    fn children(&mut self) {
        let all = match self.world.host.processes() {
            Ok(it) => it,
            Err(why) => return self.said.unseen.push(format!("processes: {why}")),
        };
        let number = all.len();
        self.said.checked.push(format!("{number} processes, for children of ours"));
        for it in &all {
            let Some(mark) = it.mark().filter(|it| it.starts_with(self.run)) else { continue };
            let pid = it.id.pid;
            let act = act_of(mark, self.run);
            self.left(format!("child {pid} of ours"), vec![format!("kill -KILL {pid}")], act);
        }
    }

    /// What acts said that they may leave, against how it was before the first of them.
    fn traces(&mut self) {
        let acts = self.acts;
        let mut first: Vec<&Watched> = Vec::new();
        let mut told = Vec::new();
        for act in acts {
            let Some(traces) = &act.traces else {
                if act.family == Family::Fault {
                    let (name, kind) = (&act.name, &act.kind);
                    let why = format!("what “{name}” ({kind}) changed: only its own undo knows it");
                    self.said.unseen.push(why);
                }
                continue;
            };
            for it in traces {
                let before = first.iter().find(|other| other.trace.is_of_the_same(&it.trace));
                let was = before.map_or(&it.was, |it| &it.was);
                let is_new = before.is_none();
                if is_new {
                    first.push(it);
                }
                if !self.stands_on_purpose(act.act) {
                    self.trace(act, (&it.trace, was), &mut told);
                }
            }
        }
        let count = |is: fn(&Trace) -> bool| first.iter().filter(|it| is(&it.trace)).count();
        for (noun, what, n) in [
            ("target", " for standing still", count(|it| matches!(it, Trace::Stopped(_)))),
            ("limit", " of descriptors", count(|it| matches!(it, Trace::Descriptors { .. }))),
            ("group", " of ours", count(|it| matches!(it, Trace::Group(_)))),
            ("controller", " of groups above ours", count(|it| matches!(it, Trace::Passed { .. }))),
            ("named file", "", count(|it| matches!(it, Trace::File { .. }))),
            ("folder", " for files of ours", count(|it| matches!(it, Trace::Folder(_)))),
            ("queue", " for packets to wait in", count(|it| matches!(it, Trace::Wait(_)))),
        ] {
            if n > 0 {
                self.said.checked.push(format!("{}{what}", say::plural(say::count(n), noun)));
            }
        }
    }

    /// Nobody undid it, and nobody was to.
    fn stands_on_purpose(&self, number: u32) -> bool {
        let of_it = self.entries.iter().rev().find_map(|it| match &it.fact {
            Fact::Undone { act, .. } if *act == number => Some(false),
            Fact::Kept { act } if *act == number => Some(true),
            _ => None,
        });
        of_it.unwrap_or(false)
    }

    fn trace(&mut self, act: &Intent, (trace, was): (&Trace, &State), told: &mut Vec<String>) {
        let now = look(trace, self.world);
        if let State::Unseen(why) = &now {
            return self.said.unseen.push(format!("{}: {why}", trace.words()));
        }
        if let (Trace::Folder(path), State::Names(names)) = (trace, &now) {
            let run = self.run;
            for it in names.iter().filter(|it| it.contains(run)) {
                let path = format!("{}/{it}", path.trim_end_matches('/'));
                let by_hand = vec![format!("rm -f {}", crate::action::quoted(&path))];
                self.left(format!("file {path}"), by_hand, act_of(it, run));
            }
            return;
        }
        let words = trace.words();
        if trace.is_left(was, &now) {
            let what = format!("{words} is {now}, and was {was}");
            let by_hand = match trace {
                Trace::Stopped(who) => vec![format!("kill -CONT {}", who.pid)],
                _ => act.by_hand.clone(),
            };
            self.left(what, by_hand, Some(act.act));
        } else if *was != now && !told.contains(&words) {
            // Before a restart of the machine there was another process of that number.
            let gone =
                now == State::Absent && matches!(trace, Trace::Group(_) | Trace::Passed { .. });
            if !gone {
                self.said.others.push(format!("{words} was {was}, and is {now}"));
            }
            told.push(words);
        }
    }

    fn left(&mut self, what: String, by_hand: Vec<String>, act: Option<u32>) {
        if self.said.left.iter().any(|it| it.what == what) {
            return;
        }
        let act = act.filter(|act| self.acts.iter().any(|it| it.act == *act));
        self.said.left.push(Leftover { what, act, by_hand });
    }
}

/// The act whose mark a name bears: what follows the run's name.
fn act_of(name: &str, run: &str) -> Option<u32> {
    let (_, tail) = name.split_once(run)?;
    let tail = tail.strip_prefix(['-', '/'])?;
    let digits = tail.find(|it: char| !it.is_ascii_digit()).unwrap_or(tail.len());
    tail.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_act_is_told_from_the_name() {
        let run = "20261123T010203Z-0badcafe";
        assert_eq!(act_of(&format!("inet holdfast-{run}-12"), run), Some(12));
        assert_eq!(act_of(&format!(".holdfast-{run}-3.kept"), run), Some(3));
        assert_eq!(act_of(&format!("/sys/fs/cgroup/cpu/holdfast-{run}-4-0"), run), Some(4));
        assert_eq!(act_of(&format!("{run}/7"), run), Some(7));
        assert_eq!(act_of(&format!("holdfast-{run}"), run), None);
        assert_eq!(act_of("holdfast-other-1", run), None);
    }
}
