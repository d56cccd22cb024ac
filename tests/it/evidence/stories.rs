//! Journals of runs that never were, told line by line.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use holdfast::{
    journal::{
        began::{Began, Objectives, PlannedHypothesis, PlannedPhase, PlannedWitness},
        chain,
        entry::{
            Anchor, Entry, Fact, Family, Found, Intent, Look, Mark, OnVanish, Outcome, ReadBack,
            UndoClass, VERSION, When, Write,
        },
        index::{EnergyFigures, RunKind},
        sample::{ProcessUse, Sample},
    },
    verdict::Verdict,
    world::linux::facts::HostFacts,
};

/// `CLOCK_MONOTONIC` at the beginning of every story.
const BEGIN_US: u64 = 7_000_000_000;
/// The time of day at the beginning of every story.
const WALL_US: u64 = 1_790_000_000_000_000;

/// A journal that is being written.
pub(crate) struct Journal {
    pub(crate) entries: Vec<Entry>,
    pub(crate) text: String,
    head: String,
    now_us: u64,
}

impl Journal {
    pub(crate) fn new() -> Self {
        let head = chain::GENESIS.to_owned();
        Self { entries: Vec::new(), text: String::new(), head, now_us: BEGIN_US }
    }

    /// So many milliseconds into the story; the next facts are of then.
    pub(crate) fn at(&mut self, ms: u64) -> &mut Self {
        self.now_us = BEGIN_US + ms * 1_000;
        self
    }

    pub(crate) fn say(&mut self, fact: Fact) -> &mut Self {
        let n = u64::try_from(self.entries.len()).unwrap();
        let prev = self.head.clone();
        let entry = Entry { v: VERSION, n, epoch: 1, at_us: self.now_us, prev, fact };
        let (text, head) = chain::line(&entry);
        self.text += &text;
        self.head = head;
        self.entries.push(entry);
        self
    }

    pub(crate) fn anchor(&mut self) -> &mut Self {
        let since = self.now_us - BEGIN_US;
        self.say(Fact::Anchor(Anchor {
            mono_us: self.now_us,
            boot_us: self.now_us,
            wall_us: WALL_US + since,
            boot_id: "b1".to_owned(),
            wall_error_us: Some(1_500),
        }))
    }

    /// Ends as the engine does: with what the facts so far lead to.
    pub(crate) fn end(&mut self) -> &mut Self {
        let (verdict, why) = holdfast::evidence::fold::outcome(&self.entries);
        self.anchor().say(Fact::Ended { verdict, why })
    }
}

pub(crate) fn us(ms: u64) -> u64 {
    BEGIN_US + ms * 1_000
}

fn host() -> HostFacts {
    HostFacts {
        hostname: "dr-west-1".to_owned(),
        os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        kernel: "6.1.0-28-amd64".to_owned(),
        cpus: 2,
        cpu_model: "Intel(R) Xeon(R) Gold 6338".to_owned(),
        memory_bytes: 8 << 30,
    }
}

/// How a drill went. Times are milliseconds since it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Story {
    /// The service is down from here on.
    pub(crate) struck: u64,
    /// It takes writes again; none: it never does.
    pub(crate) back: Option<u64>,
    /// Writes acknowledged within so long before the fault never reach the standby.
    pub(crate) lag: u64,
    /// The objective for the recovery time, in milliseconds.
    pub(crate) rto: u64,
    /// The witness's period.
    pub(crate) every: u64,
    /// The witness goes on until here.
    pub(crate) until: u64,
}

/// Replication is asynchronous, over a slow link.
pub(crate) const ASYNC: Story =
    Story { struck: 4_004, back: Some(5_985), lag: 200, rto: 5_000, every: 20, until: 9_000 };
/// Replication is synchronous.
pub(crate) const SYNC: Story = Story { lag: 0, ..ASYNC };

