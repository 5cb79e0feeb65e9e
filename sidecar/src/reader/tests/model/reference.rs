//! What must come of what happens.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;

use super::super::world::{Setup, World};
use super::{LINK, NAMES, Step};
use crate::ledger::SourceKey;

/// A file as the model knows it.
struct Model {
    handle: File,
    inode: u64,
    /// Lines of its life, the last perhaps without an end.
    lines: Vec<String>,
    partial: bool,
    /// Whether a name leads to it that is searched for.
    reachable: bool,
    /// What the reader had it as when it was cut last.
    cut_as: Option<SourceKey>,
    /// Whether it was open when its last name went: then it stays so.
    kept: bool,
}

/// The reference.
pub struct Reference {
    world: World,
    setup: Setup,
    files: Vec<Model>,
    /// Which file has the name now.
    named: [Option<usize>; 3],
    links: usize,
    renamed: usize,
    counter: usize,
    expected: BTreeSet<String>,
    /// Lines that nobody could read any more, and the file that must be told of where it was known.
    losable: BTreeMap<String, Option<u64>>,
    labels: HashMap<u64, String>,
}

impl Reference {
    pub fn new(setup: Setup) -> Self {
        Self {
            world: World::new(setup),
            setup,
            files: Vec::new(),
            named: [None; 3],
            links: 0,
            renamed: 0,
            counter: 0,
            expected: BTreeSet::new(),
            losable: BTreeMap::new(),
            labels: HashMap::new(),
        }
    }

    pub fn apply(&mut self, step: &Step) {
        match *step {
            Step::Append { ref file, lines, partial } if !self.files.is_empty() => {
                let index = file.index(self.files.len());
                let model = &self.files[index];
                // Nobody reads what is appended to a file that was let go.
                let is_lost = !model.reachable && (self.setup.deleted_idle.is_zero() || !model.kept);
                if !is_lost {
                    for _ in 0..lines {
                        self.append(index, true);
                    }
                    if partial {
                        self.append(index, false);
                    }
                }
            }
            Step::Append { .. } => {}
            Step::Write { name } => {
                let index = self.named[name].unwrap_or_else(|| self.create(name));
                self.append(index, true);
            }
            Step::Rename { name } => {
                if self.named[name].take().is_some() {
                    self.renamed += 1;
                    let new = self.world.log(&format!("{}.{}", NAMES[name], self.renamed));
                    fs::rename(self.world.log(NAMES[name]), new).unwrap();
                }
            }
            Step::CopyTruncate { name } => {
                if let Some(index) = self.named[name] {
                    self.truncate(index);
                }
            }
            Step::Delete { name } => {
                if let Some(index) = self.named[name].take() {
                    fs::remove_file(self.world.log(NAMES[name])).unwrap();
                    self.unreachable(index);
                }
            }
            Step::SwapLink => {
                if let Some(index) = self.named[LINK].take() {
                    self.unreachable(index);
                }
                self.create(LINK);
            }
            Step::Poll { most } => {
                self.world.look();
                self.world.send(most);
                self.note_labels();
            }
            Step::Send { most } => {
                self.world.send(most);
                self.note_labels();
            }
            Step::Acknowledge { count } => self.world.acknowledge(count),
            Step::Save => self.world.save(),
            Step::Crash { arrived } => self.crash(arrived),
            Step::Restart => {
                if self.world.process.is_none() {
                    self.world.start();
                }
            }
        }
    }

    fn create(&mut self, name: usize) -> usize {
        let path = self.world.log(NAMES[name]);
        let target = if name == LINK { self.swap_link() } else { path };
        let handle = File::options().create(true).append(true).open(target).unwrap();
        let inode = handle.metadata().unwrap().ino();
        self.files.push(Model { handle, inode, lines: Vec::new(), partial: false, reachable: true, cut_as: None, kept: false });
        self.named[name] = Some(self.files.len() - 1);
        self.files.len() - 1
    }

    fn swap_link(&mut self) -> PathBuf {
        self.links += 1;
        let root = self.world.directory.path();
        let (target, next) = (root.join(format!("target-{}", self.links)), root.join("next"));
        File::create(&target).unwrap();
        symlink(&target, &next).unwrap();
        fs::rename(next, self.world.log(NAMES[LINK])).unwrap();
        target
    }

    fn append(&mut self, index: usize, ended: bool) {
        let model = &mut self.files[index];
        let text = if model.partial {
            let begun = model.lines.pop().unwrap();
            self.expected.remove(&begun);
            let more = "+".repeat(3);
            model.handle.write_all(more.as_bytes()).unwrap();
            begun + &more
        } else {
            self.counter += 1;
            let text = format!("line {}", self.counter);
            model.handle.write_all(text.as_bytes()).unwrap();
            text
        };
        if ended {
            model.handle.write_all(b"\n").unwrap();
        }
        model.partial = !ended;
        model.lines.push(text.clone());
        self.expected.insert(text);
    }

    fn made(&self, line: &str) -> bool {
        self.world.process.as_ref().is_some_and(|process| process.made.contains(line))
    }

    fn stored(&self) -> BTreeSet<String> {
        self.world.said().into_iter().collect()
    }

