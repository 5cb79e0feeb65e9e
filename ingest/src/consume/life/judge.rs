//! Whether a message belongs to the life of the stream that is known. Pure.
//!
//! A stream that lost its end, because a node came back without what was not on its disk yet, goes on from where it was
//! cut: the same sequences, other messages, later. A message that is both at or below the highest sequence and later than
//! the latest store time that was seen shows that. The two maxima are kept apart: the clock of a new leader may be a little
//! behind, and then the highest sequence is not the latest message.

use message::Timestamp;

/// The highest sequence and the latest store time that were handed out in a life of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct High {
    /// 0 for none.
    pub sequence: i64,
    /// Of whichever message.
    pub at: Option<Timestamp>,
}

impl High {
    /// Raises both maxima.
    pub fn raise(&mut self, other: Self) {
        self.sequence = self.sequence.max(other.sequence);
        self.at = self.at.max(other.at);
    }
}

/// What a message is to what was handed out before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It goes on.
    Advance,
    /// It was handed out before, or by another replica.
    Old,
    /// The stream began another life.
    Backwards,
}

/// Judges a message of the newest life by its sequence and store time.
#[must_use]
pub fn judge(high: High, sequence: i64, at: Timestamp) -> Judgement {
    let is_later = high.at.is_none_or(|latest| at > latest);
    match (sequence > high.sequence, is_later) {
        (true, _) => Judgement::Advance,
        (false, true) => Judgement::Backwards,
        (false, false) => Judgement::Old,
    }
}

#[cfg(test)]
mod tests;
