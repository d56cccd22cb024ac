//! `holdfast schema`: how files are written, as a JSON Schema for editors.

use clap::{Args, ValueEnum};

use crate::{
    cli::{exit::Exit, show},
    journal::index::RunKind,
    registry,
    script::schema,
};

/// What `holdfast schema` is told.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// The sort of file.
    #[arg(value_enum)]
    file: File,
}

/// The files that have a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum File {
    /// What `holdfast chaos run` plays.
    Scenario,
    /// What `holdfast drill run` plays.
    Drill,
}

/// Prints it.
pub(super) fn run(it: &SchemaArgs) -> Exit {
    let kind = match it.file {
        File::Scenario => RunKind::Scenario,
        File::Drill => RunKind::Drill,
    };
    show::line(format!("{:#}", schema::schema(kind, &registry::kinds())));
    Exit::Pass
}
