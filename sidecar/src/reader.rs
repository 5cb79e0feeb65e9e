//! Turns what the sources hold into messages, one at a time, as fast as they are taken: nothing is read ahead of what the
//! publisher has room for, beyond one chunk of one source.
//!
//! Sources take turns, a chunk each. Within a source everything comes in the order of its bytes, numbered without a hole.

mod control;
mod file;
mod followed;
mod life;
mod outgoing;
mod spooled;
mod turn;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use message::{PodIdentity, Timestamp};
use prometheus_client::metrics::counter::Counter;
use records::{Counts, Recorder, RecorderState, Redactor, Rules, SourceIdentity};

use crate::checkpoint::SourceRecord;
use crate::files::Files;
use crate::ledger::Ledger;
use crate::socket::intake::Intake;
use crate::steps::Steps;
use control::Controls;
use control::absent_gap;
pub use control::set_aside;
pub use file::DELETED_IDLE;
use followed::{Followed, Step};
pub(crate) use outgoing::outgoing;
pub use outgoing::{Next, Outgoing, Speaker};
use outgoing::{Press, publish_line};
use spooled::SpoolSource;
use turn::{Ending, Progress, Turn, is_held_too_long, new_record};

/// Bytes that are read of one source before it is another's turn.
const CHUNK: usize = 32 * 1024;
/// Searches after the step's end: one for what is there, one when all of that was read.
const LAST_SEARCHES: u8 = 2;

/// The reader.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Reader {
    context: Context,
    spool: Option<Box<SpoolSource>>,
    followed: Followed,
    /// Whether it is the spool's turn.
    spool_turn: bool,
    /// Made and not yet taken: the messages of one line.
    made: VecDeque<Next>,
    controls: Controls,
    steps: Steps,
    /// What was seen of sources that are gone.
    gone: Counts,
    /// Where the spool was told to be at its end.
    spool_end: Option<u64>,
    /// Whether files were looked for since the step was over.
    searched: bool,
    /// Whether every file was woken since then: each is told to be at its end.
    closing: bool,
    /// Whether this process is to end: sources are read to their end, and no further.
    finishing: bool,
    /// How many of the last searches have been made since then.
    last_searches: u8,
    /// Files that were told as missing.
    told_missing: HashSet<(String, u64)>,
    /// How many files were told as unreadable.
    told_unreadable: usize,
    /// Whether there was nothing when it was asked last.
    was_idle: bool,
    chunk: Vec<u8>,
    press: Press,
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
    /// How long nothing may be appended to a deleted file before it is let go; see [`DELETED_IDLE`].
    pub deleted_idle: Duration,
    /// Times that something was cut by decision while that could not be written down: a restart may repeat it.
    pub repeats: Counter,
}

impl Context {
    /// A recorder of a source that goes on from a state.
    fn recorder(&self, source: SourceIdentity, state: RecorderState) -> Recorder {
        let (pod, redactor) = (Arc::clone(&self.pod), Arc::clone(&self.redactor));
        Recorder::new(pod, source, redactor, state).with_rules(Arc::clone(&self.rules))
    }
}

impl Reader {
    /// A reader of the spool and of files.
    pub fn new(context: Context, intake: Intake, files: Files, steps: Steps, ledger: &mut Ledger) -> Self {
        let spool = SpoolSource::open(&context, intake, ledger);
        let untold = steps.containers().filter(|container| !ledger.step(container).is_some_and(|record| record.told));
        let untold = untold.map(ToOwned::to_owned).collect();
        let controls = Controls::new(Arc::clone(&context.pod), untold, context.resumed);
        Self {
            context,
            spool: Some(Box::new(spool)),
            followed: Followed::new(files),
            spool_turn: true,
            made: VecDeque::new(),
            controls,
            steps,
            gone: Counts::default(),
            spool_end: None,
            searched: false,
            closing: false,
            finishing: false,
            last_searches: 0,
            told_missing: HashSet::new(),
            told_unreadable: 0,
            was_idle: false,
            chunk: vec![0; CHUNK],
            press: Press::default(),
        }
    }

