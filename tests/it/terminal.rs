//! A run in a real terminal: what stands below its lines, and what is left of it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::{
    fs::File,
    io::Read as _,
    os::fd::{AsFd as _, OwnedFd},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use rustix::{
    process::Signal,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::{
    crash::PATIENCE,
    ground::{send, wait, within},
    stage::{Stage, text},
};

const SCENARIO: &str = "chaos-scenarios/kyc-frozen.yaml";

/// A terminal, and all that was ever written to it.
struct Terminal {
    said: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
    runner: Child,
}

impl Terminal {
    /// Plays a shipped scenario in a terminal of so many columns.
    fn play(stage: &Stage, columns: u16, coloured: bool) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let size = Winsize { ws_row: 30, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(slave.as_fd(), size).unwrap();
        let mut command = stage.command(&["chaos", "run", SCENARIO, "--yes"]);
        if coloured {
            command.env_remove("NO_COLOR");
        }
        let slave = OwnedFd::from(slave);
        command.env("TERM", "xterm").stdout(Stdio::null()).stderr(Stdio::from(slave));
        let runner = command.spawn().unwrap();
        // Our own end of the other side goes with the command: the last writer's end is the end.
        drop(command);
        let said = Arc::new(Mutex::new(Vec::new()));
        let put = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            let (mut master, mut piece) = (File::from(master), [0; 4096]);
            while let Ok(n @ 1..) = master.read(&mut piece) {
                put.lock().unwrap().extend(&piece[..n]);
            }
        });
        Self { said, reader, runner }
    }

    fn said(&self) -> String {
        text(&self.said.lock().unwrap())
    }

    /// All of it, when the runner has ended.
    fn end(mut self) -> (Option<i32>, String) {
        let code = wait(&mut self.runner, PATIENCE);
        self.reader.join().unwrap();
        (code, text(&self.said.lock().unwrap()))
    }
}

/// What a terminal shows that was told all this, line by line; and every line that ever stood
/// below the cursor's.
fn shown(said: &str) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut row) = (vec![String::new()], 0);
    let (mut gone, mut rest) = (Vec::new(), said);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\r' => {}
            '\n' => {
                row += 1;
                if lines.len() == row {
                    lines.push(String::new());
                }
            }
            '\u{1b}' => {
                let end = rest.find(|it: char| it.is_ascii_alphabetic()).unwrap();
                let (code, after) = (&rest[..=end], &rest[end + 1..]);
                rest = after;
                match code.split_at(code.len() - 1) {
                    (n, "A") => row -= n[1..].parse::<usize>().unwrap(),
                    ("[", "J") => {
                        gone.extend(lines.drain(row..));
                        lines.push(String::new());
                    }
                    (_, "m") => {}
                    other => panic!("what is {other:?}?"),
                }
            }
            c => lines[row].push(c),
        }
    }
    (lines, gone)
}

#[test]
fn in_a_terminal_sparklines_and_active_faults_stand_below_and_go_with_the_run() {
    let stage = Stage::with_bank(&[]);
    let terminal = Terminal::play(&stage, 100, true);
    let (code, said) = terminal.end();
    assert!(matches!(code, Some(0 | 1 | 4)), "{said}");
    let (left, below) = shown(&said);
    let stood = |part: &str| below.iter().any(|it| it.contains(part));
    assert!(stood("◆ freeze the KYC provider acts, "), "{below:#?}");
    assert!(stood("✓ baseline ▸ disrupt "), "{below:#?}");
    let sparkline = |it: &&String| it.starts_with("payments are accepted ") && it.contains('▁');
    assert!(below.iter().any(|it| sparkline(&it) && it.contains('✗')), "{below:#?}");
    assert!(said.contains("\u{1b}[31m✗"), "what failed is red: {said:?}");
    assert!(!said.contains("\u{1b}[?25"), "the cursor is never hidden");
    assert!(!left.iter().any(|it| it.contains('◆') || it.contains('▁')), "{left:#?}");
    assert!(left.iter().any(|it| it.contains("■ ")), "its lines stay: {left:#?}");
}

#[test]
fn a_narrow_terminal_without_colours_is_not_overrun_and_a_signal_clears_it() {
    for signal in [Signal::INT, Signal::TERM] {
        let stage = Stage::with_bank(&[]);
        let terminal = Terminal::play(&stage, 40, false);
        let acts = || terminal.said().contains("◆ freeze the KYC provider acts");
        assert!(within(PATIENCE, acts), "{}", terminal.said());
        send(terminal.runner.id(), signal);
        let (code, said) = terminal.end();
        assert_eq!(code, Some(4), "{said}");
        let (left, below) = shown(&said);
        assert!(below.iter().any(|it| it.contains('▁') || it.contains('✗')), "{below:#?}");
        let wide: Vec<_> = below.iter().filter(|it| it.chars().count() > 39).collect();
        assert_eq!(wide, Vec::<&String>::new(), "nothing that stands below is wider");
        let colours = said.matches("\u{1b}[").count();
        let moves = said.matches("A\u{1b}[J").count() * 2;
        assert_eq!(colours, moves, "no colours: {said:?}");
        assert!(!left.iter().any(|it| it.contains('◆')), "{signal:?}: {left:#?}");
        assert_eq!(left.last().map(String::as_str), Some(""), "the cursor is on a line of its own");
    }
}
