//! What systemd's manager says on the bus.

use std::{collections::BTreeMap, path::Path};

use super::UNITS_MAX;
use crate::{
    collector::Blank,
    pattern::Sieve,
    world::bus::{
        Answered, Bus, Question,
        wire::{Garbled, Message, Reader, Value},
    },
};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const SOCKET: &str = "org.freedesktop.systemd1.Socket";
const TIMER: &str = "org.freedesktop.systemd1.Timer";
const OBJECT: &str = "/org/freedesktop/systemd1";

/// What a service is set to hardly changes: it is asked again at every so many scrapes.
const SETTINGS_EVERY: u32 = 64;

/// Asks, and remembers what hardly changes.
#[derive(Debug, Default)]
pub(super) struct Manager {
    /// By the service's name: its type, and whether it is ever restarted.
    settings: BTreeMap<String, (String, bool)>,
    scrapes: u32,
}

/// What it said.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Those that are shown, by name.
    pub(super) units: Vec<Unit>,
    /// How many of all units are in each state.
    pub(super) states: BTreeMap<String, usize>,
    /// `running` when all is well.
    pub(super) system: String,
    pub(super) version: String,
    /// Empty on real hardware.
    pub(super) virtualization: String,
}

/// A unit.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub(super) name: String,
    path: String,
    pub(super) state: String,
    /// A service's type, such as `oneshot`.
    pub(super) kind: String,
    pub(super) restarts: Option<u64>,
    /// Of a socket: accepted, current, refused.
    pub(super) connections: Option<[u64; 3]>,
    /// Of a timer, since the epoch.
    pub(super) last_trigger_micros: Option<u64>,
}

impl Unit {
    /// One that runs; more is not known.
    pub(super) fn active(name: &str) -> Self {
        Self { name: name.to_owned(), state: "active".to_owned(), ..Self::default() }
    }

    fn is(&self, kind: &str) -> bool {
        self.name.rsplit_once('.').is_some_and(|(_, end)| end == kind)
    }
}

impl Manager {
    /// Asks for everything; nothing when there is no systemd on the bus.
    pub(super) fn ask(
        &mut self,
        bus: &mut Bus,
        sieve: &Sieve,
        socket: &Path,
    ) -> Result<Option<Asked>, Blank> {
        let odd = |why: String| Blank::odd(socket, why);
        let list = Question {
            of: SYSTEMD,
            path: OBJECT,
            interface: MANAGER,
            member: "ListUnits",
            args: &[],
        };
        let property = |name| [MANAGER, name];
        let names = [property("SystemState"), property("Version"), property("Virtualization")];
        let [state, version, virtualization] = &names;
        let questions =
            [list, get(OBJECT, state), get(OBJECT, version), get(OBJECT, virtualization)];
        let mut answers = bus.ask(&questions)?.into_iter();
        let units = match answers.next() {
            Some(Ok(list)) => units(&list).map_err(|why| odd(why.to_string()))?,
            Some(Err(why)) if is_nobody(&why) => return Ok(None),
            Some(Err(why)) => return Err(odd(why)),
            None => return Err(odd("it does not answer".to_owned())),
        };
        let mut text = || answers.next().and_then(text_of).unwrap_or_default();
        let [system, version, virtualization] = [text(), text(), text()];
        let mut asked = Asked { system, version, virtualization, ..Asked::default() };
        for (unit, load) in units {
            *asked.states.entry(unit.state.clone()).or_default() += 1;
            if load == "loaded" && sieve.lets_through(&unit.name) && asked.units.len() < UNITS_MAX {
                asked.units.push(unit);
            }
        }
        asked.units.sort_by(|one, other| one.name.cmp(&other.name));
        self.ask_settings(bus, &mut asked.units)?;
        ask_counts(bus, &mut asked.units, &self.settings)?;
        Ok(Some(asked))
    }

