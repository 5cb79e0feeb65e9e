//! How a viewer is served next, decided from its position, the ring and the watermark alone. Pure.

use super::ring::{Found, Ring};
use crate::cursor::Cursor;
use crate::filter::Filter;

/// What to do for a viewer.
#[derive(Debug)]
pub(super) enum Step {
    /// Take this from the ring.
    Ring(Found),
    /// Read the table after the viewer's position and up to this one.
    Table {
        /// At or below the watermark.
        up_to: Cursor,
    },
    /// It has seen everything that can be shown; the ring wakes it.
    Idle,
    /// It has seen everything that has come, but the ring is still being filled; the ring wakes it.
    Filling,
    /// A copy that it would see is not decided; the ring wakes it.
    Undecided,
    /// It is below the ring and at the watermark; the watermark wakes it.
    BelowRing,
}

/// The next step of a viewer at this position.
pub(super) fn next(ring: &Ring, watermark: Cursor, position: Cursor, filter: &Filter) -> Step {
    match ring.look(position, filter) {
        Some(found) if !found.frames.is_empty() || found.reached > position => Step::Ring(found),
        Some(found) if found.blocked => Step::Undecided,
        Some(_) if ring.is_filled() => Step::Idle,
        Some(_) => Step::Filling,
        None if position < watermark => {
            // Once it is inside the ring, the table has nothing more to tell it.
            let up_to = if ring.is_open() { watermark.min(ring.base()) } else { watermark };
            Step::Table { up_to }
        }
        None => Step::BelowRing,
    }
}
