//! The clock on the wall of one process, which jumps when it is told to; time that only passes is left alone.
//!
//! The `libfaketime` library does it, between a program and the C library: it is used where it is installed, else it is
//! fetched into the user's cache directory. A program that is linked statically is not reached.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{Cache, packages};

const ADVICE: &str = "cannot fetch libfaketime with apt-get: install the package libfaketime (apt-get install libfaketime)";

/// A clock. It is right until it jumps.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is set through this file.
    pub fn new(file: impl Into<PathBuf>) -> Result<Self> {
        let clock = Self { library: library()?, file: file.into() };
        clock.set(0)?;
        Ok(clock)
    }

    /// What a process needs in its environment to have this clock.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, PathBuf)> {
        let settings = ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"];
        let files = [("LD_PRELOAD", self.library.clone()), ("FAKETIME_TIMESTAMP_FILE", self.file.clone())];
        files.into_iter().chain(settings.map(|setting| (setting, PathBuf::from("1")))).collect()
    }

    /// From now on the clock differs by so many seconds from the right time.
    pub fn set(&self, seconds: i64) -> Result<()> {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).with_context(|| format!("cannot write {}", new.display()))?;
        // It is read at every look at the clock: there must never be half of it.
        fs::rename(&new, &self.file).with_context(|| format!("cannot replace {}", self.file.display()))
    }
}

/// Gets the library, where it is not there yet.
pub fn fetch() -> Result<()> {
    library().map(drop)
}

fn library() -> Result<PathBuf> {
    // The variant for programs with threads.
    let name = format!("usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    let installed = Path::new("/").join(&name);
    if installed.is_file() {
        return Ok(installed);
    }
    let entry = Cache::of_user()?.entry(&format!("libfaketime-{}", packages::release()), |directory| {
        packages::unpack(&["libfaketime"], Path::new("/var/lib/dpkg/status"), directory, ADVICE)?;
        if !directory.join(&name).is_file() {
            bail!("the package libfaketime has no {name}");
        }
        Ok(())
    })?;
    Ok(entry.join(name))
}
