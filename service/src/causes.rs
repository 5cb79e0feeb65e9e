//! What is told of an error where it is handled: every layer, from the action that failed down to what the system said.

use std::error::Error;

/// An error and its causes in one line, each behind a colon.
#[must_use]
pub fn in_one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line.replace('\n', " ")
}

#[cfg(test)]
mod tests;
