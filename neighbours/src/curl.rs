//! `curl`: it is used where it is installed, else it is fetched into the user's cache directory.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::python::run;
use crate::{Cache, packages};

const ADVICE: &str = "cannot fetch curl with apt-get: install the package curl (apt-get install curl)";
/// Starts what the package holds, with the libraries that came with it. It must not depend on where it lies.
const STARTER: &str = "#!/bin/sh\nroot=${0%/*}\nLD_LIBRARY_PATH=$root/usr/lib/ARCH-linux-gnu:$root/lib/ARCH-linux-gnu exec \"$root/usr/bin/curl\" \"$@\"\n";

/// Where it is.
#[derive(Debug, Clone)]
pub struct Curl {
    directory: Option<PathBuf>,
}

impl Curl {
    /// Fetches it if need be.
    pub async fn find() -> Result<Self> {
        tokio::task::spawn_blocking(find).await?
    }

    /// The search path (`PATH`) of a shell that is to have it.
    #[must_use]
    pub fn search_path(&self) -> OsString {
        let mut path = env::var_os("PATH").unwrap_or_default();
        if let Some(directory) = &self.directory {
            path.push(":");
            path.push(directory);
        }
        path
    }
}

/// Gets it, where it is not there yet.
pub fn fetch() -> Result<()> {
    find().map(drop)
}

fn find() -> Result<Curl> {
    if run(Command::new("curl").arg("--version")).is_ok() {
        return Ok(Curl { directory: None });
    }
    let entry = Cache::of_user()?
        .entry(&format!("curl-{}", packages::release()), |directory| unpack(directory, Path::new("/var/lib/dpkg/status")))?;
    Ok(Curl { directory: Some(entry) })
}

/// Unpacks the package, and what of its libraries `status` does not list as installed.
fn unpack(directory: &Path, status: &Path) -> Result<()> {
    packages::unpack(&["curl"], status, directory, ADVICE)?;
    let program = directory.join("curl");
    fs::write(&program, STARTER.replace("ARCH", env::consts::ARCH))
        .and_then(|()| fs::set_permissions(&program, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", program.display()))?;
    run(Command::new(program).arg("--version")).context("the curl that was fetched does not run here")
}
