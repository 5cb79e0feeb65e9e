//! One line for each stage of a command, with its time; colour only on a terminal.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Instant;

/// Runs one stage and tells how long it took. The line appears when the stage begins, so that a long one is seen waiting.
pub fn run<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    tell("34", "▸", &format!("{name} …"));
    let started = Instant::now();
    let result = work()?;
    tell("32", "✓", &format!("{name}  {:.1} s", started.elapsed().as_secs_f64()));
    Ok(result)
}

/// Tells why a command failed.
pub fn fail(message: &str) {
    tell("31", "✗", message);
}

fn tell(colour: &str, sign: &str, text: &str) {
    let mut output = stderr().lock();
    let written = if stderr().is_terminal() {
        writeln!(output, "\x1b[{colour}m{sign}\x1b[0m {text}")
    } else {
        writeln!(output, "{sign} {text}")
    };
    // Progress that nobody reads is no reason to stop.
    drop(written);
}
