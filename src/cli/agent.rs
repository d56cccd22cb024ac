//! `holdfast agent`: metrics of this machine, its runs and its business, for Prometheus.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    agent::{
        config::{Listen, Settings},
        serve::{self, ServeError},
    },
    world::roots::Roots,
};

/// Export metrics of this machine, of runs and of business events to Prometheus.
#[derive(Debug, Parser)]
pub(crate) struct AgentArgs {
    /// Where to listen; port 0 lets the system choose.
    #[arg(long = "web.listen-address", value_name = "ADDR", default_value = ":9100")]
    listen: Listen,
    /// Where the watched machine's procfs is.
    #[arg(long = "path.procfs", value_name = "DIR", default_value = "/proc")]
    procfs: PathBuf,
    /// Where the watched machine's sysfs is.
    #[arg(long = "path.sysfs", value_name = "DIR", default_value = "/sys")]
    sysfs: PathBuf,
    /// Where the watched machine's root file system is.
    #[arg(long = "path.rootfs", value_name = "DIR", default_value = "/")]
    rootfs: PathBuf,
}

/// Whoever embeds us may have a subscriber already; then it stays.
fn log_to_stderr() {
    let talk = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false);
    drop(talk.try_init());
}

/// Serves until it is told to stop. `state` is the state folder.
pub(crate) fn run(args: AgentArgs, state: &Path) -> ExitCode {
    let settings = Settings {
        listen: args.listen,
        roots: Roots::new(args.procfs, args.sysfs, args.rootfs),
        state: state.to_owned(),
    };
    log_to_stderr();
    let outcome = serve::run(settings, |address| {
        let mut out = io::stdout().lock();
        // Whoever started us may have closed our stdout; we serve all the same.
        drop(writeln!(out, "listening on http://{address}").and_then(|()| out.flush()));
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let mut talk = io::stderr().lock();
            drop(writeln!(talk, "error: could not {why}"));
            if let ServeError::Listen { .. } = why {
                drop(writeln!(
                    talk,
                    "help: choose another address with --web.listen-address, or port 0 for any"
                ));
            }
            ExitCode::from(3)
        }
    }
}
