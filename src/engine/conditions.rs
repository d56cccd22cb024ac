//! What lets a run begin, and what stops it.

use crate::{
    engine::{
        desk::{BEAT, Desk},
        observe::once,
        play::nothing_begun,
    },
    journal::entry::{Fact, Look, When},
    script::{conditions::Guard, hypothesis::Sense, lines::Script},
    verdict::Verdict,
    world::World,
};

/// Why the run may not begin now, one sentence each; nothing if it may.
pub async fn not_now(script: &Script, world: &World) -> Vec<String> {
    let window = script.safety.window.as_ref();
    let mut why: Vec<String> =
        window.and_then(|it| it.closed(world.clock.stamp().wall_us)).into_iter().collect();
    for it in &script.safety.start_when {
        let asked = (&it.is, Sense::Always);
        let Look(_, _, grade, note, _) = once(world.clock.now_us(), &*it.probe, asked, world).await;
        match grade {
            Verdict::Pass => {}
            Verdict::Fail => why.push(format!("{}: {note}", it.name)),
            Verdict::Inconclusive => why.push(format!("{}: could not look: {note}", it.name)),
        }
    }
    why
}

/// Stops the run when something is so that must not be, or when nobody can tell for too long.
pub(super) async fn guard(script: &Script, desk: &Desk) {
    let first = script.hypotheses.len();
    let mut tick = tokio::time::interval(BEAT);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !script.safety.abort_when.is_empty() {
        tick.tick().await;
        for (n, it) in script.safety.abort_when.iter().enumerate() {
            let mut looks = Vec::new();
            let many = it.never.threshold.of().max(it.blind_max);
            desk.with_observer(|observer| looks = observer.last(first + n, many));
            if let Some((verdict, why)) = tripped(it, &looks) {
                return trip(desk, &it.never.name, (verdict, why));
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Whether the last looks are too much.
fn tripped(it: &Guard, looks: &[Look]) -> Option<(Verdict, String)> {
    let of = it.never.threshold.of();
    let recent = looks.get(looks.len().saturating_sub(of)..).unwrap_or(looks);
    let mut bad = recent.iter().filter(|it| it.2 == Verdict::Fail);
    if bad.clone().count() >= it.never.threshold.failures() {
        let note = bad.next_back().map_or("", |it| it.3.as_str());
        return Some((Verdict::Fail, format!("it was so: {note}")));
    }
    let blind = looks.iter().rev().take_while(|it| it.2 == Verdict::Inconclusive);
    if blind.clone().count() < it.blind_max {
        return None;
    }
    let note = blind.last().map_or("", |it| it.3.as_str());
    let why = format!("nobody could tell for {} looks in a row: {note}", it.blind_max);
    Some((Verdict::Inconclusive, why))
}

/// A run that has touched nothing is refused; any other is judged by it, and stops.
fn trip(desk: &Desk, name: &str, (verdict, why): (Verdict, String)) {
    desk.stop.say(format!("{name}: {why}"));
    if desk.fold(nothing_begun) {
        return desk.refuse();
    }
    let (hypothesis, when) = (name.to_owned(), When::During);
    if let Err(why) = desk.write(Fact::Judged { hypothesis, when, verdict, why }) {
        tracing::error!("the journal could not be written: {why}");
    }
}
