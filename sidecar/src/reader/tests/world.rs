//! A reader with a checkpoint and a stream in memory, and real files.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use message::PodIdentity;
use prometheus_client::metrics::counter::Counter;
use records::{Redactor, Rules};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::checkpoint::{Checkpoint, FileIdentity};
use crate::files::Files;
use crate::files::pattern::Pattern;
use crate::ledger::{Ledger, SourceKey};
use crate::reader::followed::Followed;
use crate::reader::{Context, Next, Outgoing, Reader};
use crate::socket::intake::Intake;
use crate::spool::Spool;
use crate::steps::{Restarts, Steps};

/// Number, start and content of a message.
type Numbered = (u64, u64, String);

/// How a world is.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Whether files are watched; else every look is a full one.
    pub watching: bool,
    /// How many may be open.
    pub open: usize,
    /// How long a deleted file is kept.
    pub deleted_idle: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self { watching: false, open: 100, deleted_idle: Duration::from_secs(3_600) }
    }
}

/// One life of the process.
pub struct Process {
    pub reader: Reader,
    pub ledger: Ledger,
    /// Sent and not answered.
    pub window: VecDeque<Next>,
    /// Contents of what was sent.
    pub made: HashSet<String>,
}

/// Everything.
pub struct World {
    pub directory: TempDir,
    setup: Setup,
    checkpoint: Option<Vec<u8>>,
    pub process: Option<Process>,
    /// What the stream has, in its order.
    pub stream: Vec<Value>,
    ids: HashMap<Uuid, String>,
    /// Whether the checkpoint can be written.
    pub can_save: bool,
    /// How often something had to be written down before it could go on.
    pub syncs: usize,
    /// How text is read.
    pub rules: Arc<Rules>,
}

