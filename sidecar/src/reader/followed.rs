//! The files that are followed, as many as match: those with something to read take turns, the rest cost a look now and
//! then. No more are open than the system lets; beyond that the longest idle is closed until it grows.

mod room;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use records::Counts;

use super::file::FileSource;
use super::{Ending, Next, Progress, Turn, new_record};
use crate::files::{Candidate, Change, Files, is_exhausted};
use crate::ledger::SourceKey;

/// How often open files are looked at whatever is heard of them.
const POLL: Duration = Duration::from_millis(200);
/// Looking at many files is spread over more time: this much for each.
const POLL_EACH: Duration = Duration::from_micros(100);
/// Sources that are at their end and not acknowledged; beyond this they are asked whether they can rest before more is
/// read.
const MOST_SETTLING: usize = 512;

/// The followed files.
#[derive(Debug)]
pub struct Followed {
    files: Files,
    sources: BTreeMap<SourceKey, Box<FileSource>>,
    /// Those that may have something to read, in their turns.
    ready: VecDeque<SourceKey>,
    /// Those that are to be opened before they can be read, as soon as that is possible.
    waiting: VecDeque<SourceKey>,
    /// Those at their end that may not be acknowledged up to there.
    settling: Vec<SourceKey>,
    /// Open ones without anything to do, about in the order of their last reading. Some may have been woken since.
    resting: VecDeque<SourceKey>,
    open: usize,
    /// How much memory is held for files that are closed.
    held: usize,
    polled: Option<Instant>,
    /// Whether it is the turn of one that waits.
    opens_next: bool,
    /// What was counted in files that are gone.
    gone: Counts,
}

/// What the turn of a file came to.
pub enum Step {
    /// Something was made, or the next one has its turn.
    Went(Progress),
    /// A source is at its end.
    Ended(Box<Ending>),
    /// Sources are at their ends, and will never be read again.
    Gone(Vec<Ending>),
    /// No file has anything now.
    Idle,
}

impl Followed {
    /// Nothing so far.
    pub fn new(files: Files) -> Self {
        Self {
            files,
            sources: BTreeMap::new(),
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            settling: Vec::new(),
            resting: VecDeque::new(),
            open: 0,
            held: 0,
            polled: None,
            opens_next: true,
            gone: Counts::default(),
        }
    }

    /// Which files there are.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// How many files are open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Whether nothing is followed.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// All that are followed.
    pub fn sources(&self) -> impl Iterator<Item = &FileSource> {
        self.sources.values().map(AsRef::as_ref)
    }

    /// Takes in what is told of changes.
    pub fn hear(&mut self) {
        let Some(happened) = self.files.take_happened() else { return };
        for path in happened.written {
            if let Some(key) = self.files.named(&path) {
                self.wake(key, Some(path));
            }
        }
        if happened.anything {
            self.polled = None;
        }
    }

    /// Looks for new files and for changes, where it is time. Gives the ends of files that are gone.
    pub fn look(&mut self, turn: &mut Turn<'_>) -> Vec<Ending> {
        self.settle(turn.ledger, false);
        self.hear();
        let endings = if self.files.is_search_due() { self.search(turn.finishing, turn) } else { Vec::new() };
        let interval = POLL.max(POLL_EACH * u32::try_from(self.open).unwrap_or(u32::MAX));
        if self.polled.is_none_or(|at| at.elapsed() >= interval) {
            self.poll(turn.context.deleted_idle);
            self.polled = Some(Instant::now());
        }
        endings
    }

    /// The step has ended: everything has a last turn.
    pub fn finish(&mut self, turn: &mut Turn<'_>) -> Vec<Ending> {
        self.poll(turn.context.deleted_idle);
        let endings = self.search(true, turn);
        self.wake_all();
        endings
    }

    /// What [`Followed::look`] does when it is time for all of it.
    #[cfg(test)]
    pub fn look_now(&mut self, turn: &mut Turn<'_>) -> Vec<Ending> {
        self.poll(turn.context.deleted_idle);
        self.search(false, turn)
    }

    /// Gives every file a turn.
    pub fn wake_all(&mut self) {
        for (key, source) in &mut self.sources {
            if !std::mem::replace(&mut source.queued, true) {
                let queue = if source.needs_opening() { &mut self.waiting } else { &mut self.ready };
                queue.push_back(*key);
            }
        }
    }

    /// Gives a turn to every file that was not told to be at its end.
    pub fn wake_untold(&mut self) {
        for (key, source) in &mut self.sources {
            if source.told_end.is_none() && !std::mem::replace(&mut source.queued, true) {
                let queue = if source.needs_opening() { &mut self.waiting } else { &mut self.ready };
                queue.push_back(*key);
            }
        }
    }

    /// Lets the next file have its turn.
    pub fn advance(&mut self, turn: &mut Turn<'_>) -> Step {
        if self.settling.len() > MOST_SETTLING {
            self.settle(turn.ledger, false);
        }
        if (self.opens_next || self.ready.is_empty()) && !self.waiting.is_empty() && self.make_room(turn) {
            self.ready.extend(self.waiting.pop_front());
            self.ready.rotate_right(1);
        }
        self.opens_next = false;
        let Some(key) = self.ready.front().copied() else { return Step::Idle };
        turn.open = self.open;
        let Some(source) = self.sources.get_mut(&key) else {
            self.ready.pop_front();
            return Step::Went(Progress::Yield);
        };
        let (was_open, had_held) = (source.is_open(), source.held());
        let progress = source.advance(&mut self.files, turn);
        let (is_open, new_key) = (source.is_open(), source.key());
        self.open = self.open + usize::from(is_open) - usize::from(was_open);
        self.held = self.held + source.held() - had_held;
        let is_closing = source.is_closing(turn);
        if new_key != key {
            self.rekey(key, new_key);
        }
        match progress {
            Progress::Made => {}
            Progress::Yield => {
                self.ready.rotate_left(1);
                self.opens_next = true;
            }
            Progress::Idle => {
                self.ready.pop_front();
                self.opens_next = true;
                if let Some(source) = self.sources.get_mut(&new_key) {
                    source.queued = false;
                    self.settling.push(new_key);
                }
            }
            Progress::Missing => {
                self.ready.pop_front();
                self.sources.get_mut(&new_key).into_iter().for_each(|source| source.queued = false);
                if is_closing {
                    // A search finds its newer name, or that it has none.
                    return Step::Gone(self.search(true, turn));
                }
                self.files.search_soon();
            }
            Progress::Ended => {
                self.ready.pop_front();
                return self.end(new_key, turn);
            }
        }
        Step::Went(progress)
    }

