//! Turns what the sources hold into messages, one at a time, as fast as they are taken: nothing is read ahead of what the
//! publisher has room for, beyond one chunk of one source.
//!
//! Sources take turns, a chunk each. Within a source everything comes in the order of its bytes, numbered without a hole.

mod control;
mod file;
mod spooled;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use message::{Kind, Message, PodIdentity, Timestamp, wire};
use records::{Counts, Recorder, RecorderState, Redactor, Rules, SourceIdentity};
use uuid::Uuid;

use crate::checkpoint::{FileIdentity, Place, SourceRecord};
use crate::files::Files;
use crate::ledger::{Ledger, SourceKey};
use crate::socket::intake::Intake;
use crate::steps::Steps;
use control::Controls;
pub use control::set_aside;
use file::FileSource;
use spooled::SpoolSource;

/// Bytes that are read of one source before it is another's turn.
const CHUNK: usize = 32 * 1024;

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A message to publish.
    Message(Outgoing),
    /// Nothing to publish, but everything before this place is done with.
    Moved(SourceKey, Place),
    /// Nothing more will come of this source, and it will not be read again.
    Closed(SourceKey),
    /// The next message of this source ends at a place that its bytes do not decide: that must be on disk before.
    Cut(SourceKey, u64),
    /// Once everything before is stored, a container's end was told.
    Told(String),
}

/// A message to publish.
#[derive(Debug)]
pub struct Outgoing {
    /// Where it came from; control records about no source have none.
    pub source: Option<SourceKey>,
    /// Label and byte range, for logs and gaps.
    pub range: message::Source,
    /// Message id.
    pub id: Uuid,
    /// Where to.
    pub subject: String,
    /// Body.
    pub payload: Bytes,
    /// Whether it may have been sent before this process started.
    pub resend: bool,
    /// The place to go on from once it is acknowledged; only on the last message of a line.
    pub then: Option<Place>,
    /// Who it speaks for, to tell of it if it can never be sent.
    pub container: Option<String>,
}

impl Outgoing {
    /// Whether it tells of the end of a source or of a container, and of nothing that a step said.
    #[must_use]
    pub fn is_of_the_end(&self) -> bool {
        [Kind::SOURCE_END, Kind::STEP_END].contains(&self.kind())
    }

    /// Whether it tells that something may have been lost.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        self.kind() == Kind::GAP
    }

    /// The kind of one that is of a run and of nothing else, as everything that we say ourselves is.
    fn kind(&self) -> &str {
        self.subject.rsplit('.').next().unwrap_or_default()
    }
}

/// One source.
#[derive(Debug)]
enum Source {
    File(Box<FileSource>),
    Spool(Box<SpoolSource>),
}

/// The reader.
#[derive(Debug)]
pub struct Reader {
    context: Context,
    sources: BTreeMap<SourceKey, Source>,
    files: Files,
    /// Whose turn it is.
    turn: SourceKey,
    /// Made and not yet taken: the messages of one line.
    made: VecDeque<Next>,
    controls: Controls,
    steps: Steps,
    /// Sources whose end was told, and where.
    ended: BTreeMap<SourceKey, u64>,
    /// What was seen of sources that are gone.
    gone: Counts,
    /// Whether files were looked for since the step was over.
    searched: bool,
    /// Whether this process is to end: sources are read to their end, and no further.
    finishing: bool,
    chunk: Vec<u8>,
}

impl Source {
    fn count_into(&self, counts: &mut Counts) {
        match self {
            Self::File(file) => file.count_into(counts),
            Self::Spool(spool) => spool.count_into(counts),
        }
    }
}

/// What every source needs to make messages.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who speaks.
    pub pod: Arc<PodIdentity>,
    /// What is replaced.
    pub redactor: Arc<Redactor>,
    /// How text is read.
    pub rules: Arc<Rules>,
    /// Whether an earlier process may have sent what is below each source's size now.
    pub resumed: bool,
}

impl Context {
    /// A recorder of a source that goes on from a state.
    fn recorder(&self, source: SourceIdentity, state: RecorderState) -> Recorder {
        let (pod, redactor) = (Arc::clone(&self.pod), Arc::clone(&self.redactor));
        Recorder::new(pod, source, redactor, state).with_rules(Arc::clone(&self.rules))
    }
}

