//! What a source works with in its turn, and what comes of it.

use std::collections::VecDeque;

use records::{Counts, Recorder, SourceIdentity};

use super::{Context, Next, Press, now};
use crate::checkpoint::{FileIdentity, Place, SourceRecord};
use crate::ledger::{Ledger, SourceKey};

/// What a source works with in its turn.
pub struct Turn<'a> {
    pub context: &'a Context,
    pub ledger: &'a mut Ledger,
    pub made: &'a mut VecDeque<Next>,
    pub chunk: &'a mut [u8],
    pub press: &'a mut Press,
    /// Whether the step is over: each source is told to be at its end, and goes on as before until this process ends.
    pub closing: bool,
    /// Whether this process is to end.
    pub finishing: bool,
    /// How many files are open.
    pub open: usize,
}

/// Where a source stands at its end.
#[derive(Debug)]
pub struct Ending {
    pub key: SourceKey,
    pub identity: SourceIdentity,
    pub offset: u64,
    pub counts: Counts,
    /// NUL bytes that belong to no line.
    pub skipped: u64,
    /// Whether everything that it has was read.
    pub complete: bool,
    /// Whether this end was told already.
    pub is_told: bool,
}

/// What a source has next.
pub enum Progress {
    /// Something was made.
    Made,
    /// A chunk was read or used up: another source's turn.
    Yield,
    /// There is nothing more now.
    Idle,
    /// There will never be more.
    Ended,
    /// It is not open, and its name leads to it no more.
    Missing,
}

/// A record of a source that starts.
pub fn new_record(label: &str, container: Option<String>, generation: u64, file: Option<FileIdentity>) -> SourceRecord {
    SourceRecord { label: label.to_owned(), container, generation, place: Place::default(), file, cut: None, read: None }
}

/// Whether what a recorder holds has waited long enough for more.
pub fn is_held_too_long(recorder: &Recorder) -> bool {
    let Some(since) = recorder.held_since() else { return false };
    let waited = now().unix_micros() - since.unix_micros();
    // A clock that was set back must not hold it for ever.
    waited < 0 || u128::from(waited.unsigned_abs()) >= recorder.hold_limit().as_micros()
}
