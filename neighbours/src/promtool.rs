//! `promtool`, which knows what Prometheus makes of rules: it is used where it is installed, else it is fetched into the user's
//! cache directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::python::run;
use crate::{Cache, packages};

const ADVICE: &str = "cannot fetch promtool with apt-get: install the package prometheus (apt-get install prometheus)";

/// Gets it, where it is not there yet.
pub fn program() -> Result<PathBuf> {
    let installed = PathBuf::from("promtool");
    if try_program(&installed).is_ok() {
        return Ok(installed);
    }
    let program = |directory: &Path| directory.join("usr/bin/promtool");
    let entry = Cache::of_user()?.entry(&format!("promtool-{}", packages::release()), |directory| {
        packages::unpack(&["prometheus"], Path::new("/var/lib/dpkg/status"), directory, ADVICE)?;
        try_program(&program(directory)).context("the promtool that was fetched does not run here")
    })?;
    Ok(program(&entry))
}

/// An error with what it says when a file of rules is none.
pub fn check_rules(file: &Path) -> Result<()> {
    ask(&["check", "rules", "--lint-fatal"], file)
}

/// An error with what it says when an alert of a file of tests comes where it should not, or does not where it should.
pub fn test_rules(file: &Path) -> Result<()> {
    ask(&["test", "rules"], file)
}

fn ask(words: &[&str], file: &Path) -> Result<()> {
    let output = Command::new(program()?).args(words).arg(file).output().context("cannot run promtool")?;
    if output.status.success() {
        return Ok(());
    }
    // What is wrong stands in either of them.
    let said = [output.stdout, output.stderr].concat();
    bail!("promtool {} {}: {}", words.join(" "), file.display(), String::from_utf8_lossy(&said).trim())
}

fn try_program(program: &Path) -> Result<()> {
    run(Command::new(program).arg("--version"))
}
