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
        energy,
        serve::{self, ServeError},
    },
    meters::carbon::{self, Embodied, Grid, Intensity, Pue, Share},
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
    /// What the building draws for each watt of the machine's; 1 to 5.
    #[arg(long = "energy.pue", value_name = "RATIO")]
    pue: Option<Pue>,
    /// What the grid emits for a kilowatt-hour: `380`, or `380 300 450` with bounds.
    #[arg(long = "carbon.intensity-grams-per-kwh", value_name = "GRAMS")]
    intensity: Option<Grid>,
    /// A file that says what the grid emits; it is read anew when it changes.
    #[arg(long = "carbon.intensity-file", value_name = "FILE", conflicts_with = "intensity")]
    intensity_file: Option<PathBuf>,
    /// This machine's part of its server, for the emissions of making it; above 0, at most 1.
    #[arg(long = "carbon.server-share", value_name = "SHARE")]
    server_share: Option<Share>,
}

impl AgentArgs {
    fn energy(&self) -> energy::Settings {
        let fixed = self.intensity.map(Intensity::Fixed);
        let file = self.intensity_file.clone().map(Intensity::File);
        let embodied = self.server_share.map(Embodied::of);
        let intensity = fixed.or(file).unwrap_or_default();
        let carbon = carbon::Settings { pue: self.pue, intensity, embodied };
        energy::Settings { carbon, ..energy::Settings::default() }
    }
}

/// Whoever embeds us may have a subscriber already; then it stays.
fn log_to_stderr() {
    let talk = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false);
    drop(talk.try_init());
}

/// Serves until it is told to stop. `state` is the state folder.
pub(crate) fn run(args: AgentArgs, state: &Path) -> ExitCode {
    let settings = Settings {
        energy: args.energy(),
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
