//! A summary for tickets, wikis and merge requests.

use crate::{
    about::About,
    evidence::{
        course::Road,
        energy::Energy,
        fold::{Drill, Evidence},
        judge::when,
        load::HEADS,
        method, residue, say, seal, shown,
        sites::Sites,
    },
    report::ReportKind,
    reports::{
        road,
        service::{LAG, LEVELS, both, headed, lag, levels},
        sites::{FIGURES, USES, figures as of_sites, stretches, unavailable, uses},
    },
};

/// This form.
pub const KIND: ReportKind = ReportKind {
    about: &About {
        name: "markdown",
        summary: "a summary for tickets, wikis and merge requests",
        needs: &[],
        example: "format: markdown",
    },
    extension: "md",
    render,
};

fn render(evidence: &Evidence) -> Vec<u8> {
    let mut text = head(evidence);
    if let Some(drill) = &evidence.drill {
        text += &figures(evidence, drill);
        text += &split(drill);
        text += &service(drill);
        text += &ledger(drill);
    }
    text += &evidence.course.as_ref().map(course).unwrap_or_default();
    text += &hypotheses(evidence);
    text += &loads(evidence);
    text += &phases(evidence);
    text += &evidence.sites.as_ref().map(places).unwrap_or_default();
    text += &acts(evidence);
    text += &left(evidence);
    text += &showings(evidence);
    text += &ends(evidence);
    text.into_bytes()
}

/// What others wrote, so that it can do nothing but be read.
fn plain(text: &str) -> String {
    let mut safe = String::new();
    for it in text.chars() {
        match it {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' => {
                safe.push('\\');
                safe.push(it);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            _ if it.is_control() => safe.push(' '),
            _ => safe.push(it),
        }
    }
    safe
}

/// A table of such cells.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|it| (*it).to_owned()).collect());
    text += &line(head.iter().map(|_| "---".to_owned()).collect());
    text += &rows.iter().map(|row| line(row.clone())).collect::<String>();
    text + "\n"
}

fn head(evidence: &Evidence) -> String {
    let run = &evidence.run;
    let host = run.host.as_ref().map_or("an unknown host", |it| &it.hostname);
    let mut text = format!(
        "# {}\n\n**{} {}** · {} · {} · on {} · by {} · run `{}`\n\n",
        plain(&run.title),
        evidence.verdict.word().to_uppercase(),
        evidence.verdict.word_zh(),
        run.began.as_deref().unwrap_or("at an unknown time"),
        say::length(run.length_us),
        plain(host),
        plain(&run.operator),
        plain(&run.id),
    );
    if !run.description.is_empty() {
        text.extend([format!("{}\n\n", plain(&run.description))]);
    }
    if let Some(labels) = run.labels() {
        text.extend([format!("{}\n\n", plain(&labels))]);
    }
    if let Some(words) = evidence.course.as_ref().and_then(Road::words) {
        text.extend([format!("**{}**\n\n", plain(&words))]);
    }
    for why in &evidence.why {
        text.extend([format!("- {}\n", plain(why))]);
    }
    text + "\n"
}

fn figures(evidence: &Evidence, drill: &Drill) -> String {
    let (rto, rpo) = (&drill.rto, &drill.rpo);
    let measured = match rto.lower_us {
        Some(lower) => say::interval(lower, rto.upper_us),
        None => "not measured".to_owned(),
    };
    let lost = match rpo.answer.verdict() {
        Some(_) => format!(
            "{} of {} lost",
            say::grouped(rpo.classes.lost),
            say::plural(rpo.acknowledged, "acknowledged write")
        ),
        None => "not measured".to_owned(),
    };
    let allowed = format!("at most {} lost", say::grouped(rpo.lost_writes_max));
    let answer = |it: say::Answer| format!("{} {}", it.word(), it.word_zh());
    let energy = match &evidence.whole.energy {
        Energy::Measured { figures, .. } => format!(
            "{} Wh ({} to {}, {})",
            say::watt_hours(figures.joules),
            say::watt_hours(figures.low),
            say::watt_hours(figures.high),
            plain(&figures.method)
        ),
        Energy::Unavailable { why } => format!("unavailable: {}", plain(why)),
    };
    let goal = say::length_u(rto.objective_us);
    let row = |cells: [String; 4]| cells.to_vec();
    let mut rows = vec![
        row(["RTO 恢复时间".to_owned(), goal, measured, answer(rto.answer)]),
        row(["RPO 数据丢失".to_owned(), allowed, lost, answer(rpo.answer)]),
    ];
    rows.extend(drill.terms.iter().map(|it| {
        let name = format!("{} {}", it.name, it.name_zh);
        row([name, "as named".to_owned(), plain(&it.why), answer(it.answer)])
    }));
    rows.push(row(["Energy 能耗".to_owned(), "–".to_owned(), energy, "–".to_owned()]));
    table(&["Figure", "Objective", "Measured", "Verdict"], &rows)
}

