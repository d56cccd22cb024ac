//! Which machine the agent looks at, and how: the flags that serving and looking once share.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    agent::{
        config::{Settings, Systemd, Web},
        energy,
    },
    cli::agent_flags::NodeFlags,
    meters::carbon::{self, Embodied, Grid, Intensity, Pue, Share},
    world::roots::Roots,
};

/// The machine, and what is made of it.
#[derive(Debug, Args)]
pub(super) struct MachineArgs {
    /// The file of settings that is read again on SIGHUP.
    #[arg(long = "config.file", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) node: NodeFlags,
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

impl MachineArgs {
    /// The settings of an agent that listens nowhere yet. `state` is the state folder.
    pub(super) fn settings(self, state: &Path) -> Settings {
        Settings {
            energy: self.energy(),
            listen: Vec::new(),
            systemd: Systemd::default(),
            web: Web::default(),
            config: self.config,
            textfiles: self.node.textfiles.clone(),
            off: self.node.off.clone(),
            only: self.node.only(),
            patterns: self.node.patterns.clone(),
            own: true,
            roots: Roots::new(self.procfs, self.sysfs, self.rootfs),
            state: state.to_owned(),
        }
    }

    fn energy(&self) -> energy::Settings {
        let fixed = self.intensity.map(Intensity::Fixed);
        let file = self.intensity_file.clone().map(Intensity::File);
        let embodied = self.server_share.map(Embodied::of);
        let intensity = fixed.or(file).unwrap_or_default();
        let carbon = carbon::Settings { pue: self.pue, intensity, embodied };
        energy::Settings { carbon, ..energy::Settings::default() }
    }
}