const PHASES: [(&str, u64, u64, &[&str]); 9] = [
    ("baseline", 0, 4_000, &["look at the service and load it for 4s"]),
    ("disrupt", 4_000, 4_050, &["process_kill: the primary ledger"]),
    ("detect", 4_050, 5_200, &["wait until the service is seen to fail"]),
    ("declare", 5_200, 5_700, &["decide to switch over"]),
    ("fence", 5_700, 5_760, &["fence: the old primary refuses writes"]),
    ("promote", 5_760, 5_900, &["promote: the standby takes the lead"]),
    ("route", 5_900, 5_980, &["route: the gateway writes to the new primary"]),
    ("verify", 5_980, 7_500, &["read every acknowledged write back"]),
    ("fail back", 7_500, 9_400, &["rejoin the old primary as standby"]),
];

pub(crate) fn began(story: &Story) -> Began {
    Began {
        run: "20260921-141320-k4m2".to_owned(),
        kind: RunKind::Drill,
        title: "Loss of the primary ledger".to_owned(),
        description: "The primary ledger dies in mid-load; the standby takes over.\n\
                      Severe but plausible: it happened twice in the last five years."
            .to_owned(),
        file: "ledger-switchover.yaml".to_owned(),
        manifest:
            "drill: Loss of the primary ledger\nobjectives:\n  rto: 5s\n  lost_writes_max: 0\n"
                .to_owned(),
        vars: [("link_delay".to_owned(), format!("{}ms", story.lag))].into(),
        secrets: [].into(),
        loads: Vec::new(),
        sites: Vec::new(),
        seed: 42,
        program: "1.2.3".to_owned(),
        tags: vec![],
        owner: String::new(),
        controls: vec![],
        operator: "li.na".to_owned(),
        host: host(),
        plan: PHASES
            .iter()
            .map(|it| PlannedPhase {
                phase: it.0.to_owned(),
                items: it.3.iter().map(|it| (*it).to_owned()).collect(),
            })
            .collect(),
        hypotheses: vec![PlannedHypothesis {
            name: "payments are answered".to_owned(),
            probe: "http".to_owned(),
            expect: "GET /healthz answers 200 within 250ms".to_owned(),
            when: vec![When::Before, When::After],
            every_us: 100_000,
        }],
        objectives: Some(Objectives { rto_us: story.rto * 1_000, ..Objectives::default() }),
        witness: Some(PlannedWitness {
            target: "POST /payments of the gateway".to_owned(),
            every_us: story.every * 1_000,
            deadline_us: 500_000,
            good_in_a_row: 3,
        }),
        course: None,
        environment: None,
        approvals: Vec::new(),
    }
}

