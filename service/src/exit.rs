//! How a process ends: 0 well, 1 for a failure, 2 for wrong usage (clap's own).

use std::io::Write as _;
use std::process::ExitCode;

/// The arguments of the process, or its end: help and version as they are, wrong usage in one line with code 2.
///
/// # Errors
/// The exit code to end with.
pub fn arguments<T: clap::Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|error| refuse(&error))
}

/// Tells what is wrong with the arguments, or shows the help that was asked for.
#[must_use]
pub fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Nobody is left to show it to when standard output is closed.
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    drop(writeln!(std::io::stderr(), "{}", usage_line(&error.to_string())));
    ExitCode::from(2)
}

/// The several paragraphs of a usage error in one line: what is wrong, the tips, and where to read on.
fn usage_line(text: &str) -> String {
    let told = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let words: Vec<&str> = told.map(str::trim).filter(|line| !line.is_empty()).collect();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or_default();
    let mut help: Vec<&str> = usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    help.push("--help");
    format!("{}; see `{}`", words.join(" "), help.join(" ").trim())
}

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

#[cfg(test)]
mod tests;
