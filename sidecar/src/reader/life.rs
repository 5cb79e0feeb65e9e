//! One life of a file while it is read: its bytes become lines, its lines messages. When nothing is left to do, only the
//! ledger's record of it is kept, and this is made again from there when the file grows.

use std::collections::VecDeque;

use message::Timestamp;
use records::{Counts, Cutter, Line, Origin, Recorder, SourceIdentity};

use super::{Context, Next, Press, now};
use crate::checkpoint::{Place, SourceRecord};
use crate::files::tail::{Before, Tail};
use crate::ledger::{Ledger, SourceKey};

/// A life of a file.
#[derive(Debug)]
pub struct Life {
    key: SourceKey,
    pub identity: SourceIdentity,
    cutter: Cutter,
    recorder: Recorder,
    /// The bytes before the cutter's position.
    before: Before,
    /// What is held ends here by an earlier decision.
    cut: Option<u64>,
    resend_below: u64,
    told: u64,
    /// When the bytes that the cutter holds were read: lines that were read in one go tell nothing of the time between them.
    arrived: Timestamp,
    /// Whether what was left without a line end is sent.
    pub flushed: bool,
}

impl Life {
    /// Goes on from a record, in a file that is read on from there.
    pub fn go_on(context: &Context, key: SourceKey, record: &SourceRecord, tail: &Tail, resend_below: u64) -> Self {
        let SourceRecord { label, generation, container, place, cut, .. } = record;
        let identity = SourceIdentity { label: label.clone(), generation: *generation, container: container.clone() };
        let recorder = context.recorder(identity.clone(), place.state.clone());
        Self {
            key,
            identity,
            cutter: Cutter::new(place.offset),
            recorder,
            before: Before::of(tail),
            cut: *cut,
            resend_below,
            told: place.offset,
            arrived: now(),
            flushed: false,
        }
    }

    /// Offset of the first byte that no message was made of.
    pub fn position(&self) -> u64 {
        self.cutter.position()
    }

    /// Bytes that wait for their line's end.
    pub fn pending(&self) -> usize {
        self.cutter.pending()
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        self.recorder.counts()
    }

    /// NUL bytes that belong to no line.
    pub fn skipped(&self) -> u64 {
        self.cutter.skipped()
    }

    /// How many bytes may be read from here on before a line ends by an earlier decision.
    pub fn room(&self, offset: u64) -> Option<u64> {
        self.cut.map(|cut| cut.saturating_sub(offset))
    }

    /// Takes bytes that were read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.arrived = now();
        self.cutter.push(bytes);
        self.flushed = false;
    }

    /// Makes the messages of the next line, if there is one.
    pub fn next_line(&mut self, made: &mut VecDeque<Next>, press: &mut Press) -> bool {
        let Some(line) = self.cutter.next_line() else {
            self.before.skip_to(self.cutter.position());
            return false;
        };
        let (key, resend_below, before) = (self.key, self.resend_below, made.len());
        self.recorder.record_each(&line, self.arrived, Origin::File, &mut |message| {
            made.extend(press.outgoing(key, message, resend_below).map(Next::Message));
        });
        self.before.skip_to(line.start);
        self.before.push(line.bytes);
        self.before.push(line_end(&line));
        if made.len() > before
            && let Some(Next::Message(last)) = made.back_mut()
        {
            self.told = line.end;
            last.then = Some(self.place());
        }
        true
    }

    /// Tells that all is done up to here, where no message did.
    pub fn tell_position(&mut self, made: &mut VecDeque<Next>) -> bool {
        let position = self.position();
        let is_news = self.told < position;
        if is_news {
            self.told = position;
            made.push_back(Next::Moved(self.key, self.place()));
        }
        is_news
    }

    /// Makes messages of what has no line end, and of what the parser holds. The bytes do not decide that they end here, so
    /// with a ledger the decision is written down before they are sent; without one this life is never read again.
    pub fn flush(&mut self, context: &Context, ledger: Option<&mut Ledger>, made: &mut VecDeque<Next>) {
        self.flushed = true;
        let mut messages = Vec::new();
        let read_at = now();
        while let Some(line) = self.cutter.finish() {
            messages.extend(self.recorder.record(&line, read_at, Origin::File));
            self.before.skip_to(line.start);
            self.before.push(line.bytes);
        }
        let end = self.position();
        self.before.skip_to(end);
        messages.extend(self.recorder.finish(end, read_at));
        self.told = end;
        let is_on_disk = self.cut.take() == Some(end);
        let place = Place { after_cut: true, ..self.place() };
        if messages.is_empty() {
            made.push_back(Next::Moved(self.key, place));
            return;
        }
        if let Some(ledger) = ledger
            && !is_on_disk
        {
            if !ledger.can_save() {
                context.repeats.inc();
            }
            ledger.cut(self.key, end);
            made.push_back(Next::Sync);
        }
        super::publish_line(self.key, messages, &place, self.resend_below, made);
    }

    /// A cut that is on disk already.
    pub fn is_cut_at(&mut self, at: u64) {
        self.cut = Some(at);
    }

    /// Whether lines that are one message have waited long enough for more.
    pub fn is_held_too_long(&self) -> bool {
        super::is_held_too_long(&self.recorder)
    }

    /// Gives out the lines that are held, at a cut that is on disk. The beginning of a line behind them waits on.
    pub fn release(&mut self, made: &mut VecDeque<Next>) {
        let position = self.position();
        let messages = self.recorder.finish(position, now());
        let place = Place { after_cut: true, ..self.place() };
        self.told = position;
        if messages.is_empty() {
            made.push_back(Next::Moved(self.key, place));
        } else {
            super::publish_line(self.key, messages, &place, self.resend_below, made);
        }
    }

    /// Whether the ledger knows everything that is known here.
    pub fn is_acknowledged(&self, ledger: &Ledger) -> bool {
        let Some(record) = ledger.record(self.key) else { return false };
        let place = &record.place;
        if self.recorder.held_since().is_some() {
            return false;
        }
        let is_same = place.offset == self.position() && place.before == self.before.checksum();
        is_same && record.cut.is_none() && place.state == self.recorder.state()
    }

    fn place(&self) -> Place {
        let (offset, state, before) = (self.position(), self.recorder.state(), self.before.checksum());
        Place { offset, state, before, after_cut: false }
    }
}

/// The bytes of a line's end, which the line leaves out.
fn line_end(line: &Line<'_>) -> &'static [u8] {
    match line.end - line.start - line.bytes.len() as u64 {
        0 => b"",
        1 => b"\n",
        _ => b"\r\n",
    }
}
