//! What every part of a replica knows of the stream: how far it is stored, and which lives it has had. It is replaced whole,
//! by the one task that reads it, so that no part ever sees a watermark of one life beside the list of another moment.

use std::sync::Arc;

use crate::cursor::Cursor;
use crate::epochs::Epochs;

/// How far the stream is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Everything at or below it is committed, and nothing will appear there later. Epoch 0 stands for: not known yet.
    pub watermark: Cursor,
    /// The lives of the stream.
    pub epochs: Arc<Epochs>,
    /// Whether the stream may have begun another life that is not known yet: nothing newly delivered is stored or shown.
    pub quarantine: bool,
}

impl Settled {
    /// Up to a position, in a stream that had one life.
    #[must_use]
    pub fn at(watermark: Cursor) -> Self {
        Self { watermark, ..Self::default() }
    }

    /// The watermark, once it is known.
    #[must_use]
    pub fn known(&self) -> Option<Cursor> {
        (self.watermark.epoch != 0).then_some(self.watermark)
    }
}

impl Default for Settled {
    fn default() -> Self {
        Self { watermark: Cursor::default(), epochs: Arc::new(Epochs::first()), quarantine: false }
    }
}
