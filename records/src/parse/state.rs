//! What a parser must remember between two lines, bounded, and written to the checkpoint with the offset it belongs to.

use serde::{Deserialize, Serialize};

/// What the parser of one source knows after a line. Cheap to copy where nothing is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParserState {
    /// The agent program whose events were recognised last.
    program: Option<String>,
}

impl ParserState {
    /// The agent program whose events were recognised last.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        self.program.as_deref()
    }
}
