//! `holdfast agent`: metrics of this machine, its runs and its business, for Prometheus.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    agent::{
        config::{Listen, SCRAPES_MAX, Systemd, Web},
        serve::{self, ServeError},
    },
    cli::{agent_look, agent_machine::MachineArgs, args, exit::Exit, show},
};

/// Export metrics of this machine, of runs and of business events to Prometheus.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AgentArgs {
    #[command(subcommand)]
    look: Option<agent_look::Look>,
    /// Where to listen: host and port (0 lets the system choose), or `unix:` and a path. Can be
    /// given more than once.
    #[arg(long = "web.listen-address", value_name = "ADDR", default_value = ":9100")]
    listen: Vec<Listen>,
    /// Listen on the sockets that systemd hands over, and refuse to start without.
    #[arg(long = "web.systemd-socket")]
    systemd_socket: bool,
    /// The file with TLS, users and headers, in the format of Prometheus's exporters.
    #[arg(long = "web.config.file", value_name = "FILE", value_parser = clap::value_parser!(PathBuf))]
    web_config: Option<PathBuf>,
    /// Where the metrics are.
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics",
        value_parser = telemetry_path)]
    telemetry_path: String,
    /// So many scrapes at once at most; 0: as many as come.
    #[arg(long = "web.max-requests", value_name = "COUNT", default_value_t = SCRAPES_MAX)]
    scrapes_max: usize,
    /// Hear `POST /-/reload`.
    #[arg(long = "web.enable-lifecycle")]
    lifecycle: bool,
    /// Leave out the metrics about the agent's own process.
    #[arg(long = "web.disable-exporter-metrics")]
    no_own: bool,
    #[command(flatten)]
    machine: MachineArgs,
}

/// Logs go to standard error, as the flags or else `RUST_LOG` say.
pub(crate) fn logs(args: &AgentArgs) {
    use tracing_subscriber::{EnvFilter, fmt};
    // Who looks once wants the answer alone.
    let usual = if args.look.is_some() { "error" } else { "info" };
    let filter = args.machine.node.level.clone().or_else(|| args::setting("RUST_LOG"));
    let filter = filter.and_then(|it| EnvFilter::try_new(it).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(usual));
    let plain = fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // Whoever embeds us may have a subscriber already; then it stays.
    drop(if args.machine.node.json { plain.json().try_init() } else { plain.try_init() });
}

/// As many scrapes as there can be connections.
const NO_LIMIT: usize = 1 << 16;

fn telemetry_path(text: &str) -> Result<String, String> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "/-_.~".contains(it);
    let taken = ["/-/healthy", "/-/ready", "/-/reload", "/v1/events"].contains(&text);
    if text.starts_with('/') && text.chars().all(plain) && !taken {
        Ok(text.to_owned())
    } else {
        Err("write a path of its own, as in `/metrics`".to_owned())
    }
}

/// What systemd says in the environment, if it says it to us.
fn systemd() -> Systemd {
    let number = |name: &str| args::setting(name)?.parse::<u32>().ok();
    let is_ours = number("LISTEN_PID") == Some(std::process::id());
    let sockets = if is_ours { number("LISTEN_FDS").unwrap_or(0).min(64) } else { 0 };
    Systemd { sockets, notify: args::setting("NOTIFY_SOCKET").filter(|it| !it.is_empty()) }
}

/// Serves until it is told to stop. `state` is the state folder.
pub(crate) fn run(args: AgentArgs, state: &Path) -> ExitCode {
    if let Some(look) = args.look {
        return look.run(state);
    }
    let systemd = systemd();
    if args.systemd_socket && systemd.sockets == 0 {
        let help = "start it from a unit with a .socket of the same name, or leave the flag out";
        show::error("could not take over a socket from systemd: there is none", help);
        return ExitCode::from(3);
    }
    let mut settings = args.machine.settings(state);
    settings.listen = args.listen;
    settings.systemd = systemd;
    settings.own = !args.no_own;
    settings.web = Web {
        config: args.web_config.filter(|it| !it.as_os_str().is_empty()),
        telemetry_path: args.telemetry_path,
        scrapes_max: if args.scrapes_max == 0 { NO_LIMIT } else { args.scrapes_max.min(NO_LIMIT) },
        lifecycle: args.lifecycle,
    };
    let outcome = serve::run(settings, |address| {
        let mut out = io::stdout().lock();
        // Whoever started us may have closed our stdout; we serve all the same.
        drop(writeln!(out, "listening on {address}").and_then(|()| out.flush()));
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => refused(&why),
    }
}

/// Says why the agent cannot be what it was told to be.
pub(super) fn refused(why: &ServeError) -> ExitCode {
    let help = match why {
        ServeError::Listen { .. } => {
            "choose another address with --web.listen-address, or port 0 for any"
        }
        _ => "",
    };
    show::error(format!("could not {why}"), help);
    // A file that makes no sense is the user's mistake, as a flag is.
    if let ServeError::Refused(_) = why { Exit::Usage } else { Exit::Refused }.into()
}
