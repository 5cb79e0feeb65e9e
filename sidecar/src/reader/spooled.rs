//! The spool as a source: each record is one line, with the container and the time it came with.

use std::collections::VecDeque;

use message::{Message, Timestamp};
use records::{Counts, Line, Origin, Recorder, SourceIdentity};

use super::{CHUNK, Context, Ending, Next, Press, Progress, new_record, now};
use crate::SPOOL_LABEL;
use crate::checkpoint::Place;
use crate::exec::batch::{self, Event};
use crate::ledger::{Ledger, SourceKey};
use crate::socket::intake::Intake;
use crate::spool::{Form, frame};
use crate::steps::Steps;

/// What stands at a place of the spool.
enum Said<'a> {
    /// A record.
    Record(Line<'a>),
    /// An event of a wrapped command.
    Event(Event<'a>),
    /// Nothing more in this frame.
    Nothing,
}

/// The spool.
#[derive(Debug)]
pub struct SpoolSource {
    key: SourceKey,
    context: Context,
    intake: Intake,
    identity: SourceIdentity,
    recorder: Recorder,
    /// Records below this may have been sent before.
    resend_below: u64,
    /// Frames that were read, and how many bytes of them are used up.
    frames: Vec<u8>,
    used: usize,
    /// Bytes of the next frame's batch that are used up.
    within: usize,
    /// What the parser holds is a message here, by an earlier decision.
    cut: Option<u64>,
    /// What the parser holds is to be a message here, as soon as that is written down.
    is_cutting: bool,
    /// Whether what the parser holds was made a message since the last record.
    flushed: bool,
    /// Position of the next frame.
    position: u64,
    /// Position up to which it was told that all is done.
    told: u64,
    gaps: u64,
    /// Whether the last read was refused by the system.
    refused: bool,
}

impl SpoolSource {
    /// Goes on where the ledger says.
    pub fn open(context: &Context, intake: Intake, ledger: &mut Ledger) -> Self {
        let (generation, end) = {
            let spool = intake.spool();
            (spool.generation(), spool.end())
        };
        let record =
            ledger.take_label(SPOOL_LABEL, generation).unwrap_or_else(|| new_record(SPOOL_LABEL, None, generation, None));
        let identity = SourceIdentity { label: SPOOL_LABEL.to_owned(), generation, container: None };
        let recorder = context.recorder(identity.clone(), record.place.state.clone());
        let (position, record_cut) = (record.place.offset, record.cut);
        let resend_below = if context.resumed { end } else { 0 };
        let key = ledger.open(record);
        let context = context.clone();
        let (frames, used, within) = (Vec::new(), 0, 0);
        let (told, cut) = (position, record_cut);
        Self {
            key,
            context,
            intake,
            identity,
            recorder,
            resend_below,
            frames,
            used,
            within,
            cut,
            is_cutting: false,
            flushed: false,
            position,
            told,
            gaps: 0,
            refused: false,
        }
    }

    /// Position of the next record.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that were not read yet.
    pub fn behind(&self) -> u64 {
        self.intake.spool().end().saturating_sub(self.position)
    }

    /// Where it stands, for the record at its end.
    pub fn ending(&self) -> Ending {
        let (key, counts) = (self.key, self.recorder.counts().clone());
        let (identity, offset) = (self.identity.clone(), self.position);
        Ending { key, identity, offset, counts, skipped: 0, complete: !self.refused, is_told: false }
    }

    /// Adds what was seen of it.
    pub fn count_into(&self, counts: &mut Counts) {
        counts.add(self.recorder.counts());
    }

    /// The next record, if there is one.
    pub fn advance(
        &mut self,
        closing: bool,
        made: &mut VecDeque<Next>,
        press: &mut Press,
        steps: &mut Steps,
        ledger: &mut Ledger,
    ) -> Progress {
        if self.cut == Some(self.position) && self.within == 0 {
            self.flush(ledger, made);
            return Progress::Made;
        }
        if std::mem::take(&mut self.is_cutting) {
            if ledger.can_save() || closing {
                self.cut = Some(self.position);
                self.flush(ledger, made);
                return Progress::Made;
            }
            ledger.withdraw_cut(self.key);
        }
        let Some((entry, length)) = frame::first(&self.frames[self.used..]) else {
            return self.read(closing, ledger, made);
        };
        self.flushed = false;
        let end = self.position + length as u64;
        // What is held of a batch begins where its bytes do, at the end of its frame.
        let (line_start, event, line_end) = match entry.form {
            Form::Record | Form::Piece => {
                let line = Line { start: self.position, end, bytes: entry.raw, cut: entry.form == Form::Piece, terminated: true };
                (self.position, Said::Record(line), end)
            }
            Form::Batch => {
                let start = end - (entry.raw.len() - self.within) as u64;
                match batch::first(&entry.raw[self.within..]) {
                    Some((event, used)) => (start, Said::Event(event), start + used as u64),
                    None => (start, Said::Nothing, end),
                }
            }
        };
        let container = Some(entry.container).filter(|name| !name.is_empty());
        let read_at = Timestamp::from_unix_micros(entry.accepted_at).unwrap_or_else(now);
        let (key, resend_below, before) = (self.key, self.resend_below, made.len());
        let mut publish = |message: &Message| made.extend(press.outgoing(key, message, resend_below).map(Next::Message));
        match event {
            Said::Record(line) => self.recorder.record_each(&line, read_at, Origin::Socket { container }, &mut publish),
            Said::Event(Event::Line { stream, bytes, cut }) => {
                let line = Line { start: line_start, end: line_end, bytes, cut, terminated: !cut };
                let origin = Origin::Output { container, stream: stream.name() };
                self.recorder.record_each(&line, read_at, origin, &mut publish);
            }
            Said::Event(Event::Missed(missed)) => {
                publish(&super::control::output_gap(&self.context, &self.identity, container, line_start, &missed));
            }
            Said::Event(Event::Started(started)) => steps.started(entry.container, started.session, ledger),
            Said::Event(Event::Ended(ended)) => steps.ended(entry.container, &ended, ledger),
            Said::Nothing => {}
        }
        if line_end < end {
            // A frame is read again as a whole, so the place to go on from moves only over all of it.
            self.within = entry.raw.len() - usize::try_from(end - line_end).unwrap_or(0);
            return Progress::Made;
        }
        self.within = 0;
        self.position = end;
        self.used += length;
        if made.len() > before
            && let Some(Next::Message(last)) = made.back_mut()
        {
            self.told = end;
            last.then = Some(self.place());
        }
        Progress::Made
    }

    fn read(&mut self, closing: bool, ledger: &mut Ledger, made: &mut VecDeque<Next>) -> Progress {
        let had_frames = !self.frames.is_empty();
        self.frames.clear();
        self.used = 0;
        let read = self.intake.spool().read(self.position, CHUNK, &mut self.frames);
        let was_refused = std::mem::replace(&mut self.refused, read.is_err());
        match read {
            Ok(Some(position)) => {
                if position > self.position {
                    self.tell_lost(position, made);
                }
                if had_frames { Progress::Yield } else { Progress::Made }
            }
            Ok(None) => {
                self.frames = Vec::new();
                if self.told < self.position {
                    self.told = self.position;
                    made.push_back(Next::Moved(self.key, self.place()));
                    return Progress::Made;
                }
                if closing && self.flushed {
                    return Progress::Ended;
                }
                // One cut at a time is written down.
                if ledger.record(self.key).is_some_and(|record| record.cut.is_some()) {
                    return Progress::Idle;
                }
                if closing {
                    self.flush(ledger, made);
                } else if ledger.can_save() && super::is_held_too_long(&self.recorder) {
                    self.is_cutting = true;
                    ledger.cut(self.key, self.position);
                    made.push_back(Next::Sync);
                } else {
                    return Progress::Idle;
                }
                Progress::Made
            }
            Err(error) => {
                if !was_refused {
                    tracing::warn!(error = %error, "cannot read the spool, trying again");
                }
                self.frames = Vec::new();
                if closing { Progress::Ended } else { Progress::Idle }
            }
        }
    }

    /// Makes messages of what the parser holds. The bytes do not decide that it ends here, so the decision is written down
    /// before.
    fn flush(&mut self, ledger: &mut Ledger, made: &mut VecDeque<Next>) {
        self.flushed = true;
        self.told = self.position;
        let is_on_disk = self.cut.take() == Some(self.position);
        let messages = self.recorder.finish(self.position, now());
        let place = Place { after_cut: true, ..self.place() };
        if messages.is_empty() {
            made.push_back(Next::Moved(self.key, place));
            return;
        }
        if !is_on_disk {
            if !ledger.can_save() {
                self.context.repeats.inc();
            }
            ledger.cut(self.key, self.position);
            made.push_back(Next::Sync);
        }
        super::publish_line(self.key, messages, &place, self.resend_below, made);
    }

    /// Bytes that cannot be read any more lie between here and the next record.
    fn tell_lost(&mut self, position: u64, made: &mut VecDeque<Next>) {
        let bytes = position - self.position;
        self.gaps += 1;
        tracing::error!(
            source.label = SPOOL_LABEL,
            spool.start = self.position,
            lost_bytes = bytes,
            "records of the spool are damaged"
        );
        let gap = super::control::source_gap(&self.context, &self.identity, self.position, self.gaps, "spool_damaged", bytes);
        self.position = position;
        let place = self.place();
        self.told = position;
        if let Some(outgoing) = super::outgoing(Some(self.key), gap, self.context.resumed, Some(place)) {
            made.push_back(Next::Message(outgoing));
        }
    }

    fn place(&self) -> Place {
        Place { offset: self.position, state: self.recorder.state(), before: 0, after_cut: false }
    }
}