/// Where a source stands at its end.
#[derive(Debug)]
struct Ending {
    key: SourceKey,
    identity: SourceIdentity,
    offset: u64,
    counts: Counts,
}

/// What a source has next.
enum Progress {
    /// Something was made.
    Made,
    /// A chunk was read or used up: another source's turn.
    Yield,
    /// There is nothing more now.
    Idle,
    /// There will never be more.
    Ended,
}

impl Reader {
    /// A reader of the spool and of files.
    pub fn new(context: Context, intake: Intake, files: Files, steps: Steps, ledger: &mut Ledger) -> Self {
        let spool = SpoolSource::open(&context, intake, ledger);
        let untold = steps.containers().filter(|container| !ledger.step(container).is_some_and(|record| record.told));
        let untold = untold.map(ToOwned::to_owned).collect();
        let controls = Controls::new(Arc::clone(&context.pod), untold, context.resumed);
        let mut sources = BTreeMap::new();
        sources.insert(spool.key(), Source::Spool(Box::new(spool)));
        let turn = SourceKey(0);
        let chunk = vec![0; CHUNK];
        let (made, ended) = (VecDeque::new(), BTreeMap::new());
        let gone = Counts::default();
        Self { context, sources, files, turn, made, controls, steps, ended, gone, searched: false, finishing: false, chunk }
    }

    /// Looks for files that are new, and lets go of those that are gone and done with.
    pub fn discover(&mut self, ledger: &mut Ledger) {
        self.steps.look(ledger);
        self.searched = self.steps.are_over();
        for found in self.files.discover() {
            let source = FileSource::open(&self.context, found, ledger);
            self.sources.insert(source.key(), Source::File(Box::new(source)));
        }
        let (files, ended, gone) = (&mut self.files, &mut self.ended, &mut self.gone);
        self.sources.retain(|_, source| match source {
            Source::File(file) if file.is_done(ledger.offset(file.key())) => {
                files.forget(file.identity());
                file.count_into(gone);
                ledger.close(file.key());
                ended.remove(&file.key());
                false
            }
            _ => true,
        });
    }

    /// A gap that belongs to no source: a setting that could not be used, state that could not be read.
    pub fn tell_gap(&mut self, reason: &str, content: String) {
        self.made.extend(self.controls.process_gap(reason, content, now()).map(Next::Message));
    }

    /// This process is to end: from now on sources are read to their end, then told to be at their end.
    pub fn finish(&mut self) {
        self.finishing = true;
    }

    /// What comes next, if there is anything now.
    pub fn next(&mut self, ledger: &mut Ledger) -> Option<Next> {
        let mut idle = 0;
        let is_over = self.searched && self.steps.are_over();
        loop {
            if let Some(next) = self.made.pop_front() {
                return Some(next);
            }
            let Some((key, source)) = turn_of(&mut self.sources, self.turn) else {
                return self.last_words(ledger);
            };
            self.turn = key;
            // A source that was told to be at its end goes on as any other until this process ends: what comes late is sent
            // as it comes.
            let closing = self.finishing || (is_over && !self.ended.contains_key(&key));
            let progress = match source {
                Source::File(file) => file.advance(&mut self.chunk, closing, ledger, &mut self.made),
                Source::Spool(spool) => spool.advance(closing, &mut self.made, &mut self.steps, ledger),
            };
            match progress {
                Progress::Made => idle = 0,
                Progress::Yield => {
                    idle = 0;
                    self.turn = SourceKey(key.0 + 1);
                }
                Progress::Idle => {
                    idle += 1;
                    self.turn = SourceKey(key.0 + 1);
                    if idle > self.sources.len() && self.made.is_empty() {
                        return if is_over { self.last_words(ledger) } else { None };
                    }
                }
                Progress::Ended => {
                    idle = 0;
                    self.end(key);
                }
            }
        }
    }

