//! What files take from the environment of a command.

use crate::{
    cli::args,
    script::outside::Outside,
    world::{linux::secrets, secrets::SecretSource},
};

/// This command's environment and files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Around {
    /// All of it.
    All,
    /// Variables alone: no secret is needed to see whether a file is well written.
    Variables,
}

impl Outside for Around {
    fn variable(&self, name: &str) -> Option<String> {
        args::setting(name)
    }

    fn secret(&self, source: &SecretSource) -> Option<Result<String, String>> {
        match self {
            Self::All => Some(secrets::read(source)),
            Self::Variables => None,
        }
    }
}
