//! How a file comes to rest, is closed for another that is to be opened, and is told when no name leads to it any more.

use std::time::Duration;

use super::super::Turn;
use super::super::control::tell_gap;
use super::super::life::Life;
use super::{Closed, FileSource, Held, Reading, State};
use crate::files::stat::Stat;
use crate::ledger::Ledger;

impl FileSource {
    /// Gives up everything but the descriptor, if the ledger knows all of it. With `pressure` it is enough that nothing but
    /// the beginning of a line is not known, which is kept: then it can be closed.
    pub fn rest(&mut self, ledger: &Ledger, pressure: bool) -> bool {
        let State::Reading(reading) = &self.state else { return matches!(self.state, State::Resting(_)) };
        if self.queued || self.decided.is_some() || !reading.life.is_acknowledged(ledger) {
            return false;
        }
        if reading.life.pending() > 0 {
            return pressure;
        }
        if let State::Reading(reading) = std::mem::replace(&mut self.state, State::Closed(Closed::default())) {
            let Reading { life, tail } = *reading;
            self.keep(&life);
            self.seen = tail.seen();
            self.state = State::Resting(tail.into_file());
        }
        true
    }

    /// Whether nothing was read of it for so long.
    pub fn is_idle_for(&self, duration: Duration) -> bool {
        self.read_at.elapsed() >= duration
    }

    /// Gives up the descriptor of a file that rests, if everything that it leads to was read. The beginning of a line is
    /// kept where there is room for so many bytes; else it is read again.
    pub fn close(&mut self, room: usize) -> bool {
        let (stat, seen) = match &self.state {
            State::Reading(reading) => (reading.tail.look(), reading.tail.seen()),
            State::Resting(file) => (Stat::of(file), self.seen),
            State::Closed(_) => return false,
        };
        if !stat.is_ok_and(|stat| stat.seen == seen && !stat.is_deleted) {
            return false;
        }
        self.seen = seen;
        let mut closed = Closed::default();
        if let State::Reading(reading) = std::mem::replace(&mut self.state, State::Closed(Closed::default())) {
            let Reading { life, tail } = *reading;
            if held_bytes(&life) <= room {
                closed.held = Some(Box::new(Held { life, left: tail.leave() }));
            } else {
                self.keep(&life);
            }
        }
        self.state = State::Closed(closed);
        true
    }

    /// About how much memory is held while it is closed.
    pub fn held(&self) -> usize {
        match &self.state {
            State::Closed(Closed { held: Some(held), .. }) => held_bytes(&held.life),
            _ => 0,
        }
    }

    /// It was seen to have so many bytes while it was closed.
    pub fn has_size(&mut self, size: u64) {
        self.size = size;
    }

    /// Offset of the first byte that was not read, or that is to be read again.
    pub fn read_to(&self, ledger: &Ledger) -> u64 {
        self.position(ledger) + self.life().map_or(0, |life| life.pending() as u64)
    }

    /// Bytes that are known and not read, if something is. With fewer than were read it is another life, of which none were.
    pub fn unread(&self, ledger: &Ledger) -> Option<u64> {
        let read = self.read_to(ledger);
        let read_before = ledger.record(self.key).and_then(|record| record.read).map_or(0, |read| read.offset);
        if self.size < read.max(read_before) {
            return Some(self.size);
        }
        Some(self.size - read).filter(|bytes| *bytes > 0)
    }

    /// It is not open, and no name leads to it: what was read of it is sent, what was seen of it and never read is told.
    pub fn tell_missing(&mut self, turn: &mut Turn<'_>) {
        let unread = self.unread(turn.ledger);
        if let State::Closed(Closed { held: Some(held), .. }) = &mut self.state {
            // Its name may come back.
            held.life.flush(turn.context, Some(turn.ledger), turn.made);
        }
        if let Some(unread) = unread {
            let ending = self.ending(turn.ledger);
            tracing::warn!(
                source.label = ending.identity.label,
                source.offset = ending.offset,
                lost_bytes = unread,
                "a file that was not open is gone, and was not read to its end"
            );
            tell_gap(turn, self.key, &ending.identity, ending.offset, "file_missing", unread);
        }
    }
}

fn held_bytes(life: &Life) -> usize {
    size_of::<Held>() + life.pending()
}
