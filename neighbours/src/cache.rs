//! The directory where fetched programs are kept, so that a clean clone finds them again.

#[cfg(test)]
mod tests;

use std::env;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

/// A directory of fetched things, each made whole or not at all, shared by any number of processes.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `agent-comms` in the user's cache directory (`$XDG_CACHE_HOME`, else `~/.cache`).
    pub fn of_user() -> Result<Self> {
        let base = env::var_os("XDG_CACHE_HOME")
            .filter(|base| Path::new(base).is_absolute())
            .map(PathBuf::from)
            .or_else(|| env::home_dir().map(|home| home.join(".cache")))
            .ok_or_else(|| anyhow!("no cache directory: set HOME or XDG_CACHE_HOME"))?;
        Ok(Self::at(base.join("agent-comms")))
    }

    /// A cache that every user can reach. Root keeps here what it runs as another user, since its home is closed to others.
    #[must_use]
    pub fn of_machine() -> Self {
        Self::at("/var/cache/agent-comms")
    }

    /// A cache in `root`, made when first used.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory `name`, made by `make` when it is not there yet.
    ///
    /// `make` fills an empty directory, which takes its name only when it is complete. A second process that wants the
    /// same name waits for the first. What `make` fills must not depend on where it lies.
    pub fn entry(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let entry = self.root.join(name);
        if entry.is_dir() {
            return Ok(entry);
        }
        fs::create_dir_all(&self.root).with_context(|| format!("cannot make the cache directory {}", self.root.display()))?;
        let _lock = self.lock(name)?;
        if entry.is_dir() {
            return Ok(entry);
        }
        let partial = self.root.join(format!("{name}.partial"));
        remove_if_there(&partial)?;
        fs::create_dir(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
        make(&partial)?;
        fs::rename(&partial, &entry).with_context(|| format!("cannot rename {} to {name}", partial.display()))?;
        Ok(entry)
    }

    fn lock(&self, name: &str) -> Result<File> {
        let path = self.root.join(format!("{name}.lock"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open the lock {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

/// Removes a directory that may not exist.
pub(crate) fn remove_if_there(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}
