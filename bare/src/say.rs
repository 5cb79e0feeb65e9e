//! Answers on standard output.

use std::io::Write as _;

/// Tells that something is done.
pub fn say(words: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{words}")?;
    output.flush()
}
