//! The files that are followed: found by pattern, opened as soon as they are found, told apart by what they are and not by
//! what they are called.

pub mod pattern;
pub mod tail;
mod watch;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::checkpoint::FileIdentity;
use pattern::Pattern;
use tail::Tail;
use watch::Watch;

/// Files that are followed at once, well below the usual limit of open files.
const MOST_FILES: usize = 800;

/// A file that was found.
#[derive(Debug)]
pub struct Found {
    /// The open file, at its start.
    pub tail: Tail,
    /// Container and path.
    pub label: String,
    /// Container, where its pattern names one.
    pub container: Option<String>,
}

/// Finds files.
#[derive(Debug)]
pub struct Files {
    patterns: Vec<Pattern>,
    watch: Watch,
    /// Those that are followed.
    known: HashSet<FileIdentity>,
    /// Device and inode by which a path is known without opening it.
    opened: HashMap<(u64, u64), FileIdentity>,
    /// Paths that cannot be opened, told once.
    unreadable: HashSet<PathBuf>,
    full: bool,
}

impl Files {
    /// Files that match any of these patterns; `changed` is told when something may have changed.
    #[must_use]
    pub fn new(patterns: Vec<Pattern>, changed: Arc<Notify>) -> Self {
        let watch = Watch::new(changed);
        let (known, opened, unreadable) = (HashSet::new(), HashMap::new(), HashSet::new());
        Self { patterns, watch, known, opened, unreadable, full: false }
    }

    /// Opens the files that are new.
    pub fn discover(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        let mut directories = HashSet::new();
        for pattern in std::mem::take(&mut self.patterns) {
            let mut take = |path: &Path| found.extend(self.open(path, &pattern));
            pattern.walk(&mut take, &mut |directory| {
                directories.insert(directory.to_owned());
            });
            self.patterns.push(pattern);
        }
        self.watch.set(&directories);
        found
    }

    /// A file is not followed any more.
    pub fn forget(&mut self, identity: FileIdentity) {
        self.known.remove(&identity);
        self.opened.remove(&(identity.device, identity.inode));
    }

    /// Whether changes wake the reader.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        self.watch.is_active()
    }

    fn open(&mut self, path: &Path, pattern: &Pattern) -> Option<Found> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok()?;
        // A followed file is open, so its inode cannot be another file's.
        if !metadata.is_file() || self.opened.contains_key(&(metadata.dev(), metadata.ino())) {
            return None;
        }
        if self.known.len() >= MOST_FILES {
            if !self.full {
                tracing::error!(files.limit = MOST_FILES, path = %path.display(), "too many files match; further ones are not read");
                self.full = true;
            }
            return None;
        }
        match Tail::open(path) {
            Ok(tail) => {
                let tail = tail?;
                let identity = tail.identity();
                self.unreadable.remove(path);
                self.opened.insert((identity.device, identity.inode), identity);
                self.known.insert(identity).then(|| {
                    let container = pattern.container().map(ToOwned::to_owned);
                    let label = match &container {
                        Some(container) => format!("{container}:{}", path.display()),
                        None => path.display().to_string(),
                    };
                    Found { tail, label, container }
                })
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound && self.unreadable.insert(path.to_owned()) {
                    tracing::warn!(path = %path.display(), error = %error, "cannot open a file, trying again");
                }
                None
            }
        }
    }
}