fn split(drill: &Drill) -> String {
    let fault = drill.rto.fault.map_or(0, |it| it.from_us);
    let rows: Vec<Vec<String>> = drill
        .rto
        .parts
        .iter()
        .map(|it| {
            let from = it.window.from_us.saturating_sub(fault);
            vec![plain(&it.name), say::bound(from), say::bound(it.window.length_us())]
        })
        .collect();
    if drill.rto.fault.is_none() {
        return String::new();
    }
    let since = drill.rto.since;
    let from = format!("From {}", since.word());
    let parts = table(&["Part", &from, "Took"], &rows);
    let parts = if rows.is_empty() { "" } else { &parts };
    format!(
        "## Where the time went\n\nCounted from {}. 起算：{}。\n\n{parts}",
        since.word(),
        since.word_zh()
    )
}

fn ledger(drill: &Drill) -> String {
    let it = &drill.rpo.classes;
    let rows = [
        ("ok", it.ok),
        ("lost", it.lost),
        ("corrupt", it.corrupt),
        ("recovered", it.recovered),
        ("unexpected", it.unexpected),
        ("duplicated", it.duplicated),
        ("stranded", it.stranded),
        ("split brain", it.split_brain),
        ("not judged", it.not_judged),
        ("absent", it.absent),
        ("not looked for", it.not_looked_for),
    ];
    let rows: Vec<Vec<String>> =
        rows.iter().map(|it| vec![it.0.to_owned(), say::grouped(it.1)]).collect();
    "## What became of every write\n\n".to_owned() + &table(&["Class", "Writes"], &rows)
}

/// Cells that hold what others wrote.
fn cells<R: AsRef<[String]>>(rows: &[R]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.as_ref().iter().map(|it| plain(it)).collect()).collect()
}

/// A heading and a table, whose first row are its heads; nothing if there are no rows.
fn section(title: &str, rows: &[Vec<String>]) -> String {
    let Some((heads, rows)) = rows.split_first() else { return String::new() };
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    format!("## {title}\n\n{}", table(&heads, &cells(rows)))
}

/// How much service there was phase by phase, and how far the standby was behind.
fn service(drill: &Drill) -> String {
    section("Service, phase by phase 各阶段服务水平", &headed(&LEVELS, both, levels(drill)))
        + &section("How far the standby was behind 复制延迟", &headed(&LAG, both, lag(drill)))
}

/// What the sites used, and what that cost.
fn places(sites: &Sites) -> String {
    let mut text = section(
        "Sites: energy and room 各站点能耗与余量",
        &headed(&FIGURES, both, of_sites(sites)),
    );
    text.extend([stretches(sites), "\n\n".to_owned()]);
    text += &section(
        "Sites: utilisation, phase by phase 各站点各阶段利用率",
        &headed(&USES, both, uses(sites)),
    );
    for it in unavailable(sites) {
        text.extend([format!("- {}\n", plain(&it))]);
    }
    text + "\n"
}

/// What it was, its steps against the plan, and who decided what.
fn course(road: &Road) -> String {
    let mut text = String::new();
    let mut put = |head: &str, columns: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            text.extend([format!("## {head}\n\n"), table(columns, &rows)]);
        }
    };
    let facts = road.facts().into_iter();
    let facts: Vec<_> = facts.map(|(name, zh, it)| [format!("{name} {zh}"), it]).collect();
    put("The exercise 演练概况", &["", ""], cells(&facts));
    let columns = ["#", "Step", "Owner", "Planned", "Took", "Deviation", "State"];
    put("Steps against the plan 步骤：计划与实际", &columns, cells(&road::steps(road)));
    let columns = ["#", "Question", "Answers", "Outcome"];
    put("Who decided what 决策记录", &columns, cells(&road::questions(road)));
    for it in road::remarks(road) {
        text.extend([format!("- {}\n", plain(&it))]);
    }
    text + "\n"
}