    fn ask_settings(&mut self, bus: &mut Bus, units: &mut [Unit]) -> Result<(), Blank> {
        if self.scrapes.is_multiple_of(SETTINGS_EVERY) {
            self.settings.clear();
        }
        self.scrapes = self.scrapes.wrapping_add(1);
        let args = [[SERVICE, "Type"], [SERVICE, "Restart"]];
        let fresh = |it: &&Unit| it.is("service") && !self.settings.contains_key(&it.name);
        let fresh: Vec<&Unit> = units.iter().filter(fresh).collect();
        let questions: Vec<_> =
            fresh.iter().flat_map(|it| args.each_ref().map(|args| get(&it.path, args))).collect();
        let mut answers = bus.ask(&questions)?.into_iter();
        for unit in fresh {
            // A unit can go between the list and the question.
            let (kind, restart) = (answers.next(), answers.next());
            if let (Some(kind), Some(restart)) = (kind.and_then(text_of), restart.and_then(text_of))
            {
                self.settings.insert(unit.name.clone(), (kind, restart != "no"));
            }
        }
        for unit in units {
            if let Some((kind, _)) = self.settings.get(&unit.name) {
                kind.clone_into(&mut unit.kind);
            }
        }
        Ok(())
    }
}

fn ask_counts(
    bus: &mut Bus,
    units: &mut [Unit],
    settings: &BTreeMap<String, (String, bool)>,
) -> Result<(), Blank> {
    const RESTARTS: [[&str; 2]; 1] = [[SERVICE, "NRestarts"]];
    const CONNECTIONS: [[&str; 2]; 3] =
        [[SOCKET, "NAccepted"], [SOCKET, "NConnections"], [SOCKET, "NRefused"]];
    const TRIGGER: [[&str; 2]; 1] = [[TIMER, "LastTriggerUSec"]];
    let wanted = |unit: &Unit| -> &'static [[&'static str; 2]] {
        // Who is never restarted by systemd was restarted never.
        let restarts = settings.get(&unit.name).is_some_and(|(_, restarts)| *restarts);
        match () {
            () if unit.is("service") && restarts => &RESTARTS,
            () if unit.is("socket") => &CONNECTIONS,
            () if unit.is("timer") => &TRIGGER,
            () => &[],
        }
    };
    let questions: Vec<_> = units
        .iter()
        .flat_map(|unit| wanted(unit).iter().map(|args| get(&unit.path, args)))
        .collect();
    let mut answers = bus.ask(&questions)?.into_iter();
    for unit in units {
        let count = wanted(unit).len();
        let all: Vec<Option<u64>> = answers.by_ref().take(count).map(number_of).collect();
        match (unit.is("service"), all.as_slice()) {
            (true, []) => {
                unit.restarts = settings.contains_key(&unit.name).then_some(0);
            }
            (true, [restarts]) => unit.restarts = *restarts,
            (false, [Some(accepted), Some(current), refused]) => {
                // Old ones do not count those that they refused.
                unit.connections = Some([*accepted, *current, refused.unwrap_or(0)]);
            }
            (false, [trigger]) => unit.last_trigger_micros = *trigger,
            (true | false, _) => {}
        }
    }
    Ok(())
}

fn get<'a>(path: &'a str, args: &'a [&'a str; 2]) -> Question<'a> {
    let interface = "org.freedesktop.DBus.Properties";
    Question { of: SYSTEMD, path, interface, member: "Get", args }
}

/// Units, and whether each is loaded: name, description, load state, active state, sub state,
/// whom it follows, path, and its job.
fn units(list: &Message) -> Result<Vec<(Unit, String)>, Garbled> {
    list.reader().list(8, |it: &mut Reader<'_>| {
        let (name, _) = (it.text()?, it.text()?);
        let (load, state) = (it.text()?, it.text()?);
        let (_, _, path) = (it.text()?, it.text()?, it.text()?);
        let _job = (it.number()?, it.text()?, it.text()?);
        Ok((Unit { name, path, state, ..Unit::default() }, load))
    })
}

/// There is a bus, and no systemd on it.
fn is_nobody(error: &str) -> bool {
    ["ServiceUnknown", "NameHasNoOwner"]
        .iter()
        .any(|it| error.starts_with(&format!("org.freedesktop.DBus.Error.{it}")))
}

fn text_of(answer: Answered) -> Option<String> {
    match answer.ok()?.reader().variant().ok()? {
        Value::Text(text) => Some(text),
        Value::Whole(_) | Value::Signed(_) | Value::Real(_) => None,
    }
}

fn number_of(answer: Answered) -> Option<u64> {
    match answer.ok()?.reader().variant().ok()? {
        Value::Whole(number) => Some(number),
        Value::Text(_) | Value::Signed(_) | Value::Real(_) => None,
    }
}
