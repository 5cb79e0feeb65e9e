//! Which days go next. Pure.

use time::Date;

use crate::store::partitions::list::{Leaf, LeafState};

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// The oldest day that is kept.
    pub(super) oldest: Date,
    /// Today, which is never dropped.
    pub(super) today: Date,
    /// What all days together may take on disk.
    pub(super) bytes: Option<u64>,
}

/// Why a day goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Age,
    Size,
}

impl Reason {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
        }
    }
}

/// The days that are to go, oldest first: those that are too old, and then as many as it takes until the rest is small enough.
/// Those whose going has begun come without a reason.
pub(super) fn choose(leaves: &[Leaf], keep: Keep) -> Vec<(&Leaf, Option<Reason>)> {
    let stays = |leaf: &&Leaf| leaf.state == LeafState::Attached && !leaf.is_leaving;
    let mut bytes: u64 = leaves.iter().filter(stays).map(|leaf| u64::try_from(leaf.bytes).unwrap_or(0)).sum();
    let mut chosen = Vec::new();
    for leaf in leaves {
        // What is on its way without our mark, a person detaches, to keep it.
        if leaf.is_leaving {
            chosen.push((leaf, None));
        } else if leaf.state == LeafState::Attached && leaf.day < keep.today {
            let reason = if leaf.day < keep.oldest {
                Reason::Age
            } else if keep.bytes.is_some_and(|most| bytes > most) {
                Reason::Size
            } else {
                continue;
            };
            bytes = bytes.saturating_sub(u64::try_from(leaf.bytes).unwrap_or(0));
            chosen.push((leaf, Some(reason)));
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
