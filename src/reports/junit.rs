//! The XML of `JUnit`, so that CI systems show a run as tests.

use std::fmt::Write as _;

use crate::{
    about::About,
    evidence::{
        course::{Road, Step, StepState},
        fold::Evidence,
        judge::when,
        say::{self, Answer},
        shown,
        timeline::{Act, ActState},
    },
    report::ReportKind,
    verdict::Verdict,
};

/// This form.
pub const KIND: ReportKind = ReportKind {
    about: &About {
        name: "junit",
        summary: "JUnit's XML: every judgement is a test, for CI systems",
        needs: &[],
        example: "format: junit",
    },
    extension: "xml",
    render,
};

/// One test.
struct Case {
    /// What sort of question it answers.
    class: &'static str,
    name: String,
    answer: Answer,
    /// Why, in a sentence.
    why: String,
    /// What else is to be read.
    more: String,
}

fn render(evidence: &Evidence) -> Vec<u8> {
    let run = &evidence.run;
    let cases = cases(evidence);
    let of = |wanted: Option<Verdict>| {
        cases.iter().filter(|it| it.answer.verdict() == wanted).count().to_string()
    };
    let sums = [
        ("tests", cases.len().to_string()),
        ("failures", of(Some(Verdict::Fail))),
        ("errors", of(Some(Verdict::Inconclusive))),
        ("skipped", of(None)),
        ("time", format!("{:.3}", say::seconds(run.length_us))),
    ];
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    xml += &tag("testsuites", &[&[("name", "holdfast".to_owned())], &sums[..]].concat(), ">\n");
    let mut suite = vec![("name", run.title.clone())];
    suite.extend(sums);
    suite.extend(run.began.iter().map(|it| ("timestamp", it.trim_end_matches('Z').to_owned())));
    suite.extend(run.host.iter().map(|it| ("hostname", it.hostname.clone())));
    xml += &tag("testsuite", &suite, ">\n");
    xml += &properties(evidence);
    xml.extend(cases.iter().map(case));
    let said: Vec<String> = evidence.why.iter().map(|it| format!("because {it}\n")).collect();
    let said = format!("{}\n{}", evidence.verdict, said.concat());
    write!(xml, "<system-out>{}</system-out>\n</testsuite>\n</testsuites>\n", escaped(&said))
        .expect("a text takes all that is written");
    xml.into_bytes()
}

/// Every judgement, then what was put back, then whether there is more to say of the run.
fn cases(evidence: &Evidence) -> Vec<Case> {
    let mut all = Vec::new();
    let plain = |class, name: String, answer, why: &str| Case {
        class,
        name,
        answer,
        why: why.to_owned(),
        more: String::new(),
    };
    if let Some(drill) = &evidence.drill {
        let name = |it: &str| it.to_owned();
        all.push(plain("objective", name("recovery time"), drill.rto.answer, &drill.rto.why));
        all.push(plain("objective", name("data loss"), drill.rpo.answer, &drill.rpo.why));
        let terms = drill.terms.iter();
        all.extend(terms.map(|it| plain("objective", name(it.name), it.answer, &it.why)));
    }
    for it in &evidence.hypotheses {
        all.extend(it.judgements.iter().map(|judged| {
            let name = format!("{} ({})", it.planned.name, when(judged.when));
            plain("hypothesis", name, judged.answer, &judged.why)
        }));
    }
    all.extend(evidence.course.iter().flat_map(|it| &it.steps).map(step));
    all.extend(shown::acts(&evidence.timeline).map(|(act, showing)| Case {
        class: "shown",
        name: act.name.clone(),
        answer: shown::verdict(act).unwrap_or(showing.verdict).into(),
        why: showing.why.clone(),
        more: shown::lines(act).join("\n"),
    }));
    all.push(healing(evidence));
    let seen = all.iter().filter_map(|it| it.answer.verdict()).max().unwrap_or(Verdict::Pass);
    // What weighs on the run beside all that: an act that was not seen to act, a phase that was not
    // played, an abort. It must not hide behind tests that pass.
    let weighs = evidence.verdict > seen;
    all.push(Case {
        class: "run",
        name: "the run was played to its end and can be judged".to_owned(),
        answer: if weighs { evidence.verdict } else { Verdict::Pass }.into(),
        why: evidence.why.first().filter(|_| weighs).cloned().unwrap_or_default(),
        more: if weighs { evidence.why.join("\n") } else { String::new() },
    });
    all
}

