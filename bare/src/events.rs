//! Messages in an event stream, found without reading them.

use memchr::memmem;

/// How the data of each message begins; no other event has it.
const BEGIN: &[u8] = b"\ndata: {\"id\":";
/// What tells that a stream is live.
const LIVE: &[u8] = b"event: caught_up";

/// Counts messages in pieces of a stream, wherever it was cut.
#[derive(Default)]
pub struct Messages {
    counted: usize,
    /// The end of what came, in which a message may begin.
    tail: Vec<u8>,
}

impl Messages {
    /// Counts those that begin in the next piece.
    pub fn count(&mut self, piece: &[u8]) {
        let meeting = piece.len().min(BEGIN.len() - 1);
        self.tail.extend_from_slice(&piece[..meeting]);
        self.counted += memmem::find_iter(&self.tail, BEGIN).count() + memmem::find_iter(piece, BEGIN).count();
        if piece.len() >= BEGIN.len() - 1 {
            self.tail.clear();
            self.tail.extend_from_slice(&piece[piece.len() - (BEGIN.len() - 1)..]);
        } else {
            let spare = self.tail.len().saturating_sub(BEGIN.len() - 1);
            self.tail.drain(..spare);
        }
    }

    /// How many began so far.
    #[must_use]
    pub fn counted(&self) -> usize {
        self.counted
    }

    /// Whether no event is open.
    #[must_use]
    pub fn ends_whole(&self) -> bool {
        self.tail.ends_with(b"\n\n")
    }
}

/// Whether the beginning of a stream says that it is live.
#[must_use]
pub fn is_live(begun: &[u8]) -> bool {
    memmem::find(begun, LIVE).is_some()
}
