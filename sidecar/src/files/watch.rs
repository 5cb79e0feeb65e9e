//! Wakes the reader when something happens in a directory. A hint and nothing more: what it misses, polling finds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// Watches directories, while the system has instances and watches to give.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    directories: HashSet<PathBuf>,
}

impl Watch {
    /// A watch that tells `changed` of everything. Where the system has none to give, polling alone finds changes.
    #[must_use]
    pub fn new(changed: Arc<Notify>) -> Self {
        let tell = move |event: notify::Result<notify::Event>| {
            let is_read = event.as_ref().is_ok_and(|event| matches!(event.kind, notify::EventKind::Access(_)));
            // Our own reading must not wake us.
            if !is_read {
                changed.notify_one();
            }
        };
        let watcher = match notify::recommended_watcher(tell) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::info!(error = %error, "directories cannot be watched, they are polled");
                None
            }
        };
        Self { watcher, directories: HashSet::new() }
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
    }

    /// Whether changes wake the reader, at least in some directories.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.watcher.is_some()
    }
}

fn watch(watcher: &mut RecommendedWatcher, directory: &Path) -> bool {
    match watcher.watch(directory, RecursiveMode::NonRecursive) {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(path = %directory.display(), error = %error, "a directory cannot be watched, it is polled");
            false
        }
    }
}