    /// Looks for files that are new or have changed, where it is time.
    pub fn discover(&mut self, ledger: &mut Ledger) {
        self.steps.look(ledger);
        let are_over = self.steps.are_over();
        if are_over && !self.searched {
            self.with_files(ledger, Followed::finish);
        } else {
            self.with_files(ledger, Followed::look);
        }
        self.searched = are_over;
    }

    /// How many files are followed, and whether changes of them wake the reader.
    #[must_use]
    pub fn files(&self) -> (usize, bool) {
        (self.followed.sources().count(), self.followed.files().is_watching())
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
        if self.finishing {
            if self.last_searches == 0 {
                self.search_at_the_end(ledger);
            } else if std::mem::take(&mut self.was_idle) {
                self.followed.wake_all();
            }
        }
        self.closing = self.searched && self.steps.are_over();
        if self.closing && std::mem::take(&mut self.was_idle) {
            self.followed.wake_untold();
        }
        self.followed.hear();
        let (mut spool_idle, mut files_idle) = (false, false);
        loop {
            if let Some(next) = self.made.pop_front() {
                return Some(next);
            }
            if spool_idle && files_idle {
                if self.closing && !self.finishing && self.are_ends_told() {
                    if !self.controls.is_finished() {
                        self.tell_what_is_missing(ledger);
                    }
                    return self.step_end(ledger);
                }
                if !self.is_read() {
                    self.was_idle = true;
                    return None;
                }
                // What came into being until now is the last that is read.
                if self.last_searches < LAST_SEARCHES {
                    self.search_at_the_end(ledger);
                    files_idle = false;
                    continue;
                }
                return self.last_words(ledger);
            }
            if std::mem::replace(&mut self.spool_turn, false) {
                spool_idle = self.advance_spool(ledger);
            } else {
                self.spool_turn = true;
                files_idle = self.advance_files(ledger);
            }
        }
    }

    /// The spool's turn. Says whether it has nothing.
    fn advance_spool(&mut self, ledger: &mut Ledger) -> bool {
        let Some(spool) = &mut self.spool else { return true };
        // A source that was told to be at its end goes on as any other until this process ends: what comes late is sent as
        // it comes.
        let closing = self.finishing || self.closing && self.spool_end.is_none();
        match spool.advance(closing, &mut self.made, &mut self.press, &mut self.steps, ledger) {
            Progress::Made => self.spool_turn = true,
            Progress::Yield => {}
            Progress::Idle | Progress::Missing => return true,
            Progress::Ended => {
                let ending = spool.ending();
                if self.finishing {
                    spool.count_into(&mut self.gone);
                    self.spool = None;
                }
                if self.spool_end.replace(ending.offset) != Some(ending.offset) {
                    self.end(ending);
                }
            }
        }
        false
    }

    /// A file's turn. Says whether none has anything.
    fn advance_files(&mut self, ledger: &mut Ledger) -> bool {
        match self.with_files_step(ledger, Followed::advance) {
            Step::Went(Progress::Made) => self.spool_turn = false,
            Step::Went(_) => self.followed.hear(),
            Step::Ended(ending) => self.end(*ending),
            Step::Gone(endings) => self.end_for_good(endings),
            Step::Idle => return true,
        }
        false
    }

    fn search_at_the_end(&mut self, ledger: &mut Ledger) {
        self.last_searches += 1;
        self.with_files(ledger, Followed::finish);
    }

