//! Puts this binary where steps find it.
//!
//! A step may be executing the one that is there, and another process may be doing the same as this one: the file is
//! replaced as a whole, and only by one that differs.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// What steps call it.
const NAME: &str = "agent-comms";
/// Steps of every user execute it, nobody changes it.
const MODE: u32 = 0o555;

/// Puts it into `directory`.
///
/// # Errors
/// When the system refuses; a file that is there stays as it was.
pub fn install(directory: &Path) -> anyhow::Result<()> {
    // Not by its path: that may be another file by now.
    let binary = Path::new("/proc/self/exe");
    let target = directory.join(NAME);
    let failed =
        || format!("cannot put the binary in place as `{}`; give an --install-dir that this user may write to", target.display());
    fs::create_dir_all(directory).with_context(failed)?;
    if is_there(binary, &target) {
        return Ok(());
    }
    let temporary = directory.join(format!(".{NAME}.{}", std::process::id()));
    let replaced = copy(binary, &temporary).and_then(|()| fs::rename(&temporary, &target));
    if replaced.is_err() {
        drop(fs::remove_file(&temporary));
    }
    replaced.with_context(failed)
}

/// Whether the very same binary is there already, for everybody to execute.
fn is_there(binary: &Path, target: &Path) -> bool {
    let mode = fs::symlink_metadata(target).map(|found| found.permissions().mode() & 0o7777);
    mode.is_ok_and(|mode| mode == MODE) && same_bytes(binary, target).unwrap_or(false)
}

fn same_bytes(left: &Path, right: &Path) -> io::Result<bool> {
    let (mut left, mut right) = (File::open(left)?, File::open(right)?);
    if left.metadata()?.len() != right.metadata()?.len() {
        return Ok(false);
    }
    let (mut of_left, mut of_right) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let length = left.read(&mut of_left)?;
        if length == 0 {
            return Ok(true);
        }
        right.read_exact(&mut of_right[..length])?;
        if of_left[..length] != of_right[..length] {
            return Ok(false);
        }
    }
}

fn copy(binary: &Path, temporary: &PathBuf) -> io::Result<()> {
    // One that an earlier process of this number left.
    drop(fs::remove_file(temporary));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(temporary)?;
    io::copy(&mut File::open(binary)?, &mut file)?;
    // Whatever mask new files get here.
    file.set_permissions(fs::Permissions::from_mode(MODE))
}
