//! The files that are followed: found by pattern, told apart by what they are and not by what they are called.
//!
//! A search finds new files, and sees whether those that are not open have grown. It looks at every name, so it is made
//! when names have changed and else now and then, the less often the longer it takes. Files that are open are looked at
//! by their reader.

pub mod limit;
pub mod pattern;
pub mod stat;
pub mod tail;
mod watch;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::checkpoint::FileIdentity;
use crate::ledger::SourceKey;
use pattern::Pattern;
use stat::{Seen, Stat};
pub use watch::Happened;
use watch::Watch;

/// How often names are looked at where they are watched: a watch is a hint that can be missed.
const WATCHED_SEARCH: Duration = Duration::from_secs(1);
/// How often names are looked at where they are not watched.
const POLLED_SEARCH: Duration = Duration::from_millis(250);
/// A pause of this many times what the last search took: searching takes a twentieth of the time at most.
const SEARCH_SHARE: u32 = 20;
/// A file that is not open and has no name in this many searches one after another is gone: one search can miss a name
/// that changes while it reads the directory.
const MISSED_SEARCHES: u32 = 3;
/// Sources' files that cannot be opened are remembered up to this many.
const MOST_UNREADABLE: usize = 1_024;

/// What a search found.
#[derive(Debug)]
pub enum Change {
    /// A file that is not followed.
    New(Candidate),
    /// A file that is followed and not open was written, or is to be read now; it has this name and size.
    Grown(SourceKey, PathBuf, u64),
    /// A file that is followed and not open has no name any more.
    Gone(SourceKey),
}

/// A file that was found.
#[derive(Debug)]
pub struct Candidate {
    /// The name it was found by.
    pub path: PathBuf,
    /// What it is.
    pub stat: Stat,
    /// Container and path.
    pub label: String,
    /// Container, where its pattern names one.
    pub container: Option<String>,
}

/// By what a file is known while it exists.
type Inode = (u64, u64);

#[derive(Debug)]
struct Known {
    key: SourceKey,
    born: Option<i64>,
    /// Where it is not open: how it looked when it was closed.
    closed: Option<Seen>,
    /// The last search that saw a name of it.
    search: u32,
    /// A name that it had then.
    path: Box<Path>,
}

/// Finds files.
#[derive(Debug)]
pub struct Files {
    patterns: Vec<Pattern>,
    watch: Watch,
    limit: usize,
    known: HashMap<Inode, Known>,
    /// Names by their hash: a watch tells names. Two names with one hash cost a poll's time, no more.
    names: HashMap<u64, Inode>,
    hashes: RandomState,
    /// Paths that cannot be opened, told once.
    unreadable: HashSet<PathBuf>,
    searches: u32,
    searched: Option<(Instant, Duration)>,
    names_changed: bool,
}

impl Files {
    /// Files that match any of these patterns, at most `limit` of them open; `changed` is told when something may have
    /// changed, where there is somebody to wake.
    #[must_use]
    pub fn new(patterns: Vec<Pattern>, limit: usize, changed: Option<Arc<Notify>>) -> Self {
        Self {
            patterns,
            watch: changed.map_or_else(Watch::none, Watch::new),
            limit,
            known: HashMap::new(),
            names: HashMap::new(),
            hashes: RandomState::new(),
            unreadable: HashSet::new(),
            searches: 0,
            searched: None,
            names_changed: false,
        }
    }

    /// How many may be open.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The system opens no more than this many.
    pub fn lower_limit(&mut self, limit: usize) {
        if limit < self.limit {
            tracing::info!(files.limit = limit, "no more files can be open at once; the longest idle are closed meanwhile");
            self.limit = limit.max(1);
        }
    }

