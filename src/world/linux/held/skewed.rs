//! Runs a program that sees another time than everybody else, for as long as we live.
#![expect(
    clippy::disallowed_types,
    reason = "this is the wall: a held child starts a real program here"
)]

use std::{
    convert::Infallible,
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use super::stands;
use crate::world::{clock::Clock as _, host::HOLD, linux::clock::LinuxClock, thread};

/// How a clock is made to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means<'a> {
    /// By libfaketime, whose library lies there: the time of day.
    Preload(&'a str),
    /// By a time namespace: the clocks that count from some start (`time_namespaces(7)`).
    Namespace,
}

/// The word on our command line that makes us become the program.
pub const BECOME: &str = "become";

/// Runs `argv` under a clock that is off by `offset_s` seconds, and looks at that clock.
pub fn run(means: Means<'_>, offset_s: i64, argv: &[String]) -> Result<Infallible, String> {
    let seen = seen_s(means, offset_s)?;
    let no = |why: io::Error| format!("could not start `{}`: {why}", argv.join(" "));
    // Between us and the program stands this program again: it ties its life to ours, and becomes
    // the program, which keeps the tie (prctl(2): it survives execve).
    let mut child = Command::new("/proc/self/exe")
        .arg0(HOLD)
        .args(["hold", "clock_skew", "--mark", "-", "--parent", &std::process::id().to_string()])
        .args(["--", BECOME])
        .args(under(means, offset_s, argv))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(no)?;
    stands(format!("`{}` runs, and its clock is {seen} s off", argv.join(" ")));
    let ended = child.wait().map_err(no)?;
    // A program that ends by itself has seen the wrong time; what it did stays seen.
    stands(format!("`{}` ran, with a clock {seen} s off, and ended: {ended}", argv.join(" ")));
    loop {
        thread::nap(std::time::Duration::from_hours(1));
    }
}

/// Becomes the program.
pub fn become_it(argv: &[String]) -> Result<Infallible, String> {
    let (program, args) = argv.split_first().ok_or("no program is named")?;
    Err(Command::new(program).args(args).exec().to_string())
}

/// The command that runs `argv` under the wrong clock.
fn under(means: Means<'_>, offset_s: i64, argv: &[String]) -> Vec<String> {
    let head = match means {
        Means::Preload(library) => vec![
            "env".to_owned(),
            format!("LD_PRELOAD={library}"),
            format!("FAKETIME={offset_s:+}"),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        ],
        Means::Namespace => vec![
            "unshare".to_owned(),
            "--time".to_owned(),
            format!("--monotonic={offset_s}"),
            format!("--boottime={offset_s}"),
            "--kill-child=KILL".to_owned(),
            "--".to_owned(),
        ],
    };
    head.into_iter().chain(argv.iter().cloned()).collect()
}

/// How far off the clock is that a program sees, in seconds.
fn seen_s(means: Means<'_>, offset_s: i64) -> Result<i64, String> {
    let ask = match means {
        Means::Preload(_) => ["date", "+%s"],
        Means::Namespace => ["cat", "/proc/uptime"],
    };
    let argv = under(means, offset_s, &ask.map(str::to_owned));
    let (program, args) = argv.split_first().ok_or("no program is named")?;
    let now = LinuxClock.stamp();
    let told = Command::new(program).args(args).stdin(Stdio::null()).output();
    let told = told.map_err(|why| format!("could not run `{program}`: {why}"))?;
    let text = String::from_utf8_lossy(&told.stdout);
    let seen = text.split(['.', ' ', '\n']).next().and_then(|it| it.parse::<i64>().ok());
    let Some(seen) = seen else {
        let why = String::from_utf8_lossy(&told.stderr);
        return Err(format!("`{program}` gives no other time: {}", why.trim()));
    };
    let true_us = match means {
        Means::Preload(_) => now.wall_us,
        Means::Namespace => now.boot_us,
    };
    let off = seen - i64::try_from(true_us / 1_000_000).unwrap_or(0);
    if (off - offset_s).abs() > 2 {
        return Err(format!("a program sees a clock {off} s off, not {offset_s}"));
    }
    Ok(off)
}