/// Chance that is the same everywhere.
fn dice(n: u64) -> u64 {
    let mixed = (n ^ 0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

pub(crate) fn intent(act: u32, kind: &str, family: Family, will: &str) -> Intent {
    Intent {
        act,
        kind: kind.to_owned(),
        family,
        name: kind.to_owned(),
        will: will.to_owned(),
        undo: serde_json::json!({}),
        by_hand: vec![format!("holdfast recover # undoes {kind}")],
        class: match family {
            Family::Fault => UndoClass::OneShot,
            Family::Step => UndoClass::Guardian,
        },
        on_vanish: match family {
            Family::Fault => OnVanish::Heal,
            Family::Step => OnVanish::Keep,
        },
        due_us: None,
        traces: None,
    }
}

impl Story {
    fn down(&self, ms: u64) -> bool {
        ms >= self.struck && self.back.is_none_or(|back| ms < back)
    }

    pub(crate) fn writes(&self) -> Vec<Write> {
        (0..self.until / self.every)
            .map(|seq| {
                let sent = seq * self.every;
                let jitter = dice(seq) % 1_700;
                let (took, outcome) = if !self.down(sent + 1) {
                    (2_100 + jitter, Outcome::Acked)
                } else if sent < self.struck + 60 {
                    (500_000, Outcome::Unknown)
                } else {
                    (400 + jitter / 4, Outcome::Refused)
                };
                Write(seq, us(sent), took, outcome)
            })
            .collect()
    }

    pub(crate) fn reads(&self) -> Vec<ReadBack> {
        let found = |it: &Write| match it.3 {
            Outcome::Acked if it.1 >= us(self.struck - self.lag) && it.1 < us(self.struck) => {
                Found::Absent
            }
            Outcome::Acked => Found::Same,
            Outcome::Unknown | Outcome::Refused | Outcome::Blind => Found::Absent,
        };
        self.writes().iter().map(|it| ReadBack(it.0, found(it), 1)).collect()
    }

    fn looks(&self) -> Vec<Look> {
        (0..self.until / 100)
            .map(|n| {
                let sent = n * 100 + 7;
                if self.down(sent) {
                    let why = "502: no ledger takes writes".to_owned();
                    Look(us(sent), 1_200, Verdict::Fail, why, Vec::new())
                } else {
                    Look(us(sent), 1_800 + dice(n) % 900, Verdict::Pass, String::new(), Vec::new())
                }
            })
            .collect()
    }

    fn sample(&self, ms: u64) -> Sample {
        let busy = if self.down(ms) { 0.22 } else { 0.46 };
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (wobble, seconds) = ((dice(ms) % 100) as f64 / 1_000.0, ms as f64 / 1_000.0);
        let joules = seconds * 21.5;
        let process = |name: &str, pid, cpus| ProcessUse {
            name: name.to_owned(),
            pid,
            cpus,
            rss_bytes: 14 << 20,
        };
        let mut processes = vec![process("standby", 902, 0.11 + wobble)];
        if !self.down(ms) {
            processes.push(process("primary", 901, 0.2 + wobble));
        }
        Sample {
            at_us: us(ms),
            cpu_ratio: busy + wobble,
            memory_used_bytes: (1 << 30) + ms * 9_000,
            processes,
            energy: Some(EnergyFigures {
                joules,
                low: joules * 0.6,
                high: joules * 1.5,
                method: "model".to_owned(),
            }),
            energy_blind: None,
        }
    }

    /// The journal up to the end of the last phase.
    pub(crate) fn told(&self) -> Journal {
        let mut journal = Journal::new();
        journal.say(Fact::Began(Box::new(began(self)))).anchor();
        let judged = |when, ms: u64| {
            (
                ms,
                Fact::Judged {
                    hypothesis: "payments are answered".to_owned(),
                    when,
                    verdict: Verdict::Pass,
                    why: "every look was good".to_owned(),
                },
            )
        };
        for (n, (name, from, to, _)) in PHASES.iter().enumerate() {
            journal.at(*from).say(Fact::PhaseBegan { phase: (*name).to_owned() });
            for ms in (*from..*to).step_by(250).skip(1) {
                journal.at(ms).say(Fact::Sampled(Box::new(self.sample(ms))));
            }
            self.phase(&mut journal, name, u32::try_from(n).unwrap());
            if n == 0 {
                let (ms, fact) = judged(When::Before, 3_990);
                journal.at(ms).say(fact);
            }
            journal.at(*to).say(Fact::PhaseEnded { phase: (*name).to_owned() });
        }
        let (ms, fact) = judged(When::After, 9_450);
        journal.at(ms).say(fact);
        let probe = "payments are answered".to_owned();
        journal.say(Fact::Looks { probe, rows: self.looks() });
        journal.at(9_500).say(Fact::Sampled(Box::new(self.sample(9_500))));
        journal
    }

    fn phase(&self, journal: &mut Journal, name: &str, n: u32) {
        let step = |journal: &mut Journal, from: u64, to: u64, will: &str| {
            let plan = intent(n, name, Family::Step, will);
            journal.at(from - 1).say(Fact::Intent(Box::new(plan)));
            let (from_us, to_us) = (us(from), us(to));
            journal.at(to).say(Fact::Applied { act: n, from_us, to_us });
            let how = format!("the answer says that {name} is done");
            journal.say(Fact::Effect { act: n, seen: Verdict::Pass, how });
            journal.say(Fact::Kept { act: n });
        };
        match name {
            "disrupt" => {
                let will = "kill primary (pid 901) with SIGKILL";
                let plan = intent(n, "process_kill", Family::Fault, will);
                journal.at(4_001).say(Fact::Intent(Box::new(plan)));
                let (from_us, to_us) = (us(4_002), us(4_006));
                journal.at(4_006).say(Fact::Applied { act: n, from_us, to_us });
                let how = "the process is gone".to_owned();
                journal.say(Fact::Effect { act: n, seen: Verdict::Pass, how });
                let (from_us, to_us) = (us(4_040), us(4_041));
                journal.at(4_041).say(Fact::Undone { act: n, from_us, to_us });
            }
            "detect" => {
                let note = "3 looks in a row failed".to_owned();
                journal.at(5_180).say(Fact::Marked { mark: Mark::Detected, note });
            }
            "declare" => {
                let note = "decided by the file, without a person".to_owned();
                journal.at(5_690).say(Fact::Marked { mark: Mark::Declared, note });
            }
            "fence" => step(journal, 5_702, 5_755, "raise the epoch to 2, so that 1 may not write"),
            "promote" => step(journal, 5_762, 5_890, "make standby the primary of epoch 2"),
            "route" => step(journal, 5_902, 5_975, "point gateway to standby"),
            "verify" => {
                journal.at(7_400).say(Fact::Writes { rows: self.writes() });
                journal.say(Fact::Reads { side: String::new(), rows: self.reads() });
            }
            _ => {}
        }
    }

    /// The whole journal.
    pub(crate) fn whole(&self) -> Journal {
        let mut journal = self.told();
        journal.at(9_510).end();
        journal
    }
}

/// A chaos scenario that went well.
pub(crate) fn scenario() -> Journal {
    let mut began = began(&SYNC);
    began.kind = RunKind::Scenario;
    "The sanctions screen is frozen".clone_into(&mut began.title);
    began.objectives = None;
    began.witness = None;
    began.plan = vec![PlannedPhase {
        phase: "disrupt".to_owned(),
        items: vec!["process_pause: sanctions for 2s".to_owned()],
    }];
    began.hypotheses.iter_mut().for_each(|it| it.when.insert(1, When::During));
    let mut journal = Journal::new();
    journal.say(Fact::Began(Box::new(began))).anchor();
    journal.at(1_000).say(Fact::PhaseBegan { phase: "disrupt".to_owned() });
    let mut plan = intent(1, "process_pause", Family::Fault, "stop sanctions (pid 77)");
    plan.class = UndoClass::Guardian;
    journal.at(1_001).say(Fact::Intent(Box::new(plan)));
    journal.at(1_003).say(Fact::Applied { act: 1, from_us: us(1_002), to_us: us(1_003) });
    let how = "its state is T (stopped)".to_owned();
    journal.say(Fact::Effect { act: 1, seen: Verdict::Pass, how });
    journal.at(3_003).say(Fact::Undone { act: 1, from_us: us(3_002), to_us: us(3_003) });
    journal.at(3_010).say(Fact::PhaseEnded { phase: "disrupt".to_owned() });
    let rows = (0..40)
        .map(|n| Look(us(n * 100), 1_500, Verdict::Pass, String::new(), Vec::new()))
        .collect();
    journal.say(Fact::Looks { probe: "payments are answered".to_owned(), rows });
    for when in [When::Before, When::During, When::After] {
        journal.say(Fact::Judged {
            hypothesis: "payments are answered".to_owned(),
            when,
            verdict: Verdict::Pass,
            why: "every look was good".to_owned(),
        });
    }
    journal.at(4_000).end();
    journal
}
