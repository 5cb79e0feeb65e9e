//! What a person should know about an injection that went on all the same.

use std::fmt;

/// One remark: a stable code, and words with the values in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The stable code.
    pub code: &'static str,
    /// What it is about.
    pub words: String,
}

impl Note {
    /// An annotation has a value that cannot be used; its default holds.
    #[must_use]
    pub fn bad_override(annotation: &str, words: impl fmt::Display) -> Self {
        Self { code: "bad_override", words: format!("agent-comms.dev/{annotation}: {words}") }
    }

    /// A glob reaches into no volume that the sidecar can share.
    #[must_use]
    pub fn files_not_on_volume(glob: &str) -> Self {
        Self { code: "files_not_on_volume", words: format!("{glob} is on no volume that steps write") }
    }

    /// A container has something of its own where its socket would be.
    #[must_use]
    pub fn mount_path_conflict(container: &str) -> Self {
        Self {
            code: "mount_path_conflict",
            words: format!("container {container} has its own mount at /run/agent-comms, or a read-only one above it"),
        }
    }

    /// The labels promise a run above the Job, and nobody could say which object that is.
    #[must_use]
    pub fn owner_unknown() -> Self {
        Self { code: "owner_unknown", words: "the run above the Job was not found; the Job is the run".to_owned() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.words)
    }
}