/// Whether a step was done.
fn step(it: &Step) -> Case {
    let answer = match it.state {
        StepState::Done => Verdict::Pass.into(),
        StepState::NotDone => Verdict::Fail.into(),
        StepState::Unfinished => Verdict::Inconclusive.into(),
        StepState::NotExecuted => Answer::NotExercised,
    };
    let why = it.why.clone().unwrap_or_else(|| it.state.word().to_owned());
    let owner = &it.planned.owner;
    let more = it.deviation().map(|it| format!("{it} against the plan"));
    let more = [format!("owner: {owner}")].into_iter().filter(|_| !owner.is_empty()).chain(more);
    let name = format!("{} {}", it.planned.step, it.planned.name);
    Case { class: "step", name, answer, why, more: more.collect::<Vec<_>>().join("; ") }
}

/// Whether everything that was done is put back.
fn healing(evidence: &Evidence) -> Case {
    let acts = &evidence.timeline.acts;
    let left = |wanted| acts.iter().filter(|it| it.state == wanted).count();
    let (stuck, outstanding) = (left(ActState::Stuck), left(ActState::Outstanding));
    let count = |it| say::plural(say::count(it), "act");
    let (answer, why) = match (stuck, outstanding) {
        _ if acts.is_empty() => (Answer::NotExercised, "nothing was done".to_owned()),
        (0, 0) => (Verdict::Pass.into(), String::new()),
        // Of a run that is going on, some act may well stand.
        (0, n) if evidence.stated.is_none() => {
            (Verdict::Inconclusive.into(), format!("{} not put back yet", count(n)))
        }
        (n, m) => (Verdict::Fail.into(), format!("{} not put back", count(n + m))),
    };
    let name = "everything is put back, and nothing of ours is left".to_owned();
    Case { class: "healing", name, answer, why, more: acts.iter().map(line).collect() }
}

/// An act in a line.
fn line(act: &Act) -> String {
    let state = match act.undone.filter(|_| act.state == ActState::Undone) {
        Some(it) => format!("{} in {}", act.state.word(), say::length(it.length_us())),
        None => act.state.word().to_owned(),
    };
    let why = act.stuck.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
    let by_hand = act.by_hand.iter().filter(|_| act.state == ActState::Stuck);
    let by_hand = by_hand.map(|it| format!("  by hand: {it}\n")).collect::<Vec<_>>().concat();
    format!("{}: {} ({state}{why})\n{by_hand}", act.name, act.will)
}

fn properties(evidence: &Evidence) -> String {
    let run = &evidence.run;
    let kind = run.kind.map_or_else(String::new, |it| it.word().to_owned());
    let all = [
        ("run", run.id.clone()),
        ("kind", kind),
        ("file", run.file.clone()),
        ("seed", run.seed.to_string()),
        ("operator", run.operator.clone()),
        ("program", run.program.clone()),
        ("owner", run.owner.clone()),
        ("controls", run.controls.join(", ")),
        ("tags", run.tags.join(", ")),
        ("exercise", evidence.course.as_ref().and_then(Road::words).unwrap_or_default()),
        ("verdict", evidence.verdict.word().to_owned()),
    ];
    let all = all.into_iter().filter(|it| !it.1.is_empty());
    let all = all.map(|it| tag("property", &[("name", it.0.to_owned()), ("value", it.1)], "/>\n"));
    format!("<properties>\n{}</properties>\n", all.collect::<String>())
}

fn case(it: &Case) -> String {
    let open = [("classname", it.class.to_owned()), ("name", it.name.clone())];
    let open = tag("testcase", &open, ">");
    let inner = match it.answer.verdict() {
        Some(Verdict::Pass) => String::new(),
        Some(Verdict::Fail) => told("failure", it, Verdict::Fail.word()),
        Some(Verdict::Inconclusive) => told("error", it, Verdict::Inconclusive.word()),
        None => tag("skipped", &[("message", it.why.clone())], "/>"),
    };
    let passed = it.answer.verdict() == Some(Verdict::Pass);
    let said = if passed { [it.why.as_str(), &it.more].join("\n") } else { String::new() };
    let said = match said.trim() {
        "" => String::new(),
        it => format!("<system-out>{}</system-out>", escaped(it)),
    };
    format!("{open}{inner}{said}</testcase>\n")
}

fn told(name: &str, it: &Case, kind: &str) -> String {
    let open = tag(name, &[("message", it.why.clone()), ("type", kind.to_owned())], ">");
    format!("{open}{}</{name}>", escaped(it.more.trim()))
}

/// The tag with its attributes, up to such an end.
fn tag(name: &str, attributes: &[(&str, String)], end: &str) -> String {
    let all = attributes.iter().map(|it| format!(" {}=\"{}\"", it.0, escaped(&it.1)));
    format!("<{name}{}{end}", all.collect::<String>())
}

/// What others wrote, so that it is text: markup is escaped, and characters that XML 1.0 cannot
/// hold are replaced.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(it),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ if it.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(it),
        }
    }
    safe
}
