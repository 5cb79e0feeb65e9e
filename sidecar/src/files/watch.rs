//! Wakes the reader when something happens in a directory. A hint and nothing more: what it misses, polling finds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// Most files that are remembered by name between two looks; beyond it everything is looked at.
const MOST_WRITTEN: usize = 256;

/// File systems whose other writers the kernel does not hear of: NFS, SMB (two numbers), FUSE, 9P, Ceph.
const SILENT: [u64; 6] = [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x6573_5546, 0x0102_1997, 0x00C3_6400];

/// Watches directories, while the system has instances and watches to give.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    directories: HashSet<PathBuf>,
    /// Whether every directory is watched that should be.
    whole: bool,
    hints: Arc<Hints>,
}

/// What happened since it was asked last.
#[derive(Debug, Default)]
struct Hints {
    any: AtomicBool,
    happened: Mutex<Happened>,
}

/// What happened in the watched directories.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Files that were written, by the names they have now.
    pub written: HashSet<PathBuf>,
    /// Whether names came, went or changed.
    pub names: bool,
    /// Whether anything may have happened anywhere: events were lost.
    pub anything: bool,
}

impl Watch {
    /// A watch that tells `changed` of everything. Where the system has none to give, polling alone finds changes.
    #[must_use]
    pub fn new(changed: Arc<Notify>) -> Self {
        let hints = Arc::new(Hints::default());
        let told = Arc::clone(&hints);
        let tell = move |event: notify::Result<notify::Event>| {
            // Our own reading must not wake us.
            if event.as_ref().is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            told.happened.lock().unwrap_or_else(PoisonError::into_inner).add(event);
            told.any.store(true, Ordering::Release);
            changed.notify_one();
        };
        let watcher = match notify::recommended_watcher(tell) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::info!(error = %error, "directories cannot be watched, they are polled");
                None
            }
        };
        Self { watcher, directories: HashSet::new(), whole: true, hints }
    }

    /// No watch at all: everything is polled.
    #[must_use]
    pub fn none() -> Self {
        Self { watcher: None, directories: HashSet::new(), whole: false, hints: Arc::default() }
    }

    /// What happened since the last call, if anything did.
    pub fn take_happened(&self) -> Option<Happened> {
        let any = self.hints.any.swap(false, Ordering::Acquire);
        any.then(|| std::mem::take(&mut *self.hints.happened.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Watches exactly these directories from now on.
    pub fn set(&mut self, wanted: &HashSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.directories.difference(wanted) {
            // It may be gone from the disk, and its watch with it.
            drop(watcher.unwatch(gone));
        }
        let mut now_watched: HashSet<PathBuf> = self.directories.intersection(wanted).cloned().collect();
        for added in wanted.difference(&self.directories) {
            if watch(watcher, added) {
                now_watched.insert(added.clone());
            }
        }
        self.directories = now_watched;
        let whole = self.directories.len() == wanted.len();
        if self.whole && !whole {
            tracing::info!("not all directories can be watched, files are polled");
        }
        self.whole = whole;
    }

    /// Whether changes wake the reader, in every directory.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.watcher.is_some() && self.whole
    }
}

impl Happened {
    fn add(&mut self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else {
            self.anything = true;
            return;
        };
        if event.need_rescan() {
            self.anything = true;
        }
        match event.kind {
            EventKind::Modify(ModifyKind::Data(_)) if self.written.len() + event.paths.len() <= MOST_WRITTEN => {
                self.written.extend(event.paths);
            }
            EventKind::Modify(ModifyKind::Data(_)) => self.anything = true,
            _ => self.names = true,
        }
    }
}

fn watch(watcher: &mut RecommendedWatcher, directory: &Path) -> bool {
    if rustix::fs::statfs(directory).is_ok_and(|told| is_silent(told.f_type)) {
        return false;
    }
    match watcher.watch(directory, RecursiveMode::NonRecursive) {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(path = %directory.display(), error = %error, "a directory cannot be watched, it is polled");
            false
        }
    }
}

/// Whether the kernel does not hear of all that is written there.
fn is_silent(kind: impl TryInto<i64>) -> bool {
    // Some systems give the number with its sign extended.
    kind.try_into().is_ok_and(|kind: i64| SILENT.contains(&(kind.cast_unsigned() & 0xFFFF_FFFF)))
}

#[cfg(test)]
mod tests;