    /// Whether this process is to end and everything was said.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finishing && self.sources.is_empty() && self.made.is_empty() && self.controls.is_finished()
    }

    /// What was not read to its end: label, and the bytes from where on.
    #[must_use]
    pub fn unread(&self) -> Vec<(String, u64)> {
        let place = |source: &Source| match source {
            Source::File(file) => (file.label().to_owned(), file.position()),
            Source::Spool(spool) => (crate::SPOOL_LABEL.to_owned(), spool.position()),
        };
        self.sources.values().map(place).collect()
    }

    /// Bytes that were not read yet, of files and of the spool.
    #[must_use]
    pub fn behind(&self) -> (u64, u64) {
        let mut behind = (0, 0);
        for source in self.sources.values() {
            match source {
                Source::File(file) => behind.0 += file.behind(),
                Source::Spool(spool) => behind.1 += spool.behind(),
            }
        }
        behind
    }

    /// What was seen of all sources since this process started.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.gone.clone();
        self.sources.values().for_each(|source| source.count_into(&mut counts));
        counts
    }

    /// How many files are followed, and whether changes of them wake the reader.
    #[must_use]
    pub fn files(&self) -> (usize, bool) {
        let followed = self.sources.values().filter(|source| matches!(source, Source::File(_))).count();
        (followed, self.files.is_watching())
    }

    /// A source was read to its end. It is told once for each end; only when this process is to end it is the last.
    fn end(&mut self, key: SourceKey) {
        let Some(source) = self.sources.get(&key) else { return };
        let ending = match source {
            Source::File(file) => file.ending(),
            Source::Spool(spool) => spool.ending(),
        };
        if self.ended.insert(key, ending.offset) != Some(ending.offset) {
            self.made.extend(self.controls.source_end(ending, now()).map(Next::Message));
        }
        if self.finishing {
            source.count_into(&mut self.gone);
            self.sources.remove(&key);
        }
    }

    /// When every source is at its end: a word for each container.
    fn last_words(&mut self, ledger: &Ledger) -> Option<Next> {
        if !self.finishing && !self.steps.are_over() {
            return None;
        }
        let (message, container) = self.controls.step_end(ledger, now())?;
        self.made.extend(message.map(Next::Message));
        self.made.push_back(Next::Told(container));
        self.made.pop_front()
    }
}

/// The messages of one line, as they are published. One that an earlier line began may have been sent before although the
/// line was not.
fn publish_line(key: SourceKey, messages: Vec<Message>, place: &Place, resend_below: u64, made: &mut VecDeque<Next>) {
    let last = messages.len().saturating_sub(1);
    for (index, message) in messages.into_iter().enumerate() {
        let then = (index == last).then(|| place.clone());
        let resend = was_there(&message, resend_below);
        made.extend(outgoing(Some(key), message, resend, then).map(Next::Message));
    }
}

/// Messages of a line after which there is no place to go on from.
fn publish_part(key: SourceKey, messages: Vec<Message>, resend_below: u64, made: &mut VecDeque<Next>) {
    for message in messages {
        let resend = was_there(&message, resend_below);
        made.extend(outgoing(Some(key), message, resend, None).map(Next::Message));
    }
}

/// Whether bytes of a message were there when this process started.
fn was_there(message: &Message, resend_below: u64) -> bool {
    message.source.as_ref().is_some_and(|source| source.start < resend_below || source.end <= resend_below)
}

/// A message as it is published. Every message of ours has a source.
pub(crate) fn outgoing(source: Option<SourceKey>, message: Message, resend: bool, then: Option<Place>) -> Option<Outgoing> {
    Some(Outgoing {
        source,
        id: message.id,
        subject: wire::subject(&message),
        payload: wire::to_json(&message).into(),
        resend,
        then,
        container: message.container,
        range: message.source?,
    })
}

/// The source whose turn it is: the first from this key on, else the first of all.
fn turn_of(sources: &mut BTreeMap<SourceKey, Source>, turn: SourceKey) -> Option<(SourceKey, &mut Source)> {
    let key = sources.range(turn..).next().or_else(|| sources.iter().next()).map(|(key, _)| *key)?;
    sources.get_mut(&key).map(|source| (key, source))
}

/// A record of a source that starts.
fn new_record(label: &str, container: Option<String>, generation: u64, file: Option<FileIdentity>) -> SourceRecord {
    SourceRecord { label: label.to_owned(), container, generation, place: Place::default(), file, cut: None }
}

/// The time, as messages hold it.
pub(crate) fn now() -> Timestamp {
    Timestamp::new(SystemTime::now().into())
}
