//! axe-core, which looks for what keeps people from using a page: a script that a browser under test runs. It is fetched with npm
//! and is no part of what is shipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::Cache;
use crate::python::run;

const VERSION: &str = "4.14.1";

/// The text of the script, fetched into the user's cache the first time.
pub fn script() -> Result<String> {
    let path = path(&Cache::of_user()?.entry(&format!("axe-core-{VERSION}"), fetch)?);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn path(directory: &Path) -> PathBuf {
    directory.join("node_modules/axe-core/axe.min.js")
}

fn fetch(directory: &Path) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix"]).arg(directory);
    run(npm.arg(format!("axe-core@{VERSION}"))).with_context(|| {
        format!("cannot fetch axe-core {VERSION} with npm: Node.js with npm and access to its registry are needed (Debian: apt-get install npm)")
    })
}