    /// Whether changes wake the reader.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        self.watch.is_active()
    }

    /// What the watch told since the last call.
    pub fn take_happened(&mut self) -> Option<Happened> {
        let happened = self.watch.take_happened()?;
        self.names_changed |= happened.names || happened.anything;
        Some(happened)
    }

    /// The source that this name leads to, as far as is known. Where none is, it is searched for.
    pub fn named(&mut self, path: &Path) -> Option<SourceKey> {
        let known = self.names.get(&self.hashes.hash_one(path)).and_then(|inode| self.known.get(inode));
        self.names_changed |= known.is_none();
        known.map(|known| known.key)
    }

    /// Whether it is time for a search.
    #[must_use]
    pub fn is_search_due(&self) -> bool {
        let Some((at, took)) = self.searched else { return true };
        let interval = if self.names_changed {
            Duration::ZERO
        } else if self.is_watching() {
            WATCHED_SEARCH
        } else {
            POLLED_SEARCH
        };
        at.elapsed() >= interval.max(took * SEARCH_SHARE)
    }

    /// Looks at every name. With `all`, every file that is not open counts as grown, and one is gone at once when no name
    /// of it is found: then it is looked for as often now.
    pub fn search(&mut self, all: bool) -> Vec<Change> {
        let start = Instant::now();
        self.names_changed = false;
        self.searches = self.searches.wrapping_add(1);
        self.names.clear();
        let mut changes = Vec::new();
        let mut new = HashSet::new();
        let mut directories = HashSet::new();
        let (patience, walks) = if all { (1, MISSED_SEARCHES) } else { (MISSED_SEARCHES, 1) };
        for walk in 0..walks {
            if walk > 0 && !self.known.values().any(|known| known.closed.is_some() && known.search != self.searches) {
                break;
            }
            for pattern in std::mem::take(&mut self.patterns) {
                let mut look = |path: &Path| self.look(path, &pattern, all, &mut new, &mut changes);
                pattern.walk(&mut look, &mut |directory| {
                    directories.insert(directory.to_owned());
                });
                self.patterns.push(pattern);
            }
        }
        self.watch.set(&directories);
        let searches = self.searches;
        self.known.retain(|_, known| {
            let is_gone = known.closed.is_some() && searches.wrapping_sub(known.search) >= patience;
            if is_gone {
                changes.push(Change::Gone(known.key));
            }
            !is_gone
        });
        self.searched = Some((Instant::now(), start.elapsed()));
        changes
    }

    fn look(&mut self, path: &Path, pattern: &Pattern, all: bool, new: &mut HashSet<Inode>, changes: &mut Vec<Change>) {
        let Ok(stat) = Stat::at(path) else { return };
        if !stat.is_file {
            return;
        }
        let inode = inode_of(stat.identity);
        if let Some(known) = self.known.get_mut(&inode) {
            // An open file keeps its inode; that of a closed one can be another file's.
            if known.closed.is_none() || known.born == stat.identity.born {
                self.names.insert(self.hashes.hash_one(path), inode);
                let is_first = known.search != self.searches;
                known.search = self.searches;
                if is_first && *known.path != *path {
                    known.path = path.into();
                }
                if is_first && known.closed.is_some_and(|seen| all || seen != stat.seen) {
                    changes.push(Change::Grown(known.key, path.to_owned(), stat.seen.size));
                }
                return;
            }
            changes.push(Change::Gone(known.key));
            self.known.remove(&inode);
        }
        if new.insert(inode) {
            let container = pattern.container().map(ToOwned::to_owned);
            let label = match &container {
                Some(container) => format!("{container}:{}", path.display()),
                None => path.display().to_string(),
            };
            changes.push(Change::New(Candidate { path: path.to_owned(), stat, label, container }));
        }
    }

    /// Opens a regular file. One that cannot be opened is told once, and tried again by the next search.
    pub fn open(&mut self, path: &Path) -> io::Result<Option<(File, Stat)>> {
        let opened = open(path);
        match &opened {
            Ok(_) => {
                self.unreadable.remove(path);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_exhausted(error) => {}
            Err(error) => {
                if self.unreadable.len() < MOST_UNREADABLE && self.unreadable.insert(path.to_owned()) {
                    tracing::warn!(path = %path.display(), error = %error, "cannot open a file, trying again");
                }
            }
        }
        opened
    }

    /// Files that could not be opened and are still there.
    #[must_use]
    pub fn unreadable(&self) -> Vec<&Path> {
        let mut paths: Vec<&Path> = self.unreadable.iter().map(PathBuf::as_path).filter(|path| path.exists()).collect();
        paths.sort_unstable();
        paths
    }

    /// Whether a file is followed.
    #[must_use]
    pub fn is_known(&self, identity: FileIdentity) -> bool {
        self.known.contains_key(&inode_of(identity))
    }

    /// A file is followed from now on, or another life of it is.
    pub fn follow(&mut self, identity: FileIdentity, key: SourceKey) {
        let inode = inode_of(identity);
        let search = self.searches;
        let known = self.known.entry(inode).or_insert_with(|| {
            let path = Path::new("").into();
            Known { key, born: identity.born, closed: None, search, path }
        });
        known.key = key;
    }

    /// A name that leads to a file.
    pub fn name(&mut self, path: &Path, identity: FileIdentity) {
        let inode = inode_of(identity);
        self.names.insert(self.hashes.hash_one(path), inode);
        if let Some(known) = self.known.get_mut(&inode) {
            known.path = path.into();
        }
    }

    /// A followed file was opened.
    pub fn opened(&mut self, identity: FileIdentity) {
        if let Some(known) = self.known.get_mut(&inode_of(identity)) {
            known.closed = None;
        }
    }

    /// A followed file is not open any more, or was never: from now on its names tell when it grows.
    pub fn closed(&mut self, identity: FileIdentity, seen: Seen) {
        if let Some(known) = self.known.get_mut(&inode_of(identity)) {
            known.closed = Some(seen);
        }
    }

    /// Whether the name that was last seen of this file still leads to it. One with a newer name has it from the next
    /// search on.
    #[must_use]
    pub fn has_name(&self, identity: FileIdentity) -> bool {
        let known = self.known.get(&inode_of(identity));
        known.is_some_and(|known| Stat::at(&known.path).is_ok_and(|stat| stat.identity == identity))
    }

    /// Whether so many searches found no name of this file that it has none.
    #[must_use]
    pub fn has_no_name(&self, identity: FileIdentity) -> bool {
        let known = self.known.get(&inode_of(identity));
        known.is_none_or(|known| self.searches.wrapping_sub(known.search) >= MISSED_SEARCHES)
    }

    /// A name led elsewhere than it should: it is time for a search.
    pub fn search_soon(&mut self) {
        self.names_changed = true;
    }

    /// A file is not followed any more.
    pub fn forget(&mut self, identity: FileIdentity) {
        self.known.remove(&inode_of(identity));
    }
}

/// Whether the process or the system has no descriptor left.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn inode_of(identity: FileIdentity) -> Inode {
    (identity.device, identity.inode)
}

/// Opens a regular file. Nothing for what is none.
fn open(path: &Path) -> io::Result<Option<(File, Stat)>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // The kind is looked at first, and waited for is nothing: opening a pipe can take for ever, opening a device can act.
    if !Stat::at(path)?.is_file {
        return Ok(None);
    }
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let stat = Stat::of(&file)?;
    Ok(stat.is_file.then_some((file, stat)))
}

#[cfg(test)]
mod tests;
