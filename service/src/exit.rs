//! How a process ends: 0 well, 1 for a failure, 2 for wrong usage (clap's own).

use std::io::Write as _;
use std::process::ExitCode;

/// Turns the result of a process into its exit code. A failure is told on standard error in one line: every layer of the
/// cause, from the action that failed down to what the system said.
#[must_use]
pub fn report(name: &str, result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = format!("{error:#}").replace('\n', " ");
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(std::io::stderr(), "{name}: {line}"));
            ExitCode::FAILURE
        }
    }
}