impl World {
    pub fn new(setup: Setup) -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("logs")).unwrap();
        let (stream, ids) = (Vec::new(), HashMap::new());
        let mut world = Self {
            directory,
            setup,
            checkpoint: None,
            process: None,
            stream,
            ids,
            can_save: true,
            syncs: 0,
            rules: Arc::default(),
        };
        world.start();
        world
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.directory.path().join("logs").join(name)
    }

    pub fn start(&mut self) {
        let checkpoint = self.saved();
        let pod = PodIdentity::unknown("p");
        let context = Context {
            pod: Arc::new(pod),
            redactor: Arc::new(Redactor::default()),
            resumed: checkpoint.is_some(),
            deleted_idle: self.setup.deleted_idle,
            rules: Arc::clone(&self.rules),
            repeats: Counter::default(),
        };
        let mut ledger = Ledger::new(checkpoint.unwrap_or_default());
        let (spool, _) = Spool::open(&self.directory.path().join("spool"), 1 << 20, 1, None).unwrap();
        let changed = Arc::new(Notify::new());
        let intake = Intake::new(spool, "p", Arc::clone(&changed));
        let pattern = Pattern::everything_under(Some("main".to_owned()), &self.directory.path().join("logs")).unwrap();
        let files = Files::new(vec![pattern], self.setup.open, self.setup.watching.then_some(changed));
        let reader = Reader::new(context, intake, files, Steps::new(["main".to_owned()], &[], Restarts::Never), &mut ledger);
        self.process = Some(Process { reader, ledger, window: VecDeque::new(), made: HashSet::new() });
        self.save();
    }

    /// The checkpoint, as it was written last.
    pub fn saved(&self) -> Option<Checkpoint> {
        self.checkpoint.as_ref().map(|bytes| serde_json::from_slice(bytes).unwrap())
    }

    pub fn save(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.ledger.was_saved(self.can_save);
        if self.can_save {
            self.checkpoint = Some(serde_json::to_vec(&process.ledger.snapshot()).unwrap());
        }
    }

    /// Looks for changes, by the watch or everywhere.
    pub fn look(&mut self) {
        let watching = self.setup.watching;
        let Some(Process { reader, ledger, .. }) = &mut self.process else { return };
        if watching { reader.discover(ledger) } else { reader.with_files(ledger, Followed::finish) }
    }

    /// Looks at every name and every open file, and gives a turn to those that changed alone.
    pub fn search(&mut self) {
        let Some(Process { reader, ledger, .. }) = &mut self.process else { return };
        reader.with_files(ledger, Followed::look_now);
    }

    /// The inode of what has this name.
    pub fn inode(&self, name: &str) -> u64 {
        std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(self.log(name)).unwrap())
    }

    /// Sends what comes next, at most so much. Says whether there was that much.
    pub fn send(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let Some(process) = &mut self.process else { return false };
            match process.reader.next(&mut process.ledger) {
                None => return false,
                Some(Next::Sync) => {
                    self.syncs += 1;
                    self.save();
                }
                Some(mut next) => {
                    if let Next::Message(outgoing) = &mut next {
                        outgoing.resend |= !self.can_save;
                        process.made.insert(content(outgoing));
                    }
                    process.window.push_back(next);
                }
            }
        }
        true
    }

    /// The oldest so many are answered.
    pub fn acknowledge(&mut self, count: usize) {
        for _ in 0..count {
            let Some(process) = &mut self.process else { return };
            let Some(next) = process.window.pop_front() else { return };
            match next {
                Next::Message(outgoing) => {
                    if let (Some(key), Some(place)) = (outgoing.source, outgoing.then.clone()) {
                        process.ledger.acknowledge(key, place);
                    }
                    self.store(&outgoing);
                }
                Next::Moved(key, place) => process.ledger.acknowledge(key, place),
                Next::Closed(key) => process.ledger.close(key),
                Next::Told(container) => process.ledger.step_told(&container),
                Next::Sync => {}
            }
        }
    }

    /// The process dies. This many of what it sent arrived, unanswered.
    pub fn crash(&mut self, arrived: usize) {
        let Some(process) = self.process.take() else { return };
        let messages =
            process.window.iter().filter_map(|next| if let Next::Message(outgoing) = next { Some(outgoing) } else { None });
        for outgoing in messages.take(arrived) {
            self.store(outgoing);
        }
    }

    /// Sends and answers until nothing comes any more.
    pub fn settle(&mut self) {
        while self.send(10) || self.process.as_ref().is_some_and(|process| !process.window.is_empty()) {
            self.acknowledge(usize::MAX);
        }
    }

    /// The step ends and everything is sent and answered.
    pub fn finish(&mut self) {
        if self.process.is_none() {
            self.start();
        }
        self.process.as_mut().unwrap().reader.finish();
        // What cannot be read is tried for a time, not for a number of turns.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            self.settle();
            if self.process.as_ref().unwrap().reader.is_finished() {
                self.save();
                return;
            }
            assert!(std::time::Instant::now() < deadline, "it does not end");
            std::thread::yield_now();
        }
    }

    /// Whether this file is open in the process.
    pub fn is_open(&self, inode: u64) -> bool {
        let sources = self.process.iter().flat_map(|process| process.reader.followed.sources());
        sources.into_iter().any(|source| source.identity().inode == inode && source.is_open())
    }

    /// How many files are open in the process.
    pub fn open_files(&self) -> usize {
        self.process.iter().map(|process| process.reader.followed.open()).sum()
    }

    /// The key of this file's newest life, the place up to which messages were made of it and up to which it was read, and
    /// whether more is known of it.
    pub fn place(&self, inode: u64) -> Option<(SourceKey, u64, u64, bool)> {
        let Process { reader, ledger, .. } = self.process.as_ref()?;
        let source = reader.followed.sources().find(|source| source.identity().inode == inode)?;
        let (position, read) = (source.position(ledger), source.read_to(ledger));
        Some((source.key(), position, read, source.unread(ledger).is_some()))
    }

    /// Up to where the checkpoint knows bytes of this file, in its newest life.
    pub fn saved_offset(&self, inode: u64) -> Option<u64> {
        let is_it = |file: Option<FileIdentity>| file.is_some_and(|file| file.inode == inode);
        let saved = self.saved()?;
        let record = saved.sources.iter().rev().find(|record| is_it(record.file))?;
        Some(record.read.map_or(0, |read| read.offset).max(record.place.offset))
    }

    /// What steps said, in the stream's order.
    pub fn said(&self) -> Vec<String> {
        self.stream.iter().filter(|body| body["seq"].is_u64()).map(|body| text(body, "content")).collect()
    }

    /// The gaps: reason, label and bytes.
    pub fn gaps(&self) -> Vec<(String, String, u64)> {
        let gaps = self.stream.iter().filter(|body| body["kind"] == "gap");
        let gap = |body: &Value| {
            let label = body["source"]["label"].as_str().unwrap();
            let label = label.rsplit('/').next().unwrap().to_owned();
            (body["attrs"]["reason"].as_str().unwrap().to_owned(), label, body["attrs"]["bytes"].as_u64().unwrap_or(0))
        };
        gaps.map(gap).collect()
    }

    /// The ends of sources: label and whether they are complete.
    pub fn ends(&self) -> Vec<(String, bool)> {
        let ends = self.stream.iter().filter(|body| body["kind"] == "source-end");
        let label = |body: &Value| body["source"]["label"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        ends.map(|body| (label(body), body["attrs"]["complete"] == true)).collect()
    }

    /// Checks that every generation of every source is numbered without a hole and in the order of its bytes.
    pub fn check_numbers(&self) {
        let mut sources: BTreeMap<(String, u64), Vec<Numbered>> = BTreeMap::new();
        for body in self.stream.iter().filter(|body| body["seq"].is_u64()) {
            let source = &body["source"];
            let number = |value: &Value| value.as_u64().unwrap();
            let key = (text(source, "label"), number(&source["generation"]));
            let value = (number(&body["seq"]), number(&source["start"]), text(body, "content"));
            sources.entry(key).or_default().push(value);
        }
        for (source, messages) in sources {
            let numbers: Vec<u64> = messages.iter().map(|(seq, ..)| *seq).collect();
            assert_eq!(numbers, (1..=messages.len() as u64).collect::<Vec<_>>(), "{source:?}: {messages:?}");
            assert!(messages.is_sorted_by_key(|(_, start, _)| *start), "{source:?}: {messages:?}");
        }
    }

    fn store(&mut self, outgoing: &Outgoing) {
        let body: Value = serde_json::from_slice(&outgoing.payload).unwrap();
        let content = text(&body, "content");
        if let Some(stored) = self.ids.get(&outgoing.id) {
            assert_eq!(*stored, content, "one id has two contents");
            assert!(outgoing.resend, "a copy is not marked: {content}");
        } else {
            self.ids.insert(outgoing.id, content);
            self.stream.push(body);
        }
    }
}

fn content(outgoing: &Outgoing) -> String {
    text(&serde_json::from_slice(&outgoing.payload).unwrap(), "content")
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_default().to_owned()
}