    /// Lets the files do something, and tells of those that are gone.
    fn with_files(&mut self, ledger: &mut Ledger, work: impl FnOnce(&mut Followed, &mut Turn<'_>) -> Vec<Ending>) {
        let endings = self.with_files_step(ledger, work);
        self.end_for_good(endings);
    }

    /// Tells of files that are gone.
    fn end_for_good(&mut self, endings: Vec<Ending>) {
        for ending in endings {
            let key = ending.key;
            if !ending.is_told {
                self.end(ending);
            }
            self.made.push_back(Next::Closed(key));
        }
    }

    fn with_files_step<T>(&mut self, ledger: &mut Ledger, work: impl FnOnce(&mut Followed, &mut Turn<'_>) -> T) -> T {
        let mut turn = Turn {
            context: &self.context,
            ledger,
            made: &mut self.made,
            chunk: &mut self.chunk,
            press: &mut self.press,
            closing: self.closing,
            finishing: self.finishing,
            open: self.followed.open(),
        };
        work(&mut self.followed, &mut turn)
    }

    /// Whether every source that there is was told to be at its end.
    fn are_ends_told(&self) -> bool {
        self.spool_end.is_some() && self.followed.sources().all(|source| source.told_end.is_some())
    }

    /// Whether this process is to end and every source was read to its end.
    fn is_read(&self) -> bool {
        self.finishing && self.spool.is_none() && self.followed.is_empty()
    }

    /// Whether this process is to end and everything was said.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_read() && self.made.is_empty() && self.controls.is_finished()
    }

    /// What was not read to its end: label, and the bytes from where on.
    #[must_use]
    pub fn unread(&self, ledger: &Ledger) -> Vec<(String, u64)> {
        let spool = self.spool.iter().map(|spool| (crate::SPOOL_LABEL.to_owned(), spool.position(), spool.behind()));
        let files = self.followed.sources().map(|file| {
            let label = ledger.record(file.key()).map(|record| record.label.clone()).unwrap_or_default();
            (label, file.position(ledger), file.behind(ledger))
        });
        spool.chain(files).filter(|(.., behind)| *behind > 0).map(|(label, position, _)| (label, position)).collect()
    }

    /// Bytes that were not read yet, of files and of the spool.
    #[must_use]
    pub fn behind(&self, ledger: &Ledger) -> (u64, u64) {
        let files = self.followed.sources().map(|file| file.behind(ledger)).sum();
        (files, self.spool.as_ref().map_or(0, |spool| spool.behind()))
    }

    /// What was seen of all sources since this process started.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.gone.clone();
        self.followed.count_into(&mut counts);
        self.spool.iter().for_each(|spool| spool.count_into(&mut counts));
        counts
    }

    fn end(&mut self, ending: Ending) {
        self.made.extend(self.controls.source_end(ending, now()).map(Next::Message));
    }

    /// When every source is at its end: what was never read, then a word for each container.
    fn last_words(&mut self, ledger: &mut Ledger) -> Option<Next> {
        self.tell_what_is_missing(ledger);
        for record in ledger.take_missing() {
            let key = ledger.open(record);
            self.made.push_back(Next::Closed(key));
        }
        self.made.pop_front().or_else(|| self.step_end(ledger))
    }

    /// Tells once of what was never read so far: before the word of a container's end, which is to be the last.
    fn tell_what_is_missing(&mut self, ledger: &Ledger) {
        let mut missing: Vec<&SourceRecord> = ledger.missing().collect();
        missing.sort_by_key(|record| (&record.label, record.generation));
        for record in missing {
            if self.told_missing.insert((record.label.clone(), record.generation)) {
                self.made.extend(absent_gap(&self.context, record, "file_missing").map(Next::Message));
            }
        }
        self.tell_unreadable();
    }

    /// A word for each container.
    fn step_end(&mut self, ledger: &Ledger) -> Option<Next> {
        let (message, container) = self.controls.step_end(ledger, now())?;
        self.made.extend(message.map(Next::Message));
        self.made.push_back(Next::Told(container));
        self.made.pop_front()
    }

    fn tell_unreadable(&mut self) {
        let unreadable = self.followed.files().unreadable();
        if let Some(first) = unreadable.first()
            && unreadable.len() > self.told_unreadable
        {
            self.told_unreadable = unreadable.len();
            let content = format!("{} files could not be opened, the first is `{}`", unreadable.len(), first.display());
            self.tell_gap("file_unreadable", content);
        }
    }
}

/// The time, as messages hold it.
pub(crate) fn now() -> Timestamp {
    Timestamp::new(SystemTime::now().into())
}

#[cfg(test)]
mod tests;
