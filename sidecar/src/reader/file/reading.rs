//! How a file is read: from its start or where it was left, to its end, and on into its next life.

use std::fs::File;
use std::io;
use std::time::Instant;

use super::super::control::tell_gap;
use super::super::life::Life;
use super::super::{Next, Progress, Turn, new_record};
use super::{Closed, Decided, FileSource, Held, LAST_TRIES, Reading, State};
use crate::files::tail::{Read, Tail};
use crate::files::{self, Files};

impl FileSource {
    /// Whether it is read from here on; no where its name leads elsewhere, or nowhere.
    pub(super) fn start_reading(&mut self, files: &mut Files, turn: &mut Turn<'_>) -> io::Result<bool> {
        let file = match std::mem::replace(&mut self.state, State::Closed(Closed::default())) {
            State::Reading(reading) => {
                self.state = State::Reading(reading);
                return Ok(true);
            }
            State::Resting(file) => file,
            State::Closed(closed) => match self.reopen(closed, files, turn)? {
                Some(file) => file,
                None => return Ok(matches!(self.state, State::Reading(_))),
            },
        };
        let Some(record) = turn.ledger.record(self.key) else {
            self.state = State::Resting(file);
            return Err(io::Error::other("nothing is known of where it is to be read on"));
        };
        let mut tail = Tail::new(file);
        if !self.checked {
            self.is_marked = record.place.offset > 0 || record.read.is_some();
        }
        let same = tail.go_on_at(record.place.offset, record.place.before);
        let same = match same.and_then(|same| Ok(same && record.read.map_or(Ok(true), |read| tail.has(read))?)) {
            Ok(same) => same,
            Err(error) => {
                self.state = State::Resting(tail.into_file());
                return Err(error);
            }
        };
        let life = Life::go_on(turn.context, self.key, record, &tail, self.resend_below);
        self.go_on(life, tail, same, turn);
        Ok(true)
    }

    /// Opens it by its name, and reads it where it was closed in the middle of a line; else gives it to be read.
    fn reopen(&mut self, closed: Closed, files: &mut Files, turn: &mut Turn<'_>) -> io::Result<Option<File>> {
        let Closed { name: Some(path), held } = closed else {
            self.state = State::Closed(closed);
            return Ok(None);
        };
        let opened = files.open(&path).and_then(|opened| {
            let Some((file, stat)) = opened.filter(|(_, stat)| stat.identity == self.identity) else { return Ok(None) };
            let same = held.as_ref().map_or(Ok(true), |held| held.left.is_in(&file))?;
            Ok(Some((file, stat, same)))
        });
        match opened {
            Ok(Some((file, stat, same))) => {
                self.size = stat.seen.size;
                files.opened(self.identity);
                let Some(held) = held else { return Ok(Some(file)) };
                let Held { life, left } = *held;
                self.go_on(life, Tail::return_to(file, left), same, turn);
                Ok(None)
            }
            Ok(None) => {
                self.state = State::Closed(Closed { name: None, held });
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.state = State::Closed(Closed { name: None, held });
                Ok(None)
            }
            Err(error) => {
                if files::is_exhausted(&error) {
                    files.lower_limit(turn.open);
                }
                self.state = State::Closed(Closed { name: Some(path), held });
                Err(error)
            }
        }
    }

    /// Goes on with a life, or tells its end and starts the next one where the file is not the `same` any more.
    fn go_on(&mut self, life: Life, tail: Tail, same: bool, turn: &mut Turn<'_>) {
        self.state = State::Reading(Box::new(Reading { life, tail }));
        if !same {
            self.start_over(turn);
        }
        self.checked = true;
    }

    pub(super) fn read(&mut self, turn: &mut Turn<'_>) -> io::Result<Progress> {
        let State::Reading(reading) = &mut self.state else { return Ok(Progress::Idle) };
        let Reading { life, tail } = &mut **reading;
        if !turn.made.is_empty() {
            return Ok(Progress::Made);
        }
        if life.next_line(turn.made, turn.press) {
            if !self.is_marked && turn.made.iter().any(|next| matches!(next, Next::Message(_))) {
                self.is_marked = true;
                // Of many files that begin together, the first has this written down for all.
                if turn.ledger.saves() == self.marked_at {
                    turn.made.push_front(Next::Sync);
                }
            }
            return Ok(Progress::Made);
        }
        if let Some(decided) = self.decided
            && !life.flushed
        {
            return Ok(self.at_cut(decided, turn));
        }
        let room = life.room(tail.offset()).map_or(turn.chunk.len(), |room| usize::try_from(room).unwrap_or(usize::MAX));
        let room = room.min(turn.chunk.len());
        if room == 0 {
            life.flush(turn.context, Some(turn.ledger), turn.made);
            return Ok(Progress::Made);
        }
        match tail.read(&mut turn.chunk[..room])? {
            Read::Bytes(length) => {
                self.failing_since = None;
                self.read_at = Instant::now();
                self.decided = None;
                life.push(&turn.chunk[..length]);
                turn.ledger.read(self.key, tail.mark());
                self.marked_at = turn.ledger.saves();
                self.size = self.size.max(tail.seen().size);
                self.largest = self.largest.max(self.size);
                Ok(Progress::Yield)
            }
            Read::End => {
                self.failing_since = None;
                self.size = tail.seen().size;
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
        let State::Reading(reading) = &mut self.state else { return Ok(Progress::Idle) };
        let Reading { life, tail } = &mut **reading;
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
        let is_over = tail.look()?.is_deleted && self.read_at.elapsed() >= turn.context.deleted_idle;
        if is_cut_on_the_way || !turn.ledger.can_save() {
            return Ok(Progress::Idle);
        }
        let (decided, at) = match () {
            () if is_over => (Decided::File, tail.offset()),
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
        let State::Reading(reading) = &mut self.state else { return Progress::Idle };
        let Reading { life, tail } = &mut **reading;
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
        life.is_cut_at(tail.offset());
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
        if let State::Reading(reading) = &mut self.state
            && !reading.life.flushed
        {
            reading.life.flush(turn.context, Some(turn.ledger), turn.made);
            return Progress::Made;
        }
        Progress::Ended
    }

    /// The file was cut or written anew. What was read of it is sent; its next life is a source of its own.
    fn start_over(&mut self, turn: &mut Turn<'_>) {
        let State::Reading(reading) = std::mem::replace(&mut self.state, State::Closed(Closed::default())) else { return };
        let Reading { mut life, tail } = *reading;
        // What came after the last look nobody can count.
        let lost = std::mem::take(&mut self.largest).saturating_sub(tail.offset().max(life.position()));
        tracing::warn!(
            source.label = life.identity.label,
            source.generation = life.identity.generation,
            source.offset = life.position(),
            lost_bytes = lost,
            "a file was cut or written anew; lines written just before that may be lost"
        );
        if !std::mem::take(&mut self.is_marked) {
            turn.made.push_back(Next::Sync);
        }
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
        let tail = Tail::new(tail.into_file());
        let life = Life::go_on(turn.context, self.key, &record, &tail, self.resend_below);
        self.state = State::Reading(Box::new(Reading { life, tail }));
        self.decided = None;
        turn.made.push_back(Next::Sync);
    }

    pub(super) fn keep(&mut self, life: &Life) {
        self.counts.add(life.counts());
        self.skipped += life.skipped();
    }
}
