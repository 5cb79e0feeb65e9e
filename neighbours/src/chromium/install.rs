//! Where Chromium and its driver come from.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use super::path_directories;
use crate::python::run;
use crate::{Cache, packages};

const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];
const ADVICE: &str = "cannot fetch Chromium with apt-get: install the packages chromium and chromium-driver (apt-get install chromium chromium-driver)";

/// The browser, its driver and, when both were unpacked without being installed, what is around them.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    pub(super) browser: PathBuf,
    pub(super) driver: PathBuf,
    /// Where the packages were unpacked.
    root: Option<PathBuf>,
}

impl Installation {
    /// What packages were unpacked to; an error when the programs are not there or do not run.
    pub(super) fn unpacked(root: &Path) -> Result<Self> {
        let installation = Self {
            browser: root.join("usr/lib/chromium/chromium"),
            driver: root.join("usr/bin/chromedriver"),
            root: Some(root.to_path_buf()),
        };
        installation.try_programs().with_context(|| {
            let root = root.display();
            format!("the Chromium unpacked to {root} does not run here: install the packages chromium and chromium-driver")
        })?;
        Ok(installation)
    }

    /// Where the shared libraries lie that the machine lacks: also the folders that a library expects beside it.
    pub(super) fn library_path(&self) -> Option<OsString> {
        let root = self.root.as_ref()?;
        let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
        let mut directories = vec![root.join("usr/lib/chromium")];
        for parent in ["usr/lib", "lib"].map(|parent| root.join(parent).join(&architecture)) {
            let inside = fs::read_dir(&parent).into_iter().flatten().flatten().map(|entry| entry.path());
            directories.extend(inside.filter(|path| path.is_dir()));
            directories.push(parent);
        }
        std::env::join_paths(directories).ok()
    }

    /// An error when one of the programs does not even tell its version.
    fn try_programs(&self) -> Result<()> {
        [&self.browser, &self.driver].into_iter().try_for_each(|program| {
            let mut command = Command::new(program);
            if let Some(libraries) = self.library_path() {
                command.env("LD_LIBRARY_PATH", libraries);
            }
            run(command.arg("--version"))
        })
    }
}

/// What is installed, else what the cache holds or can fetch. Whether it runs is tried once in a process.
pub(super) fn find() -> Result<Installation> {
    static FOUND: OnceLock<Installation> = OnceLock::new();
    if let Some(installation) = FOUND.get() {
        return Ok(installation.clone());
    }
    let installation = look()?;
    Ok(FOUND.get_or_init(|| installation).clone())
}

fn look() -> Result<Installation> {
    if let Some(installation) = installed() {
        return Ok(installation);
    }
    let entry = Cache::of_user()?.entry(&format!("chromium-{}", packages::release()), |directory| {
        packages::unpack(&PACKAGES, Path::new("/var/lib/dpkg/status"), directory, ADVICE)?;
        Installation::unpacked(directory).map(drop)
    })?;
    Installation::unpacked(&entry)
}

fn installed() -> Option<Installation> {
    let driver = in_path(&["chromedriver"])?;
    let browser = in_path(&["chromium", "google-chrome", "chromium-browser"])?;
    let installation = Installation { browser, driver, root: None };
    installation.try_programs().is_ok().then_some(installation)
}

fn in_path(names: &[&str]) -> Option<PathBuf> {
    let directories = path_directories();
    names.iter().find_map(|name| directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file()))
}
