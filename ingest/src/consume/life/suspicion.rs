//! What may show that the stream began another life.

use message::Timestamp;

/// Why the stream may have begun another life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// It was created at another moment.
    Recreated {
        /// When.
        created: Timestamp,
    },
    /// A message came later than all others and has a place among them.
    Backwards {
        /// When it was stored.
        at: Timestamp,
    },
    /// A message has the place of another one that is stored.
    Taken {
        /// Its sequence.
        sequence: i64,
        /// When it was stored.
        at: Timestamp,
    },
    /// It ends below what was seen of it.
    Short,
}

impl Suspicion {
    /// Every [`reason`](Self::reason).
    pub const REASONS: [&str; 3] = ["stream created anew", "sequence ran back", "stream lost its end"];

    /// In words, for the table of lives.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Recreated { .. } => "stream created anew",
            Self::Backwards { .. } | Self::Taken { .. } => "sequence ran back",
            Self::Short => "stream lost its end",
        }
    }
}