fn hypotheses(evidence: &Evidence) -> String {
    let mut rows = Vec::new();
    for it in &evidence.hypotheses {
        rows.extend(it.judgements.iter().map(|judgement| {
            vec![
                plain(&it.planned.name),
                when(judgement.when).to_owned(),
                format!("{} {}", judgement.answer.word(), judgement.answer.word_zh()),
                plain(&judgement.why),
            ]
        }));
    }
    if rows.is_empty() {
        return String::new();
    }
    let head = ["Hypothesis", "When", "Verdict", "Why"];
    "## What had to stay true\n\n".to_owned() + &table(&head, &rows)
}

fn loads(evidence: &Evidence) -> String {
    let mut text = String::new();
    for it in &evidence.loads {
        let head = [&it.planned.name, &it.planned.target, &it.planned.rate].map(|it| plain(it));
        let [name, target, rate] = head;
        text.extend([
            format!("## Load 负载: {name}\n\n{target}, {rate}. "),
            "Times count from the instant planned for each request.\n\n".to_owned(),
        ]);
        let rows = it.stretches.iter().map(|it| {
            let name = format!("{} {}", it.name, it.name_zh);
            [vec![name], it.cells()].concat()
        });
        text += &table(&[&["Stretch"], &HEADS[..]].concat(), &rows.collect::<Vec<_>>());
    }
    text
}

fn phases(evidence: &Evidence) -> String {
    let ratio = |it: Option<f64>| it.map_or_else(|| "–".to_owned(), say::percent);
    let rows = evidence.phases.iter().chain([&evidence.whole]).map(|it| {
        let energy = match &it.energy {
            Energy::Measured { figures, .. } => say::watt_hours(figures.joules),
            Energy::Unavailable { .. } => "unavailable".to_owned(),
        };
        let (mean, peak) = (ratio(it.cpu_mean_ratio), ratio(it.cpu_peak_ratio));
        vec![plain(&it.name), say::bound(it.window.length_us()), mean, peak, energy]
    });
    let head = ["Phase", "Took", "CPU mean", "CPU peak", "Wh"];
    "## Phases\n\n".to_owned() + &table(&head, &rows.collect::<Vec<_>>())
}

fn acts(evidence: &Evidence) -> String {
    let rows: Vec<Vec<String>> = evidence
        .timeline
        .acts
        .iter()
        .map(|it| {
            let seen = it.effect.as_ref().map_or_else(
                || "not looked at".to_owned(),
                |it| format!("{}: {}", it.seen, plain(&it.how)),
            );
            let state = it.state.word().to_owned();
            vec![it.act.to_string(), plain(&it.name), plain(&it.will), seen, state]
        })
        .collect();
    let mut text = String::new();
    if !rows.is_empty() {
        let head = ["#", "Act", "What", "Effect", "Put back"];
        text += &("## What was done, and put back\n\n".to_owned() + &table(&head, &rows));
    }
    if !evidence.not_exercised.is_empty() {
        text += "## What was not exercised 未演练\n\n";
        for it in &evidence.not_exercised {
            text.extend([format!("- {}: {}\n", plain(&it.phase), plain(&it.items.join("; ")))]);
        }
        text += "\n";
    }
    text
}

fn left(evidence: &Evidence) -> String {
    let Some(it) = &evidence.residue else { return String::new() };
    let lines = residue::lines(it).into_iter().map(|it| format!("- {}\n", plain(&it)));
    format!("## What is left of it 残留检查\n\n{}\n", lines.collect::<String>())
}

fn showings(evidence: &Evidence) -> String {
    let rows: Vec<Vec<String>> = shown::acts(&evidence.timeline)
        .map(|(act, showing)| {
            let verdict = shown::verdict(act);
            let verdict =
                verdict.map_or_else(String::new, |it| format!("{} {}", it.word(), it.word_zh()));
            let lines = shown::lines(act);
            let all = std::iter::once(&showing.why).chain(&lines);
            let seen = all.map(|it| plain(it)).collect::<Vec<_>>().join("<br>");
            vec![plain(&act.name), verdict, seen]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["Step", "Verdict", "What was seen"];
    "## What steps showed 步骤结果\n\n".to_owned() + &table(&head, &rows)
}

fn ends(evidence: &Evidence) -> String {
    let mut text = "## Method and limits\n\n".to_owned();
    for it in method::sentences(evidence) {
        text.extend([format!("- {}\n", plain(&it))]);
    }
    text += "\n## How to verify\n\n`holdfast verify FOLDER --key seal.pub`, or without our program, \
             in the run's folder:\n\n";
    text + "```sh\n" + seal::BY_HAND + "\n```\n"
}
