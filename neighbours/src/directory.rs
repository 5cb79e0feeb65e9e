//! Where a process keeps its data: a directory that goes with its owner, or one that stays.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{cache, janitor};

/// A process's directory, removed with this value, and with this process, when it was made for it.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    temporary: bool,
}

impl Directory {
    /// `kept` if one is given, else a fresh one below the system's directory for temporary files.
    pub(crate) fn open(kept: Option<&Path>, name: &str) -> Result<Self> {
        match kept {
            Some(path) => Self::keep(path),
            None => Self::temporary(name),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn keep(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        Ok(Self { path, temporary: false })
    }

    /// A fresh directory below the system's directory for temporary files.
    pub fn temporary(name: &str) -> Result<Self> {
        let path = tempfile::Builder::new()
            .prefix(&format!("agent-comms-{name}-"))
            .tempdir()
            .context("cannot make a temporary directory")?
            .keep();
        janitor::watch_directory(&path)?;
        Ok(Self { path, temporary: true })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.temporary {
            return;
        }
        let removed = cache::remove_if_there(&self.path).and_then(|()| janitor::forget_directory(&self.path));
        if let Err(error) = removed {
            tracing::warn!(error = format!("{error:#}"), "cannot remove a temporary directory");
        }
    }
}
