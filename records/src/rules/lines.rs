//! Which lines are one message.

use std::time::Duration;

use regex::Regex;

/// Patterns of first and further lines.
#[derive(Debug, Clone)]
pub(crate) struct Grouping {
    start: Vec<Regex>,
    further: Vec<Regex>,
    wait: Duration,
}

impl Grouping {
    pub(super) fn new(start: Vec<Regex>, further: Vec<Regex>, wait: Duration) -> Self {
        Self { start, further, wait }
    }

    /// Whether a line belongs to the message that the line before it belongs to: it does not begin one, and where further
    /// lines have a pattern it has that.
    pub(crate) fn continues(&self, line: &str) -> bool {
        let is_any = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(line));
        !is_any(&self.start) && (self.further.is_empty() || is_any(&self.further))
    }

    /// How long a further line is waited for.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }
}
