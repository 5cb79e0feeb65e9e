//! What a user may say about the text of a source: which format its lines have, which lines belong together, what stands
//! where in a line, and what more is secret.
//!
//! Written in TOML. It is checked as a whole before it is used, and a mistake is told with its line:
//!
//! ```toml
//! format = "auto"          # auto, text, codex, claude, gemini, runner
//!
//! [lines]                  # lines that are one message, such as a stack trace
//! start = '^\d{4}-\d\d-\d\d '
//! wait_ms = 1000           # how long the next line of a message is waited for
//!
//! [[rule]]                 # the first rule that matches a line reads it
//! pattern = '^(?P<timestamp>\S+ \S+) (?P<level>ERROR|FATAL) (?P<content>.*)'
//! kind = "error"
//!
//! [[redact]]
//! name = "ticket"
//! pattern = 'TICKET-\d+'
//! ```
//!
//! It reads no file: its text is handed in.

mod file;
mod lines;
mod rule;

use std::time::Duration;

use crate::draft::Draft;
pub(crate) use lines::Grouping;
use rule::Rule;

/// Longest text of rules.
pub const RULES_LIMIT: usize = 256 * 1024;

/// Longest time that the next line of a message is waited for, unless the rules say another.
const WAIT: Duration = Duration::from_secs(1);

/// Rules for the text of a source. The default has none: every line is looked at by itself.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub(crate) format: Format,
    pub(crate) grouping: Option<Grouping>,
    readers: Vec<Rule>,
    redact: Vec<(String, String)>,
}

/// What the lines of a source are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Each line is recognised by itself.
    #[default]
    Auto,
    /// Text, also where it looks like JSON.
    Text,
    /// Events of `codex exec --json`, and text.
    Codex,
    /// Events of Claude Code, and text.
    Claude,
    /// Events of the Gemini CLI, and text.
    Gemini,
    /// Lines of the agent runner, and text.
    Runner,
}

/// Rules that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RulesError {
    /// Line of the mistake, from 1.
    pub line: usize,
    /// What is wrong, and the way out.
    pub reason: String,
}

impl Rules {
    /// Reads rules, and checks all of them.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        file::read(text)
    }

    /// The same rules for lines of another format.
    #[must_use]
    pub fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// What is secret beside the defaults: pairs of name and pattern.
    #[must_use]
    pub fn redactions(&self) -> &[(String, String)] {
        &self.redact
    }

    /// Reads a draft of text by the first rule that matches.
    pub(crate) fn read(&self, draft: &mut Draft) {
        self.readers.iter().any(|rule| rule.read(draft));
    }

    /// How long the next line of a message is waited for, once nothing more comes.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.grouping.as_ref().map_or(WAIT, Grouping::wait)
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => Self::Auto,
            "text" => Self::Text,
            "codex" => Self::Codex,
            "claude" => Self::Claude,
            "gemini" => Self::Gemini,
            "runner" => Self::Runner,
            _ => return Err(format!("`{text}` is no format; use auto, text, codex, claude, gemini or runner")),
        })
    }
}

#[cfg(test)]
mod tests;
