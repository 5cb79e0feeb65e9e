//! How far the watermark of a life may go, from what the server tells. Pure.
//!
//! The server counts a message that the stream discarded as acknowledged, also one that a replica still holds. So its
//! floor is believed only while the stream still begins at or below the first message above the watermark: then nothing
//! above it was discarded before the floor was read, and whatever the floor passed was acknowledged, which is done after
//! the commit alone.

/// What the server told: the consumer first, then the stream. In this order whatever was discarded before the floor was
/// read is below the first sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Everything at or below it is acknowledged, or was discarded.
    pub(super) floor: i64,
    /// The first sequence that the stream still has.
    pub(super) first: i64,
}

/// A life of the stream, as the table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) watermark: i64,
    /// The end of what was discarded and may still be held by a replica.
    pub(super) hold_to: Option<i64>,
    /// The last sequence that belongs to this life: below the first of the next one, in the same stream.
    pub(super) last: i64,
    /// Whether the stream is about to discard what is not stored yet.
    pub(super) is_near_end: bool,
}

/// What to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Nothing,
    /// Everything up to here is committed.
    Raise(i64),
    /// Something up to here was discarded that may not be committed: the watermark stands, while replicas commit what they
    /// hold.
    Hold(i64),
    /// The watermark stands: what was discarded up to here is to be compared with the table.
    Compare(i64),
}

pub(super) fn decide(standing: Standing, told: Told) -> Decision {
    if let Some(hold_to) = standing.hold_to {
        return Decision::Compare(hold_to);
    }
    let discarded_to = (told.first - 1).min(standing.last);
    if discarded_to > standing.watermark {
        return Decision::Hold(discarded_to);
    }
    let floor = told.floor.min(standing.last);
    if floor <= standing.watermark {
        return Decision::Nothing;
    }
    // Where the stream is kept several times, the consumer and the stream may be led by two servers, each with a clock of its
    // own: one counts as acknowledged what has expired there, while the other still has it.
    if standing.is_near_end { Decision::Hold(floor) } else { Decision::Raise(floor) }
}

#[cfg(test)]
mod tests;
