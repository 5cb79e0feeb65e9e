//! Everything that can happen to files and to the process, in random order, against what must come of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::world::{Setup, World};

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// Lines are appended to a file by whoever has it open, whatever it is called now; perhaps without the last end.
    Append {
        file: prop::sample::Index,
        lines: usize,
        partial: bool,
    },
    /// A line is appended to what has this name, which comes into being.
    Write {
        name: usize,
    },
    Rename {
        name: usize,
    },
    CopyTruncate {
        name: usize,
    },
    Delete {
        name: usize,
    },
    SwapLink,
    /// The reader looks for changes and sends at most this many.
    Poll {
        most: usize,
    },
    Acknowledge {
        count: usize,
    },
    Save,
    /// The process dies; so many of what it sent have arrived.
    Crash {
        arrived: usize,
    },
    Restart,
}

const NAMES: [&str; 3] = ["a.log", "b.log", "link"];
const LINK: usize = 2;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0..NAMES.len();
    let step = prop_oneof![
        4 => (any::<prop::sample::Index>(), 0..4_usize, any::<bool>())
            .prop_map(|(file, lines, partial)| Step::Append { file, lines, partial }),
        4 => name.clone().prop_map(|name| Step::Write { name }),
        2 => (0..LINK).prop_map(|name| Step::Rename { name }),
        2 => name.prop_map(|name| Step::CopyTruncate { name }),
        1 => (0..LINK).prop_map(|name| Step::Delete { name }),
        1 => Just(Step::SwapLink),
        8 => (0..12_usize).prop_map(|most| Step::Poll { most }),
        5 => (0..12_usize).prop_map(|count| Step::Acknowledge { count }),
        3 => Just(Step::Save),
        1 => (0..4_usize).prop_map(|arrived| Step::Crash { arrived }),
        2 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

fn setups() -> impl Strategy<Value = Setup> {
    let limits = prop::sample::select(vec![1, 2, 100]);
    (any::<bool>(), limits, any::<bool>()).prop_map(|(watching, open, kept)| Setup {
        watching,
        open,
        deleted_idle: if kept { Duration::from_secs(3_600) } else { Duration::ZERO },
    })
}

/// A file as the model knows it.
struct Model {
    handle: File,
    inode: u64,
    /// Lines of its life, the last perhaps without an end.
    lines: Vec<String>,
    partial: bool,
    /// Whether a name leads to it that is searched for.
    reachable: bool,
}

/// The reference.
struct Reference {
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
    fn new(setup: Setup) -> Self {
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

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Append { ref file, lines, partial } if !self.files.is_empty() => {
                let index = file.index(self.files.len());
                let model = &self.files[index];
                // Nobody reads what is appended to a file that was let go.
                let is_lost = !model.reachable && (self.setup.deleted_idle.is_zero() || !self.world.is_open(model.inode));
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
        self.files.push(Model { handle, inode, lines: Vec::new(), partial: false, reachable: true });
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

    /// Everything that is in no message so far is lost, also what only this process knows if it dies.
    fn lose(&mut self, index: usize, told: bool) {
        let stored = self.stored();
        let model = &self.files[index];
        let (inode, known) = (model.inode, told && self.is_known(model.inode));
        for line in model.lines.clone() {
            if !stored.contains(&line) && !self.made(&line) {
                self.losable.entry(line).or_insert(known.then_some(inode));
            }
        }
    }

    /// Whether anybody can know that there was something: where no byte was read, nobody can.
    fn is_known(&self, inode: u64) -> bool {
        let offset = if self.world.process.is_some() { self.world.position(inode) } else { self.world.saved_offset(inode) };
        offset.is_some_and(|offset| offset > 0)
    }

    fn truncate(&mut self, index: usize) {
        let inode = self.files[index].inode;
        let stored = self.stored();
        let begun = self.files[index].lines.iter().any(|line| stored.contains(line) || self.made(line));
        // Before the first acknowledged byte there is nothing by which a later process could tell the new life from the old.
        if begun && self.world.saved_offset(inode).unwrap_or(0) == 0 {
            return;
        }
        self.lose(index, true);
        let model = &mut self.files[index];
        model.handle.set_len(0).unwrap();
        model.lines.retain(|line| !stored.contains(line));
        model.partial = false;
    }

    /// No name leads to it any more.
    fn unreachable(&mut self, index: usize) {
        self.files[index].reachable = false;
        // Where not all files may be open, one may be closed for another before it is seen that its last name is gone. What it
        // had left is lost then, and its end told as incomplete, without a gap.
        let inode = self.files[index].inode;
        let may_be_closed = self.setup.open < self.files.len();
        if may_be_closed {
            self.losable.values_mut().filter(|about| **about == Some(inode)).for_each(|about| *about = None);
        }
        if may_be_closed || !self.world.is_open(inode) {
            self.lose(index, false);
        }
    }

    fn crash(&mut self, arrived: usize) {
        if self.world.process.is_none() {
            return;
        }
        self.world.crash(arrived);
        let stored = self.stored();
        for index in 0..self.files.len() {
            if !self.files[index].reachable {
                self.lose(index, true);
            }
            let model = &self.files[index];
            let offset = self.world.saved_offset(model.inode);
            // Where no byte is acknowledged, a later process cannot know that there were others.
            if offset.unwrap_or(0) == 0 && model.reachable {
                for about in self.losable.values_mut().filter(|about| **about == Some(model.inode)) {
                    *about = None;
                }
            }
            // What was cut away before and only this process had read.
            for line in &model.lines {
                if !stored.contains(line) && !self.in_file(index, line) {
                    self.losable.entry(line.clone()).or_insert(None);
                }
            }
        }
    }

    /// Whether a line can still be read in the file.
    fn in_file(&self, index: usize, line: &str) -> bool {
        use std::os::unix::fs::FileExt as _;
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.files[index].handle));
        let Ok(file) = File::open(path) else { return false };
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        String::from_utf8_lossy(&bytes).lines().any(|found| found == line)
    }

    fn note_labels(&mut self) {
        let Some(process) = &self.world.process else { return };
        for source in process.reader.followed.sources() {
            if let Some(record) = process.ledger.record(source.key()) {
                self.labels.insert(source.identity().inode, record.label.clone());
            }
        }
    }

    fn check(&mut self) {
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

proptest! {
    #![proptest_config(config())]
    #[test]
    fn nothing_is_lost_or_repeated_whatever_happens_to_files_and_process(setup in setups(), steps in steps()) {
        let mut reference = Reference::new(setup);
        for step in &steps {
            reference.apply(step);
        }
        reference.check();
    }
}

/// The same orders each time, so that a change is to blame when one fails; at full length new ones.
fn config() -> ProptestConfig {
    let is_soak = std::env::var_os("AGENT_COMMS_SOAK").is_some();
    ProptestConfig {
        cases: if is_soak { 20_000 } else { 128 },
        rng_seed: if is_soak { RngSeed::Random } else { RngSeed::Fixed(1) },
        max_shrink_iters: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
