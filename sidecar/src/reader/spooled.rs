//! The spool as a source: each record is one line, with the container and the time it came with.

use std::collections::VecDeque;

use message::Timestamp;
use records::{Line, Origin, Recorder, SourceIdentity};

use super::{CHUNK, Context, Ending, Next, Progress, new_record, now};
use crate::SPOOL_LABEL;
use crate::checkpoint::Place;
use crate::ledger::{Ledger, SourceKey};
use crate::socket::intake::Intake;
use crate::spool::{Frame, frame};

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
        let position = record.place.offset;
        let resend_below = if context.resumed { end } else { 0 };
        let key = ledger.open(record);
        let context = context.clone();
        let (frames, used) = (Vec::new(), 0);
        Self {
            key,
            context,
            intake,
            identity,
            recorder,
            resend_below,
            frames,
            used,
            position,
            told: position,
            gaps: 0,
            refused: false,
        }
    }

    /// Its key.
    pub fn key(&self) -> SourceKey {
        self.key
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
        Ending { key, identity: self.identity.clone(), offset: self.position, counts }
    }

    /// The next record, if there is one.
    pub fn advance(&mut self, finishing: bool, made: &mut VecDeque<Next>) -> Progress {
        if let Frame::Whole(entry, length) = frame::decode(&self.frames[self.used..]) {
            let end = self.position + length as u64;
            let line = Line { start: self.position, end, bytes: entry.raw, cut: false, terminated: true };
            let container = Some(entry.container).filter(|name| !name.is_empty());
            let read_at = Timestamp::from_unix_micros(entry.accepted_at).unwrap_or_else(now);
            let messages = self.recorder.record(&line, read_at, Origin::Socket { container });
            self.position = end;
            self.used += length;
            if !messages.is_empty() {
                let place = self.place();
                self.told = end;
                super::publish_line(self.key, messages, &place, self.resend_below, made);
            }
            return Progress::Made;
        }
        self.read(finishing, made)
    }

    fn read(&mut self, finishing: bool, made: &mut VecDeque<Next>) -> Progress {
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
                if finishing { Progress::Ended } else { Progress::Idle }
            }
            Err(error) => {
                if !was_refused {
                    tracing::warn!(error = %error, "cannot read the spool, trying again");
                }
                self.frames = Vec::new();
                if finishing { Progress::Ended } else { Progress::Idle }
            }
        }
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
        Place { offset: self.position, state: self.recorder.state(), before: 0 }
    }
}