    /// What nobody has read so far is lost, also what only this process knows if it dies.
    fn lose(&mut self, index: usize, known: bool) {
        let stored = self.stored();
        let model = &self.files[index];
        let read = self.read(index);
        for line in model.lines.clone() {
            if !stored.contains(&line) && !self.made(&line) && !read.contains(&line) {
                self.losable.entry(line).or_insert(known.then_some(model.inode));
            }
        }
    }

    /// Lines of which no message was made and that the process has read.
    fn read(&self, index: usize) -> BTreeSet<String> {
        let model = &self.files[index];
        let Some((key, position, read, _)) = self.world.place(model.inode) else { return BTreeSet::new() };
        if model.cut_as == Some(key) {
            return BTreeSet::new();
        }
        let bytes = self.bytes(index);
        let read = bytes.get(usize::try_from(position).unwrap()..usize::try_from(read).unwrap());
        String::from_utf8_lossy(read.unwrap_or_default()).lines().map(ToOwned::to_owned).collect()
    }

    /// Whether anybody can know that there was something: where no byte was read, nobody can.
    fn is_known(&self, inode: u64) -> bool {
        let read = match &self.world.process {
            Some(_) => self.world.place(inode).map(|(_, _, read, _)| read),
            None => self.world.saved_offset(inode),
        };
        read.is_some_and(|offset| offset > 0)
    }

    fn truncate(&mut self, index: usize) {
        let inode = self.files[index].inode;
        let stored = self.stored();
        self.lose(index, self.is_known(inode));
        let model = &mut self.files[index];
        model.cut_as = self.world.place(inode).map(|(key, ..)| key);
        model.handle.set_len(0).unwrap();
        model.lines.retain(|line| !stored.contains(line));
        model.partial = false;
    }

    /// No name leads to it any more.
    fn unreachable(&mut self, index: usize) {
        self.files[index].reachable = false;
        let inode = self.files[index].inode;
        self.files[index].kept = self.world.is_open(inode);
        if !self.files[index].kept {
            // It can never be opened again. What the process has seen of it, or left in the checkpoint, is told.
            let seen = self.world.place(inode).is_some_and(|(.., is_more)| is_more);
            let saved = self.world.process.is_none() && self.world.saved_offset(inode).is_some();
            self.lose(index, seen || saved);
            if !(seen || saved) {
                // Nobody looked since, so that nobody knows either that it was cut. Its end is told as incomplete, no more.
                for about in self.losable.values_mut().filter(|about| **about == Some(inode)) {
                    *about = None;
                }
            }
        }
    }

    fn crash(&mut self, arrived: usize) {
        if self.world.process.is_none() {
            return;
        }
        self.world.crash(arrived);
        // What is read from now on is what is there now.
        for model in &mut self.files {
            (model.cut_as, model.kept) = (None, false);
        }
        let stored = self.stored();
        for index in 0..self.files.len() {
            if !self.files[index].reachable {
                self.lose(index, self.world.saved_offset(self.files[index].inode).is_some());
            }
            let model = &self.files[index];
            let offset = self.world.saved_offset(model.inode);
            // A later process cannot know that there were bytes where none is written down, but that there was a file.
            let is_known = if model.reachable { offset.is_some_and(|offset| offset > 0) } else { offset.is_some() };
            if !is_known {
                for about in self.losable.values_mut().filter(|about| **about == Some(model.inode)) {
                    *about = None;
                }
            }
            // What was cut away before and only this process had read.
            for line in &model.lines {
                if !stored.contains(line) && !self.in_file(index, line) {
                    self.losable.entry(line.clone()).or_insert(is_known.then_some(model.inode));
                }
            }
        }
    }

    /// Whether a line can still be read in the file.
    fn in_file(&self, index: usize, line: &str) -> bool {
        String::from_utf8_lossy(&self.bytes(index)).lines().any(|found| found == line)
    }

    fn bytes(&self, index: usize) -> Vec<u8> {
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&self.files[index].handle);
        fs::read(format!("/proc/self/fd/{descriptor}")).unwrap()
    }

    fn note_labels(&mut self) {
        let Some(process) = &self.world.process else { return };
        for source in process.reader.followed.sources() {
            if let Some(record) = process.ledger.record(source.key()) {
                self.labels.insert(source.identity().inode, record.label.clone());
            }
        }
    }

    pub fn check(&mut self) {
        self.world.finish();
        self.note_labels();
        let said = self.world.said();
        let stored: BTreeSet<String> = said.iter().cloned().collect();
        assert_eq!(said.len(), stored.len(), "something is there twice: {said:?}");
        let gaps: Vec<String> = self.world.gaps().into_iter().map(|(_, label, _)| label).collect();
        for line in self.expected.difference(&stored) {
            let about = self.losable.get(line).unwrap_or_else(|| panic!("`{line}` is lost: {said:?}"));
            if let Some(label) = about.and_then(|inode| self.labels.get(&inode)) {
                let name = label.rsplit('/').next().unwrap();
                assert!(gaps.iter().any(|gap| gap == name), "the loss of `{line}` of {name} is not told: {gaps:?}");
            }
        }
        // The beginning of a line that was cut away, or that came before its file was let go, may stand alone.
        let strange: Vec<&String> =
            stored.iter().filter(|line| !self.expected.iter().any(|expected| expected.starts_with(*line))).collect();
        assert!(strange.is_empty(), "nobody said {strange:?}");
        self.world.check_numbers();
    }
}