    /// A source is at its end: for good, where its file is gone or this process ends. Each end is told once.
    fn end(&mut self, key: SourceKey, turn: &Turn<'_>) -> Step {
        let Some(source) = self.sources.get_mut(&key) else { return Step::Went(Progress::Yield) };
        let ending = Box::new(source.ending(turn.ledger));
        source.told_end = Some(ending.offset);
        if source.is_gone() || turn.finishing {
            let is_gone = source.is_gone() && !turn.finishing;
            self.open -= usize::from(source.is_open());
            source.count_into(&mut self.gone);
            let identity = source.identity();
            self.sources.remove(&key);
            if is_gone {
                self.files.forget(identity);
                return Step::Gone(vec![*ending]);
            }
            // It must not be found again.
            self.files.opened(identity);
        } else {
            source.queued = false;
            self.settling.push(key);
        }
        if ending.is_told { Step::Went(Progress::Yield) } else { Step::Ended(ending) }
    }

    /// Adds what was counted in all files, also in those that are gone.
    pub fn count_into(&self, counts: &mut Counts) {
        counts.add(&self.gone);
        self.sources.values().for_each(|source| source.count_into(counts));
    }

    fn rekey(&mut self, old: SourceKey, new: SourceKey) {
        if let Some(source) = self.sources.remove(&old) {
            self.files.follow(source.identity(), new);
            self.sources.insert(new, source);
        }
        if let Some(front) = self.ready.front_mut() {
            *front = new;
        }
    }

    fn wake(&mut self, key: SourceKey, path: Option<std::path::PathBuf>) {
        if let Some(source) = self.sources.get_mut(&key) {
            if let Some(path) = path {
                source.wake(path);
            }
            if !std::mem::replace(&mut source.queued, true) {
                let queue = if source.needs_opening() { &mut self.waiting } else { &mut self.ready };
                queue.push_back(key);
            }
        }
    }

    fn search(&mut self, all: bool, turn: &mut Turn<'_>) -> Vec<Ending> {
        let mut endings = Vec::new();
        let mut is_new = false;
        for change in self.files.search(all) {
            match change {
                Change::New(candidate) => is_new |= self.follow(candidate, turn),
                Change::Grown(key, path, size) => {
                    self.sources.get_mut(&key).into_iter().for_each(|source| source.has_size(size));
                    self.wake(key, Some(path));
                }
                Change::Gone(key) => {
                    if let Some(mut source) = self.sources.remove(&key) {
                        self.held -= source.held();
                        source.tell_missing(turn);
                        source.count_into(&mut self.gone);
                        endings.push(source.ending(turn.ledger));
                    }
                }
            }
        }
        if is_new {
            // Which generation of which label a file is must be on disk before anything of it is sent: after a restart it
            // may have another name.
            turn.made.push_back(Next::Sync);
        }
        endings
    }

    /// Follows a file that was found. Says whether the checkpoint does not know it so far.
    fn follow(&mut self, candidate: Candidate, turn: &mut Turn<'_>) -> bool {
        let Candidate { path, mut stat, label, container } = candidate;
        let mut file = None;
        if self.make_room(turn) {
            match self.files.open(&path) {
                Ok(Some((opened, of_opened))) => (file, stat) = (Some(opened), of_opened),
                Err(error) if is_exhausted(&error) => self.files.lower_limit(self.open),
                Ok(None) | Err(_) => return false,
            }
        }
        if self.files.is_known(stat.identity) {
            return false;
        }
        let mut lives = turn.ledger.take_file(stat.identity);
        let newest = lives.pop();
        for record in lives {
            // Its end was seen, and not told to the last.
            super::control::tell_absent(turn, record, "file_replaced");
        }
        let is_new = newest.is_none();
        let record = newest.unwrap_or_else(|| {
            let generation = turn.ledger.new_generation(&label);
            new_record(&label, container, generation, Some(stat.identity))
        });
        tracing::info!(
            source.label = record.label,
            source.generation = record.generation,
            source.offset = record.place.offset,
            "following a file"
        );
        let key = turn.ledger.open(record);
        let resend_below = if turn.context.resumed { stat.seen.size } else { 0 };
        let is_open = file.is_some();
        let source = FileSource::new(key, file, &path, &stat, resend_below);
        self.files.follow(stat.identity, key);
        self.files.name(&path, stat.identity);
        if is_open {
            self.open += 1;
        } else {
            self.files.closed(stat.identity, source.seen());
        }
        self.sources.insert(key, Box::new(source));
        self.wake(key, None);
        is_new
    }

    fn poll(&mut self, deleted_idle: Duration) {
        for (key, source) in &mut self.sources {
            if source.look(deleted_idle) && !std::mem::replace(&mut source.queued, true) {
                self.ready.push_back(*key);
            }
        }
    }
}
