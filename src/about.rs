//! What every kind says about itself: the source of `explain`, of the README tables and of the
//! laws.

/// A kind's visiting card.
#[derive(Debug)]
pub struct About {
    /// The word users write, `snake_case`.
    pub name: &'static str,
    /// One line, lower case, no full stop.
    pub summary: &'static str,
    /// Powers the process needs beyond an ordinary user's.
    pub needs: &'static [Need],
    /// The settings as a user writes them, in YAML. A test reads it.
    pub example: &'static str,
}

/// A power of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Signal processes of other users (`CAP_KILL`); one's own need nothing.
    Kill,
    /// Read files that belong to root (`CAP_DAC_READ_SEARCH`), such as energy counters.
    ReadAll,
    /// Make control groups: root, or a delegated group.
    Groups,
    /// Change limits of processes of other users (`CAP_SYS_RESOURCE`); one's own need nothing.
    Limits,
    /// Speak to systemd as somebody who may stop services.
    Systemd,
    /// Speak to Docker's socket.
    Docker,
    /// Change the network (`CAP_NET_ADMIN`): the machine's, or one of one's own.
    Network,
    /// Trace processes of other users, or where `kernel.yama.ptrace_scope` is above 0
    /// (`CAP_SYS_PTRACE`); one's own need nothing else.
    Trace,
}

impl Need {
    /// What it is.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "power over the targets' processes",
            Self::ReadAll => "files of root",
            Self::Groups => "control groups",
            Self::Limits => "power over the targets' limits",
            Self::Systemd => "systemd",
            Self::Docker => "Docker's socket",
            Self::Network => "power over the network",
            Self::Trace => "power to trace the targets",
        }
    }

    /// How a person gives it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Kill => "run as the targets' user, as root, or with CAP_KILL",
            Self::ReadAll => "run as root or with CAP_DAC_READ_SEARCH",
            Self::Groups => "run as root, or have the targets' control group delegated",
            Self::Limits => "run as the targets' user, as root, or with CAP_SYS_RESOURCE",
            Self::Systemd => "run as root, or be allowed to by polkit",
            Self::Docker => "run as root or as a member of the group `docker`",
            Self::Trace => {
                "run as the targets' user with kernel.yama.ptrace_scope 0, as root, or with \
                 CAP_SYS_PTRACE"
            }
            Self::Network => {
                "run as root, with CAP_NET_ADMIN, or in a network of your own (`unshare -Urn`)"
            }
        }
    }
}
