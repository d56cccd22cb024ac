//! Questions, one file a kind.

mod command;
mod dns;
mod file;
mod http;
mod log;
mod process;
mod prometheus;
mod replicas;
mod sql;
mod tcp;
mod tls;

use crate::probe::ProbeKind;

/// Every probe there is.
pub const KINDS: &[ProbeKind] = &[
    ProbeKind::of::<command::Command>(),
    ProbeKind::of::<dns::Dns>(),
    ProbeKind::of::<file::LookAtFile>(),
    ProbeKind::of::<http::Http>(),
    ProbeKind::of::<log::Log>(),
    ProbeKind::of::<process::ProcessCount>(),
    ProbeKind::of::<prometheus::Prometheus>(),
    ProbeKind::of::<replicas::Replicas>(),
    ProbeKind::of::<sql::Sql>(),
    ProbeKind::of::<tcp::Tcp>(),
    ProbeKind::of::<tls::Tls>(),
];
