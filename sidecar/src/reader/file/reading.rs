//! How a file is read: from its start or where it was left, to its end, and on into its next life.

use std::io;
use std::time::Instant;

use super::super::control::tell_gap;
use super::super::life::Life;
use super::super::{Next, Progress, Turn, new_record};
use super::{Decided, FileSource, LAST_TRIES, State};
use crate::files::tail::Read;
use crate::files::{self, Files};

impl FileSource {
    pub(super) fn start_reading(&mut self, files: &mut Files, turn: &mut Turn<'_>) -> io::Result<bool> {
        let file = match std::mem::replace(&mut self.state, State::Closed(None)) {
            State::Reading(life) => {
                self.state = State::Reading(life);
                return Ok(true);
            }
            State::Resting(file) => file,
            State::Closed(None) => return Ok(false),
            State::Closed(Some(path)) => match files.open(&path) {
                Ok(Some((file, stat))) if stat.identity == self.identity => {
                    self.size = stat.seen.size;
                    files.opened(self.identity);
                    file
                }
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => {
                    if files::is_exhausted(&error) {
                        files.lower_limit(turn.open);
                    }
                    self.state = State::Closed(Some(path));
                    return Err(error);
                }
            },
        };
        let Some(record) = turn.ledger.record(self.key) else { return Ok(false) };
        let (life, same) = Life::go_on(turn.context, self.key, record, file, self.resend_below);
        match same {
            Ok(same) => {
                self.state = State::Reading(Box::new(life));
                if !same {
                    self.start_over(turn);
                }
                self.checked = true;
                Ok(true)
            }
            Err(error) => {
                self.state = State::Resting(life.tail.into_file());
                Err(error)
            }
        }
    }

    pub(super) fn read(&mut self, turn: &mut Turn<'_>) -> io::Result<Progress> {
        let State::Reading(life) = &mut self.state else { return Ok(Progress::Idle) };
        if !turn.made.is_empty() || life.next_line(turn.made) {
            return Ok(Progress::Made);
        }
        if let Some(decided) = self.decided
            && !life.flushed
        {
            return Ok(self.at_cut(decided, turn));
        }
        let room = life.room().map_or(turn.chunk.len(), |room| usize::try_from(room).unwrap_or(usize::MAX));
        let room = room.min(turn.chunk.len());
        if room == 0 {
            life.flush(turn.context, Some(turn.ledger), turn.made);
            return Ok(Progress::Made);
        }
        match life.tail.read(&mut turn.chunk[..room])? {
            Read::Bytes(length) => {
                self.failing_since = None;
                self.read_at = Instant::now();
                self.decided = None;
                life.push(&turn.chunk[..length]);
                self.size = self.size.max(life.tail.seen().size);
                self.largest = self.largest.max(self.size);
                Ok(Progress::Yield)
            }
            Read::End => {
                self.failing_since = None;
                self.size = life.tail.seen().size;
                self.at_end(turn)
            }
            Read::Replaced => {
                self.start_over(turn);
                Ok(Progress::Made)
            }
        }
    }

    fn at_end(&mut self, turn: &mut Turn<'_>) -> io::Result<Progress> {
        let closing = self.is_closing(turn);
        let State::Reading(life) = &mut self.state else { return Ok(Progress::Idle) };
        if life.tell_position(turn.made) {
            return Ok(Progress::Made);
        }
        if life.flushed && (closing || self.decided.is_some()) {
            return Ok(Progress::Ended);
        }
        let is_cut_on_the_way = turn.ledger.record(self.key).is_some_and(|record| record.cut.is_some());
        if closing {
            if is_cut_on_the_way {
                // One cut at a time is written down.
                return Ok(Progress::Idle);
            }
            life.flush(turn.context, Some(turn.ledger), turn.made);
            return Ok(Progress::Made);
        }
        let is_over = life.tail.look()?.is_deleted && self.read_at.elapsed() >= turn.context.deleted_idle;
        if is_cut_on_the_way || !turn.ledger.can_save() {
            return Ok(Progress::Idle);
        }
        let (decided, at) = match () {
            () if is_over => (Decided::File, life.tail.offset()),
            () if life.is_held_too_long() => (Decided::Lines, life.position()),
            () => return Ok(Progress::Idle),
        };
        self.decided = Some(decided);
        turn.ledger.cut(self.key, at);
        turn.made.push_back(Next::Sync);
        Ok(Progress::Made)
    }

    /// What was decided to end here is on disk by now, or could not be written.
    fn at_cut(&mut self, decided: Decided, turn: &mut Turn<'_>) -> Progress {
        let State::Reading(life) = &mut self.state else { return Progress::Idle };
        if !turn.ledger.can_save() && !turn.finishing {
            turn.ledger.withdraw_cut(self.key);
            self.decided = None;
            return Progress::Idle;
        }
        if decided == Decided::Lines {
            self.decided = None;
            life.release(turn.made);
            return Progress::Made;
        }
        life.is_cut_at(life.tail.offset());
        life.flush(turn.context, Some(turn.ledger), turn.made);
        Progress::Made
    }

    /// It cannot be read now. It is tried again; at the end of the step, not for ever.
    pub(super) fn failed(&mut self, error: &io::Error, turn: &mut Turn<'_>) -> Progress {
        let since = *self.failing_since.get_or_insert_with(|| {
            let label = turn.ledger.record(self.key).map_or("", |record| &record.label);
            tracing::warn!(source.label = label, error = %error, "cannot read a file, trying again");
            Instant::now()
        });
        if !self.is_closing(turn) || since.elapsed() < LAST_TRIES {
            return Progress::Idle;
        }
        if let State::Reading(life) = &mut self.state
            && !life.flushed
        {
            life.flush(turn.context, Some(turn.ledger), turn.made);
            return Progress::Made;
        }
        Progress::Ended
    }

    /// The file was cut or written anew. What was read of it is sent; its next life is a source of its own.
    fn start_over(&mut self, turn: &mut Turn<'_>) {
        let State::Reading(mut life) = std::mem::replace(&mut self.state, State::Closed(None)) else { return };
        // What came after the last look nobody can count.
        let lost = std::mem::take(&mut self.largest).saturating_sub(life.tail.offset().max(life.position()));
        tracing::warn!(
            source.label = life.identity.label,
            source.generation = life.identity.generation,
            source.offset = life.position(),
            lost_bytes = lost,
            "a file was cut or written anew; lines written just before that may be lost"
        );
        life.flush(turn.context, None, turn.made);
        tell_gap(turn, self.key, &life.identity, life.position(), "file_replaced", lost);
        turn.made.push_back(Next::Closed(self.key));
        self.keep(&life);
        self.past.add(&std::mem::take(&mut self.counts));
        self.skipped = 0;
        self.told_end = None;
        let label = &life.identity.label;
        let generation = turn.ledger.new_generation(label);
        let record = new_record(label, life.identity.container.clone(), generation, Some(self.identity));
        if self.checked {
            self.resend_below = 0;
        }
        self.key = turn.ledger.open(record.clone());
        let (next, _) = Life::go_on(turn.context, self.key, &record, life.tail.into_file(), self.resend_below);
        self.state = State::Reading(Box::new(next));
        self.decided = None;
        turn.made.push_back(Next::Sync);
    }

    pub(super) fn keep(&mut self, life: &Life) {
        self.counts.add(life.counts());
        self.skipped += life.skipped();
    }
}
