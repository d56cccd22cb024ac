//! `holdfast`: parse, run, exit code.

fn main() -> std::process::ExitCode {
    holdfast::cli::main()
}
