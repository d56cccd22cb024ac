//! A drill's course: its questions to people, and going on after its runner vanished.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod anew;
mod answers;
mod clocks;
mod kept;
mod people;
mod resumed;
mod stepped;
mod told;
mod undone;

use std::{process::Child, time::Duration};

use holdfast::journal::{
    course::{Answered, Course},
    entry::{Entry, Fact},
};

use crate::ground::{Done, Ground, quiet, within};

/// For what has no promise, but must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The only run's id and what it wrote down so far; empty before its first line.
fn so_far(ground: &Ground) -> (String, Vec<Entry>) {
    let all = ground.journals();
    let Some((run, bytes)) = all.into_iter().next() else { return Default::default() };
    let lines = holdfast::journal::chain::read(&bytes);
    (run, lines.map(|it| it.entries).unwrap_or_default())
}

/// What the only run says of its course.
fn courses(ground: &Ground) -> Vec<Course> {
    let all = so_far(ground).1.into_iter();
    all.filter_map(|it| if let Fact::Course(it) = it.fact { Some(it) } else { None }).collect()
}

fn answered(ground: &Ground) -> Vec<Answered> {
    let all = courses(ground).into_iter();
    all.filter_map(|it| if let Course::Answered(it) = it { Some(it) } else { None }).collect()
}

/// Starts to play a drill, and leaves it playing.
fn play(ground: &Ground, words: &[&str]) -> Child {
    quiet(&mut ground.holdfast(&[&["drill", "run"], words].concat())).spawn().unwrap()
}

/// Waits until a question is open.
fn asked(ground: &Ground, step: &str) {
    let open = |all: &[Course]| {
        let asks = |it: &Course| matches!(it, Course::Asked(it) if it.step == step);
        let decides = |it: &Course| matches!(it, Course::Decided { step: it, .. } if it == step);
        let last = all.iter().rposition(asks);
        last.is_some() && last > all.iter().rposition(decides)
    };
    assert!(within(PATIENCE, || open(&courses(ground))), "{step} is asked: {:?}", courses(ground));
}

/// Answers from another process.
fn decide(ground: &Ground, words: &[&str]) -> Done {
    ground.run(&[&["drill", "decide", "latest"], words].concat())
}
